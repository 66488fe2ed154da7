/** The noise schedule and the DDIM steps against values of the DDPM and DDIM papers' formulas, worked out by hand. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { ddimNumbers, ddimStep, ddimSteps, type DdimTensors } from '../../../stages/diffusion/ddim.js';
import {
  estimateX0,
  NoiseSchedule,
  type Prediction,
  qSample,
  targetOf,
  timeEmbedding,
} from '../../../stages/diffusion/schedule.js';

beforeAll(() => tf.setBackend('cpu'));

const ddpm = new NoiseSchedule({ steps: 1000, betaStart: 1e-4, betaEnd: 0.02 });
const image = (value: number) => tf.tensor4d([value], [1, 1, 1, 1]);

describe('the schedule', () => {
  test('has the betas and products of Ho et al.: linear, T = 1000, nearly no signal left', () => {
    expect(ddpm.betas[0]).toBe(1e-4);
    expect(ddpm.betas[999]).toBeCloseTo(0.02, 12);
    expect(ddpm.betas[1]! - ddpm.betas[0]!).toBeCloseTo(0.0199 / 999, 12);
    expect(ddpm.alphaBar[0]).toBeCloseTo(0.9999, 12);
    expect(ddpm.alphaBar[1]).toBeCloseTo(0.9999 * (1 - 1e-4 - 0.0199 / 999), 12);
    // "L_T = D_KL(q(x_T | x_0) || N(0, I)) about 1e-5 bits per dimension": abar_T of DDPM is 4.0e-5.
    expect(ddpm.alphaBar[999]).toBeGreaterThan(4.03e-5);
    expect(ddpm.alphaBar[999]).toBeLessThan(4.04e-5);
  });

  test('step -1 is the clean image, and steps outside are refused', () => {
    expect([ddpm.signal(-1), ddpm.noise(-1)]).toEqual([1, 0]);
    expect(() => ddpm.signal(1000)).toThrow('outside 0..999');
  });

  test('four steps of beta 0.1 to 0.4 by hand', () => {
    const four = new NoiseSchedule({ steps: 4, betaStart: 0.1, betaEnd: 0.4 });
    const expected = [0.9, 0.72, 0.504, 0.3024];
    expected.forEach((value, t) => expect(four.alphaBar[t]).toBeCloseTo(value, 12));
  });
});

test('the time embedding starts with sin t and cos t, and ends with frequencies of almost 1e-4', () => {
  const row = timeEmbedding([0, 3]);
  expect([row[0], row[64]]).toEqual([0, 1]);
  expect(row[128]).toBeCloseTo(Math.sin(3), 6);
  expect(row[192]).toBeCloseTo(Math.cos(3), 6);
  expect(row[128 + 63]).toBeCloseTo(3 * 10 ** (-4 * (63 / 64)), 7);
});

describe('predictions', () => {
  const at = { signal: image(0.8), noise: image(0.6) };
  const [x0, eps] = [image(0.5), image(-1)];

  test('x_t = 0.8 x0 + 0.6 eps = -0.2, eq. (4)', () => {
    expect(qSample(x0, eps, at).dataSync()[0]).toBeCloseTo(-0.2, 6);
  });

  test.each<[Prediction, number]>([
    ['eps', -1],
    ['x0', 0.5],
    ['v', -1.1], // 0.8 (-1) - 0.6 (0.5)
  ])('the target of %s is %d, and gives x0 back', (prediction, target) => {
    const said = targetOf(prediction, x0, eps, at);
    expect(said.dataSync()[0]).toBeCloseTo(target, 6);
    expect(estimateX0(prediction, image(-0.2), said, at).dataSync()[0]).toBeCloseTo(0.5, 6);
  });
});

describe('DDIM', () => {
  test.each([
    ['linspace', [999, 666, 333, 0]],
    ['leading', [750, 500, 250, 0]],
    ['trailing', [999, 749, 499, 249]],
  ] as const)('%s visits %j', (spacing, steps) => {
    expect(ddimSteps(1000, 4, spacing)).toEqual(steps);
  });

  test('twenty steps fall strictly, and more steps than T are refused', () => {
    const steps = ddimSteps(1000, 20, 'linspace');
    expect(steps).toHaveLength(20);
    expect(steps.every((t, i) => i === 0 || t < steps[i - 1]!)).toBe(true);
    expect(ddimSteps(1000, 1, 'linspace')).toEqual([999]);
    expect(() => ddimSteps(10, 11, 'linspace')).toThrow(RangeError);
  });

  test('eta 0 has no fresh noise; eta 1 has the variance of DDPM', () => {
    expect(ddimNumbers(ddpm, 500, 450, 0).sigma).toBe(0);
    // DDPM's posterior variance, beta_t (1 - abar_{t-1}) / (1 - abar_t), Ho et al. eq. (7).
    const variance = (ddpm.betas[500]! * (1 - ddpm.alphaBar[499]!)) / (1 - ddpm.alphaBar[500]!);
    expect(ddimNumbers(ddpm, 500, 499, 1).sigma ** 2).toBeCloseTo(variance, 12);
  });

  const tensors = (numbers: Record<string, number>) =>
    Object.fromEntries(
      Object.entries(numbers).map(([name, value]) => [name, tf.scalar(value)]),
    ) as DdimTensors;

  test('a step by hand: clipped estimate, noise that goes with it, mixed anew', () => {
    const at = tensors({ signal: 0.8, noise: 0.6, previousSignal: 0.96, direction: 0.28, sigma: 0.1 });
    // eps = 0 says x0 = 1.6 / 0.8 = 2, clipped to 1; then eps = (1.6 - 0.8) / 0.6 = 4/3.
    const next = ddimStep('eps', image(1.6), image(0), at);
    expect(next.dataSync()[0]).toBeCloseTo(0.96 + (0.28 * 4) / 3, 5);
    const noisy = ddimStep('eps', image(1.6), image(0), at, image(-2));
    expect(noisy.dataSync()[0]).toBeCloseTo(0.96 + (0.28 * 4) / 3 - 0.2, 5);
  });

  test.each<Prediction>(['eps', 'v', 'x0'])(
    'a network that knows the image leads any noise to it (%s)',
    (prediction) => {
      const truth = image(0.3);
      let x = image(1.7);
      const steps = ddimSteps(1000, 10, 'linspace');
      for (const [i, t] of steps.entries()) {
        const numbers = ddimNumbers(ddpm, t, steps[i + 1] ?? -1, 0);
        const at = { signal: image(numbers.signal), noise: image(numbers.noise) };
        const eps = tf.div(tf.sub(x, tf.mul(truth, at.signal)), at.noise) as tf.Tensor4D;
        x = ddimStep(prediction, x, targetOf(prediction, truth, eps, at), tensors({ ...numbers }));
      }
      expect(x.dataSync()[0]).toBeCloseTo(0.3, 4);
    },
  );

  test('a whole loop is pinned: x0 predicted as half of x_t, 5 steps from 1', () => {
    let x = 1;
    const steps = ddimSteps(1000, 5, 'trailing');
    for (const [i, t] of steps.entries()) {
      const numbers = ddimNumbers(ddpm, t, steps[i + 1] ?? -1, 0);
      x = ddimStep('x0', image(x), image(x / 2), tensors({ ...numbers })).dataSync()[0]!;
    }
    expect(x).toBeCloseTo(loopByHand(steps), 5);
    expect(x).toBeCloseTo(0.513887, 5);
  });
});

/** The same loop in plain numbers, from the definition of DDIM: x' = sqrt(abar') x0 + sqrt(1 - abar') eps. */
function loopByHand(steps: number[]): number {
  const abar = (t: number | undefined) => {
    let product = 1;
    for (let s = 0; s <= (t ?? -1); s++) product *= 1 - (1e-4 + (0.0199 * s) / 999);
    return product;
  };
  return steps.reduce((x, t, i) => {
    const eps = (x - Math.sqrt(abar(t)) * (x / 2)) / Math.sqrt(1 - abar(t));
    return Math.sqrt(abar(steps[i + 1])) * (x / 2) + Math.sqrt(1 - abar(steps[i + 1])) * eps;
  }, 1);
}
