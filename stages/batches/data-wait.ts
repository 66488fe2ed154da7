/** How much of its time a device waits for data. */
export class DataWait {
  readonly #begun = performance.now();
  #waited = 0;

  /** @param milliseconds from asking for a batch to having its tensors */
  add(milliseconds: number): void {
    this.#waited += milliseconds;
  }

  /** Of the time since the first step was begun, in [0, 1]. */
  get share(): number {
    return this.#waited / (performance.now() - this.#begun);
  }
}
