/** Functions without weights: values worked out by hand. Their gradients: test/stages/maths. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../../stages/tensors/device.js';
import * as functional from '../../../stages/tensors/functional.js';

beforeAll(async () => {
  await openDevice('cpu', { threads: 1 });
});
const numbers = (tensor: tf.Tensor): number[] =>
  Array.from(tensor.dataSync(), (x) => Math.round(x * 1e4) / 1e4 + 0);

test('group norm normalises over a group of channels and all pixels', () => {
  const x = tf.tensor4d([1, 3, 10, 20, 3, 1, 20, 10], [1, 1, 2, 4]);
  const norm = (groups: number) =>
    functional.groupNorm(
      x,
      groups,
      tf.tensor4d([1, 1, 1, 2], [1, 1, 1, 4]),
      tf.tensor4d([0, 0, 5, 0], [1, 1, 1, 4]),
      0,
    );
  expect(numbers(norm(2))).toEqual([-1, 1, 4, 2, 1, -1, 6, -2]);
  expect(() => norm(3)).toThrow('4 channels cannot be split into 3 groups');
});

test('attention weighs the values by the softmax of scaled products', () => {
  const q = tf.tensor3d([[[Math.log(3)]]]);
  const k = tf.tensor3d([[[1], [0]]]);
  const v = tf.tensor3d([[[4], [8]]]);
  expect(numbers(functional.attention(q, k, v, 1))).toEqual([5]); // weights 3/4 and 1/4
  expect(() => functional.attention(q, k, v, 2)).toThrow('1 channels cannot be split into 2 heads');
});

test('upsampling repeats pixels', () => {
  expect(numbers(functional.upsample2(tf.tensor4d([1, 2], [1, 1, 2, 1])))).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
});

test('a zero row stays zero when normalised, and its gradient is finite', () => {
  const gradient = tf.grad((x) => tf.sum(functional.l2normalise(x)));
  const x = tf.tensor2d([
    [3, 4],
    [0, 0],
  ]);
  expect(numbers(functional.l2normalise(x))).toEqual([0.6, 0.8, 0, 0]);
  expect(gradient(x).dataSync().every(Number.isFinite)).toBe(true);
});

test('the straight-through clip clips the value and not the gradient', () => {
  const x = tf.tensor1d([-3, 0.5, 3]);
  expect(numbers(functional.clipStraightThrough(x, -1, 1))).toEqual([-1, 0.5, 1]);
  expect(numbers(tf.grad((t) => tf.sum(functional.clipStraightThrough(t, -1, 1)))(x))).toEqual([1, 1, 1]);
});

test('the safe root is 0 at 0 with a finite gradient', () => {
  expect(numbers(functional.safeSqrt(tf.tensor1d([0, 4, -1])))).toEqual([0, 2, 0]);
  expect(numbers(tf.grad((t) => tf.sum(functional.safeSqrt(t, 0.5)))(tf.tensor1d([0, 4])))).toEqual([
    1, 0.25,
  ]);
});

test('dropout drops where the mask is 0 and makes up for it', () => {
  expect(numbers(functional.dropout(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 0, 1]), 0.5))).toEqual([2, 0, 6]);
});
