/** In which order a training sees its images: every epoch shows each once, in an order of its own, from the seed alone. */
import { Random } from '../tensors/random.js';

export class Epochs {
  #epoch = -1;
  #order: Int32Array = new Int32Array(0);

  constructor(
    private readonly seed: number,
    /** Images. */
    readonly count: number,
  ) {}

  /** The k-th image shown. */
  row(k: number): number {
    const epoch = this.of(k);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = new Random(this.seed, 'order', epoch).permutation(this.count);
    }
    return this.#order[k % this.count]!;
  }

  /** The epoch in which the k-th image is shown. */
  of(k: number): number {
    return Math.floor(k / this.count);
  }
}
