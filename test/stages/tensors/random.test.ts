/** Philox against its published answers, and what is made of it against its definition. */
import { describe, expect, test } from 'vitest';
import { philox4x32, Random } from '../../../stages/tensors/random.js';

describe('Philox4x32-10', () => {
  // kat_vectors of Random123 1.14: counter, key, answer.
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('of counter %j and key %j is as published', (counter, key, answer) => {
    const out = new Uint32Array(4);
    philox4x32(out, Uint32Array.from(counter), Uint32Array.from(key));
    expect([...out]).toEqual(answer);
  });

  test('blocks made together are those of consecutive counters, with the carry', () => {
    const together = new Uint32Array(8);
    philox4x32(together, Uint32Array.of(0xffffffff, 6, 0, 0), Uint32Array.of(1, 2));
    const second = new Uint32Array(4);
    philox4x32(second, Uint32Array.of(0, 7, 0, 0), Uint32Array.of(1, 2));
    expect(together.slice(4)).toEqual(second);
  });
});

describe('a stream', () => {
  const words = (random: Random): number[] => Array.from({ length: 8 }, () => random.word());

  test('depends on the seed and on every part of the purpose, and on nothing else', () => {
    const streams = [
      new Random(1, 'noise', 5),
      new Random(2, 'noise', 5),
      new Random(1, 'noise', 6),
      new Random(1, 'noise', '5'),
      new Random(1, 'nois', 'e', 5),
      new Random(1),
    ].map(words);
    expect(new Set(streams.map(String)).size).toBe(6);
    expect(words(new Random(1, 'noise', 5))).toEqual(streams[0]);
  });

  test('is the same on every machine, for ever', () => {
    // Pinned: a change here would change every cached result. Python's hashlib and math, with Philox written anew there, give the same.
    const random = new Random(7, 'pinned');
    expect(words(random).slice(0, 2)).toEqual([2979038372, 2754260540]);
    expect([random.normal(), random.normal()]).toEqual([-0.9784160206219155, -0.45090413600606455]);
  });

  test('refuses a seed that is no integer', () => {
    expect(() => new Random(0.5)).toThrow('must be integers, not 0.5');
    expect(() => new Random(1, 'step', NaN)).toThrow('must be integers, not NaN');
  });
});

describe('numbers', () => {
  test('normals are Box-Muller of the words, to double rounding', () => {
    const normals = new Random(3, 'n');
    const words = new Random(3, 'n');
    for (let i = 0; i < 20_000; i++) {
      const radius = Math.sqrt(-2 * Math.log((words.word() + 1) / 2 ** 32));
      const angle = (2 * Math.PI * words.word()) / 2 ** 32;
      expect(Math.abs(normals.normal() - radius * Math.cos(angle))).toBeLessThan(1e-12);
      expect(Math.abs(normals.normal() - radius * Math.sin(angle))).toBeLessThan(1e-12);
    }
  });

  test('normals have the moments of the normal distribution', () => {
    const n = 400_000;
    const sample = new Random(11, 'moments').fillNormal(new Float32Array(n));
    const moment = (k: number): number => sample.reduce((sum, x) => sum + x ** k, 0) / n;
    // Five standard errors of each: sqrt(1), sqrt(2), sqrt(15), sqrt(96) over sqrt(n).
    expect(Math.abs(moment(1))).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan((5 * Math.SQRT2) / Math.sqrt(n));
    expect(Math.abs(moment(3))).toBeLessThan((5 * Math.sqrt(15)) / Math.sqrt(n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan((5 * Math.sqrt(96)) / Math.sqrt(n));
  });

  test('filling gives what asking one by one gives, also after an odd start', () => {
    const [one, many] = [new Random(1, 'fill'), new Random(1, 'fill')];
    expect(many.normal()).toBe(one.normal());
    for (const length of [4, 3, 0, 5]) {
      const expected = Float32Array.from({ length }, () => one.normal());
      expect(many.fillNormal(new Float32Array(length))).toEqual(expected);
    }
  });

  test('integers below 6 come equally often', () => {
    const random = new Random(2, 'dice');
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 60_000; i++) counts[random.int(6)]!++;
    // Chi-squared with 5 degrees of freedom: 20.5 has a probability of 0.001.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(20.5);
  });

  test.each([0, -1, 1.5, 2 ** 33])('there is no random integer below %d', (n) => {
    expect(() => new Random(1).int(n)).toThrow('must be an integer in 1..2^32');
  });

  test('uniforms fill [0, 1)', () => {
    const random = new Random(4, 'uniform');
    const sample = Array.from({ length: 10_000 }, () => random.uniform());
    expect(Math.min(...sample)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...sample)).toBeLessThan(1);
    expect(sample.reduce((a, b) => a + b) / 10_000).toBeCloseTo(0.5, 1);
  });

  test('a permutation holds each number once, and each place gets each number', () => {
    const firsts = new Set<number>();
    for (let step = 0; step < 100; step++) {
      const order = new Random(1, 'shuffle', step).permutation(5);
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
      firsts.add(order[0]!);
    }
    expect(firsts.size).toBe(5);
    expect([...new Random(1).permutation(0)]).toEqual([]);
  });
});
