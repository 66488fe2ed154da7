/**
 * When work saves its checkpoint: seldom enough that saving costs at most a fiftieth of the time, and, where that allows it, often
 * enough that a kill loses no more than half of the work, 15 seconds at most.
 */

/** Saving takes this share of the time at most. */
const largestShare = 0.02;
const firstMilliseconds = 1000;
const longestMilliseconds = 15_000;

export class Cadence {
  #saved: number;
  /** From one save to the next; it doubles, as the work at stake grows. */
  #interval = firstMilliseconds;

  /** @param clock milliseconds */
  constructor(private readonly clock: () => number = () => performance.now()) {
    this.#saved = clock();
  }

  /** Whether it is time to save. */
  get due(): boolean {
    return this.clock() - this.#saved >= this.#interval;
  }

  /** Saves, and learns what that costs: states of a gigabyte are saved less often. */
  async save(write: () => void | Promise<void>): Promise<void> {
    const begun = this.clock();
    await write();
    this.#saved = this.clock();
    const cost = this.#saved - begun;
    this.#interval = Math.max(Math.min(2 * this.#interval, longestMilliseconds), cost / largestShare);
  }
}
