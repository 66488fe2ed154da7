/**
 * Frees arrays that a stage is done with (pixels, tensors). They lie outside V8's heap, and of those that lived through two collections of
 * what is young V8 lets 64 MiB gather before it looks: the longer a stage runs, the more of them it holds, up to there.
 */
import { getHeapStatistics } from 'node:v8';
import { collectGarbage } from '../collector.js';

export interface DeadArraysParts {
  /** Of all that lies outside the heap. */
  bytes: () => number;
  collect: () => void;
  /** Milliseconds. */
  clock: () => number;
}

/** So much more than after the last collection is worth another; where much is in use, half of that. */
const worthBytes = 4 * 2 ** 20;
/** Collecting takes this share of the time at most. */
const largestShare = 0.01;

export class DeadArrays {
  readonly #parts: DeadArraysParts;
  /** After the last collection. */
  #left: number;
  #notBefore = 0;

  constructor(parts: Partial<DeadArraysParts> = {}) {
    this.#parts = {
      bytes: () => getHeapStatistics().external_memory,
      collect: collectGarbage,
      clock: () => performance.now(),
      ...parts,
    };
    this.#left = this.#parts.bytes();
  }

  /** Called now and then, where a stage has done some of its work. */
  look(): void {
    const { bytes, collect, clock } = this.#parts;
    const now = bytes();
    // V8 has collected meanwhile.
    this.#left = Math.min(this.#left, now);
    if (now - this.#left < Math.max(worthBytes, this.#left / 2)) return;
    const begun = clock();
    if (begun < this.#notBefore) return;
    collect();
    const ended = clock();
    this.#left = bytes();
    this.#notBefore = ended + (ended - begun) / largestShare;
  }
}
