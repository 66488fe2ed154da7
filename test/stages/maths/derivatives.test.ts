/**
 * The gradient of every layer, loss and optimiser, and of whole networks, against central differences of the same code in double
 * precision. Most gradients are tfjs', but layers and margins write some by hand.
 */
import './double-precision.js';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../../stages/tensors/device.js';
import { difference } from './devices.js';
import { cases, evaluate, numbersOf, weighted, type Numbers, type Tensors } from './functions.js';

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
