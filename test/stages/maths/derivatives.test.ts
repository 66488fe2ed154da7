/**
 * The gradient of every layer, loss and optimiser, and of whole networks, against central differences of the same code in double
 * precision. Most gradients are tfjs', but layers and margins write some by hand.
 */
import './double-precision.js';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { predict } from '../../../stages/diffusion/generator.js';
import { estimateX0, qSample } from '../../../stages/diffusion/schedule.js';
import { lossFunction } from '../../../stages/diffusion/train-step.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { bind, initialBuffers, valueAndGradient } from '../../../stages/tensors/network.js';
import { Random } from '../../../stages/tensors/random.js';
import { numbersOf, type Numbers, type Tensors } from './case.js';
import { difference } from './devices.js';
import { cases, evaluate, weighted } from './functions.js';
import { architectureOf, classification, imagesOf, marginOf, weightsOf } from './iresnet-case.js';
import { unetCase } from './unet-case.js';

/** Of the largest number of a gradient: rounding is near 1e-16 / STEP = 1e-11, the cubic term near STEP^2 = 1e-10 times a third derivative. */
const TOLERANCE = 1e-7;
const STEP = 1e-5;

beforeAll(async () => {
  await openDevice('cpu', { threads: 1 });
});

test('this process computes in double precision', () => {
  expect(tf.add(tf.scalar(1), tf.scalar(1e-12)).dataSync()[0]).toBe(1 + 1e-12);
});

/** The derivative of `f` by each element of `at`. */
function differences(f: (x: tf.Tensor) => tf.Scalar, at: number[], shape: number[]): number[] {
  const value = (moved: number[]): number => tf.tidy(() => f(tf.tensor(moved, shape)).dataSync()[0]!);
  return at.map((x, i) => {
    const [before, after] = [at.slice(0, i), at.slice(i + 1)];
    return (value([...before, x + STEP, ...after]) - value([...before, x - STEP, ...after])) / (2 * STEP);
  });
}

const differentiated = cases.filter(({ inputs }) => Object.keys(inputs).length > 0);

test.each(differentiated)('the gradient of $name is its derivative', (example) => {
  const { name, inputs, given = {}, stopped = {}, run } = example;
  const tensors = (of: Record<string, Numbers>): Tensors =>
    Object.fromEntries(
      Object.entries(of).map(([key, numbers]) => [
        key,
        tf.tensor(numbersOf(name, key, numbers), numbers.shape),
      ]),
    );
  const [at, others] = [tensors(inputs), tensors(given)];
  const { gradients } = evaluate(example, at, others);
  for (const [key, numbers] of Object.entries(inputs)) {
    if (key in stopped) continue;
    const f = (x: tf.Tensor): tf.Scalar => weighted(run({ ...at, ...others, [key]: x }).value);
    const expected = differences(f, numbersOf(name, key, numbers), numbers.shape);
    expect(difference(gradients[key]!.dataSync(), expected), key).toBeLessThan(TOLERANCE);
  }
});

/** The gradient of a loss of all weights, along random directions of length 1, in units of what a direction sees of it on average. */
function expectDerivative(
  lossOf: (weights: tf.Tensor1D) => tf.Scalar,
  weights: Float32Array,
  gradient: Float32Array,
): void {
  const usual = Math.hypot(...gradient) / Math.sqrt(gradient.length);
  for (let direction = 0; direction < 3; direction++) {
    const along = new Random(1, 'direction', direction).fillNormal(new Float32Array(weights.length));
    const length = Math.hypot(...along);
    const at = (h: number): number =>
      tf.tidy(
        () =>
          lossOf(tf.tensor1d(weights.map((weight, i) => weight + (h * along[i]!) / length))).dataSync()[0]!,
      );
    const measured = (at(STEP) - at(-STEP)) / (2 * STEP);
    const claimed = gradient.reduce((sum, g, i) => sum + (g * along[i]!) / length, 0);
    expect(difference([claimed / usual], [measured / usual])).toBeLessThan(TOLERANCE);
  }
}

test.each([
  { method: 'cemiface', prediction: 'x0', full: false },
  { method: 'dcface', prediction: 'v', full: true },
  { method: 'unconditional', prediction: 'eps', full: true },
] as const)(
  'the gradient of a UNet of $method, $prediction, is its derivative',
  ({ method, prediction, full }) => {
    const { network, settings, weights, batch, fixed } = unetCase({ method, prediction, full, lambda: 0.3 });
    const { layout } = settings;
    // Estimates of the image beyond [-1, 1] are clipped, and the gradient passes the clip: kept within, it is the derivative.
    for (const { name, offset, size } of layout.weights)
      if (name.startsWith('out.'))
        for (let i = offset; i < offset + size; i++) weights[i] = weights[i]! / 100;
    const images = tf.mul<tf.Tensor4D>(batch.images, 0.5);
    const calm = { ...batch, images, noise: tf.mul<tf.Tensor4D>(batch.noise, 0.2) };
    const none = tf.zeros([0]) as tf.Tensor1D;
    const lossOf = lossFunction(
      settings,
      calm,
      method === 'unconditional' ? { decayMask: fixed.decayMask } : fixed,
    );
    const { gradient } = valueAndGradient(layout, tf.tensor1d(weights), none, lossOf);
    expectDerivative(
      (w) => lossOf(bind(layout, w, none, true)).loss,
      weights,
      gradient.dataSync() as Float32Array,
    );
    if (method === 'unconditional') return;
    const at = { signal: calm.signal, noise: calm.noiseScale };
    const xt = qSample(calm.images, calm.noise, at);
    const condition = {
      ...calm,
      identity: tf.zeros([2, 6]) as tf.Tensor2D,
      style: tf.zeros([2, 10, 6]) as tf.Tensor3D,
    };
    const output = predict(bind(layout, tf.tensor1d(weights), none, true), network, {
      xt,
      time: calm.time,
      condition,
    });
    expect(tf.max(tf.abs(estimateX0(prediction, xt, output, at))).dataSync()[0]).toBeLessThan(1);
  },
);

test.each([
  { label: 'plain', loss: 'cosface' },
  { label: 'se', loss: 'arcface' },
] as const)('the gradient of an IResNet ($label) with $loss is its derivative', ({ label, loss }) => {
  const config = architectureOf(label);
  const { layout, lossOf } = classification(config, marginOf(loss));
  const { weights } = weightsOf(layout);
  const buffers = tf.tensor1d(initialBuffers(layout));
  const images = imagesOf(config);
  const { gradient } = valueAndGradient(layout, tf.tensor1d(weights), buffers, (scope) =>
    lossOf(scope, images),
  );
  expectDerivative(
    (w) => lossOf(bind(layout, w, buffers, true), images).loss,
    weights,
    gradient.dataSync() as Float32Array,
  );
});
