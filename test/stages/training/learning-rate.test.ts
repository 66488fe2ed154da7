import { expect, test } from 'vitest';
import { rateAt } from '../../../stages/training/learning-rate.js';

test('step over 40 epochs of 100 steps: 0.1, divided by 10 at epochs 26 and 34', () => {
  const settings = { lr: 0.1, warmup: 0, schedule: 'step' as const, milestones: [0.65, 0.85] };
  const rates = [0, 2599, 2600, 3399, 3400, 3999].map((step) => rateAt(settings, step, 4000));
  [0.1, 0.1, 0.01, 0.01, 0.001, 0.001].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 9));
});

test('cosine with a warm-up of ten: a tenth of the way up after one step, half at half time, nothing left at the end', () => {
  const settings = { lr: 0.2, warmup: 10, schedule: 'cosine' as const };
  expect(rateAt(settings, 0, 1000)).toBeCloseTo(0.02, 9);
  expect(rateAt(settings, 500, 1000)).toBeCloseTo(0.1, 9);
  expect(rateAt(settings, 999, 1000)).toBeLessThan(1e-6);
});

test('cosine falls to its share, constant stays', () => {
  const cosine = { lr: 1, warmup: 4, schedule: 'cosine', lrFinal: 0.1 } as const;
  expect(rateAt(cosine, 0, 100)).toBeCloseTo(0.25, 12);
  expect(rateAt(cosine, 50, 100)).toBeCloseTo(0.55, 12);
  expect(rateAt(cosine, 100, 100)).toBeCloseTo(0.1, 12);
  expect(rateAt({ ...cosine, schedule: 'constant' }, 50, 100)).toBe(1);
});
