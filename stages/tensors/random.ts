/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A stream is a pure function of (seed, purpose), so nothing has to be saved for a resume: ask for
 * `new Random(seed, 'noise', step)` again. Uniforms, integers, normals and permutations use only integer operations and
 * + - * / sqrt of doubles, which every machine rounds alike: the numbers are the same bits everywhere, on every
 * version of Node. (Math.log, Math.sin and Math.cos would not promise that.)
 */
import { createHash } from 'node:crypto';

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
/** The key schedule's Weyl steps: the golden ratio and sqrt(3) - 1. */
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** Blocks computed at a time, so that the generator's loop stays in one function that V8 compiles well. */
const BLOCKS = 64;
const TWO_TO_MINUS_32 = 2 ** -32;

/**
 * Philox4x32-10 of consecutive counters: out[4k..4k+3] = philox(counter + k).
 *
 * @param out      filled whole; its length must be a multiple of 4
 * @param counter  four words, least significant first; advanced past the blocks made
 * @param key      two words
 */
export function philox4x32(out: Uint32Array, counter: Uint32Array, key: Uint32Array): void {
  for (let at = 0; at < out.length; at += 4) {
    let c0 = counter[0]!;
    let c1 = counter[1]!;
    let c2 = counter[2]!;
    let c3 = counter[3]!;
    let k0 = key[0]!;
    let k1 = key[1]!;
    for (let round = 0; round < ROUNDS; round++) {
      const low0 = Math.imul(c0, MULTIPLIER_0);
      const low1 = Math.imul(c2, MULTIPLIER_1);
      const high0 = highWord(c0, MULTIPLIER_0);
      const high1 = highWord(c2, MULTIPLIER_1);
      c0 = (high1 ^ c1 ^ k0) >>> 0;
      c1 = low1 >>> 0;
      c2 = (high0 ^ c3 ^ k1) >>> 0;
      c3 = low0 >>> 0;
      k0 = (k0 + WEYL_0) >>> 0;
      k1 = (k1 + WEYL_1) >>> 0;
    }
    out[at] = c0;
    out[at + 1] = c1;
    out[at + 2] = c2;
    out[at + 3] = c3;
    for (let word = 0; word < 4; word++) {
      counter[word] = counter[word]! + 1;
      if (counter[word] !== 0) break; // no carry
    }
  }
}

/** The upper 32 bits of a 32 by 32 bit product; every intermediate stays below 2^32. */
function highWord(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  return aHigh * bHigh + (middle >>> 16) + ((aLow * bHigh + (middle & 0xffff)) >>> 16);
}

/** log(word / 2^32) for a word in 1..2^32, to about 1e-15: atanh series on the mantissa in [sqrt(1/2), sqrt(2)]. */
function logOfFraction(word: number): number {
  let exponent = word >= 2 ** 32 ? 32 : 31 - Math.clz32(word);
  let mantissa = word / 2 ** exponent;
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const q = s * s;
  const series =
    1 +
    q *
      (1 / 3 +
        q *
          (1 / 5 +
            q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q * (1 / 15 + q * (1 / 17 + q / 19))))))));
  return 2 * s * series + (exponent - 32) * Math.LN2;
}

/** sin and cos of x in [-pi/4, pi/4], to about 1e-14 (Taylor). */
function smallSine(x: number): number {
  const q = x * x;
  return (
    x * (1 - (q / 6) * (1 - (q / 20) * (1 - (q / 42) * (1 - (q / 72) * (1 - (q / 110) * (1 - q / 156))))))
  );
}
function smallCosine(x: number): number {
  const q = x * x;
  return (
    1 -
    (q / 2) *
      (1 - (q / 12) * (1 - (q / 30) * (1 - (q / 56) * (1 - (q / 90) * (1 - (q / 132) * (1 - q / 182))))))
  );
}

/** A stream of random numbers that depends on nothing but the seed and the purpose. */
export class Random {
  readonly #key = new Uint32Array(2);
  readonly #counter = new Uint32Array(4);
  readonly #words = new Uint32Array(4 * BLOCKS);
  #next = 4 * BLOCKS;
  /** The second normal of the last Box-Muller pair. */
  #spare: number | undefined;
  /** The second value of `#pair`. */
  #second = 0;

  /**
   * @param seed     an integer
   * @param purpose  what the numbers are for: words and integers such as 'noise', step. Two purposes give
   *                 independent streams; ('a', 1) and ('a', '1') are different.
   */
  constructor(seed: number, ...purpose: (string | number)[]) {
    for (const part of [seed, ...purpose]) {
      if (typeof part === 'number' && !Number.isSafeInteger(part)) {
        throw new RangeError(
          `random stream: the seed and numbers of a purpose must be integers, not ${part}`,
        );
      }
    }
    const digest = createHash('sha256')
      .update(JSON.stringify([seed, ...purpose]))
      .digest();
    this.#key[0] = digest.readUInt32LE(0);
    this.#key[1] = digest.readUInt32LE(4);
    this.#counter[2] = digest.readUInt32LE(8);
    this.#counter[3] = digest.readUInt32LE(12);
  }

  /** 32 random bits. */
  word(): number {
    if (this.#next === this.#words.length) {
      philox4x32(this.#words, this.#counter, this.#key);
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }

  /** Uniform in [0, 1), a multiple of 2^-32. */
  uniform(): number {
    return this.word() * TWO_TO_MINUS_32;
  }

  /** Uniform in 0..n-1, without bias. n in 1..2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new RangeError(`random integer below ${n}: the bound must be an integer in 1..2^32`);
    }
    const unbiased = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const word = this.word();
      if (word < unbiased) return word % n;
    }
  }

  /** A standard normal number. */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const first = this.#pair();
    this.#spare = this.#second;
    return first;
  }

  /** Fills with the numbers that `normal()` would give one after another, rounded to float32. */
  fillNormal(target: Float32Array): Float32Array {
    let at = 0;
    if (this.#spare !== undefined && target.length > 0) target[at++] = this.normal();
    for (; at + 1 < target.length; at += 2) {
      target[at] = this.#pair();
      target[at + 1] = this.#second;
    }
    if (at < target.length) target[at] = this.normal();
    return target;
  }

  /** The numbers 0..n-1 in random order (Fisher-Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const kept = order[i]!;
      order[i] = order[j]!;
      order[j] = kept;
    }
    return order;
  }

  /** Box-Muller: returns one normal and leaves the other in #second. The angle is 2 pi * word / 2^32. */
  #pair(): number {
    const radius = Math.sqrt(-2 * logOfFraction(this.word() + 1));
    const angle = this.word();
    // The nearest multiple of pi/2 and what is left of it, in [-pi/4, pi/4].
    const quarter = ((angle + 0x20000000) / 0x40000000) | 0;
    const rest = (angle - quarter * 0x40000000) * (Math.PI / 0x80000000);
    const sine = radius * smallSine(rest);
    const cosine = radius * smallCosine(rest);
    switch (quarter & 3) {
      case 0:
        this.#second = sine;
        return cosine;
      case 1:
        this.#second = cosine;
        return -sine;
      case 2:
        this.#second = -sine;
        return -cosine;
      default:
        this.#second = -cosine;
        return sine;
    }
  }
}
