/** What a stage's key depends on, and what it does not. */
import { expect, test } from 'vitest';
import { keyOf } from '../../../engine/plan/key.js';
import type { KeyComponents } from '../../../engine/plan/plan.js';
import { components } from '../cache/rig.js';

test('the key is sha256 of the record type, a zero byte and the canonical JSON', () => {
  // printf 'stage-key/1\0{"code":"c0de...","cpus":2,"inputs":{"dataset":["da7a..."]},"kind":"fr-train","seed":1,
  //   "settings":{"m":0.4,"s":64}}' | sha256sum
  expect(keyOf(components())).toBe('c1de0d6701be98ab86a2c777695bdf61d8c25021a19f013ce010d24d42179976');
});

const nested = (order: 'ab' | 'ba') => {
  const [a, b] = [
    { lr: 1e-4, betas: [0.9, 0.999] },
    { flip: true, crop: null },
  ];
  return order === 'ab'
    ? { a, b }
    : { b: { crop: null, flip: true }, a: { betas: [0.9, 0.999], lr: 0.0001 } };
};

test('the order of settings and the way a number is written change nothing', () => {
  expect(keyOf(components({ settings: nested('ba') }))).toBe(keyOf(components({ settings: nested('ab') })));
});

test('the names of modules change nothing that the code digest does not say; an input not given is none', () => {
  const { dataset } = components().inputs;
  expect(keyOf(components({ codeParts: {} }))).toBe(keyOf(components()));
  expect(keyOf(components({ inputs: { dataset: dataset!, init: [] } }))).toBe(keyOf(components()));
});

test('every component that matters changes the key, and no two changes meet', () => {
  const [a, b] = ['aa'.repeat(32), 'bb'.repeat(32)] as unknown as KeyComponents['code'][];
  const changes: Partial<KeyComponents>[] = [
    {},
    { kind: 'fr-train-2' },
    { code: a! },
    { settings: { m: 0.4 } },
    { settings: { m: 0.4, s: '64' } },
    { settings: { m: 0.4, s: 64, extra: null } },
    { settings: { m: 0.4, s: [64] } },
    { settings: { ms: 0.4, s: 64 } },
    { settings: { m: { s: 64 } } },
    { inputs: {} },
    { inputs: { data: [a!] } },
    { inputs: { dataset: [a!] } },
    { inputs: { dataset: [a!, b!] } },
    { inputs: { dataset: [b!, a!] } },
    { inputs: { dataset: [a!], model: [b!] } },
    { inputs: { dataset: [b!], model: [a!] } },
    { seed: 2 },
    { seed: null },
    { cpus: 1 },
  ];
  expect(new Set(changes.map((change) => keyOf(components(change)))).size).toBe(changes.length);
});

test('settings that JSON cannot say are a bug, not a key', () => {
  expect(() => keyOf(components({ settings: { m: NaN } }))).toThrow();
});
