/** Which images of a data set are of which identity: eight bytes an image, where a list of each identity's would take several times that. */
export class RowsByLabel {
  readonly #rows: Int32Array;
  /** Where those of each label begin, and the last ones end. */
  readonly #starts: Int32Array;

  /** @param labels 0 .. identities - 1, [N] */
  constructor(labels: Int32Array, identities: number) {
    this.#starts = new Int32Array(identities + 1);
    for (const label of labels) this.#starts[label + 1] = this.#starts[label + 1]! + 1;
    for (let label = 0; label < identities; label++)
      this.#starts[label + 1] = this.#starts[label + 1]! + this.#starts[label]!;
    const next = this.#starts.slice();
    this.#rows = new Int32Array(labels.length);
    labels.forEach((label, row) => {
      this.#rows[next[label]!] = row;
      next[label] = next[label]! + 1;
    });
  }

  /** In ascending order. */
  of(label: number): Int32Array {
    return this.#rows.subarray(this.#starts[label]!, this.#starts[label + 1]!);
  }
}
