/** Layers: values worked out by hand. Their gradients: test/stages/maths. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../../stages/tensors/device.js';
import * as layers from '../../../stages/tensors/layers.js';
import type { Scope } from '../../../stages/tensors/network.js';

beforeAll(async () => {
  await openDevice('cpu', { threads: 1 });
});
const scope = (named: Record<string, tf.Tensor>, training = false): Scope => ({
  training,
  weight: (name) => named[name]!,
  buffer: (name) => named[name]!,
  updateBuffer: (name, value) => void (named[`new ${name}`] = value),
});
const numbers = (tensor: tf.Tensor): number[] =>
  Array.from(tensor.dataSync(), (x) => Math.round(x * 1e4) / 1e4 + 0);

test('a 3x3 convolution with stride 2 pads one on every side, as PyTorch does', () => {
  // One hot pixel at (0, 0) of 4x4: it lies under the filter's centre for the first output and nowhere else.
  const x = tf.tensor4d(
    Float32Array.from({ length: 16 }, (_, i) => Number(i === 0)),
    [1, 4, 4, 1],
  );
  const filter = tf.reshape(tf.range(1, 10), [1, 3, 3, 1]);
  const y = layers.conv2d(scope({ 'c.weight': filter }), 'c', x, 1, { stride: 2, bias: false });
  expect(y.shape).toEqual([1, 2, 2, 1]);
  expect(numbers(y)).toEqual([5, 0, 0, 0]);
});

test('batch norm uses the batch in training and moves the running statistics, unbiased', () => {
  const named: Record<string, tf.Tensor> = {
    'b.running_mean': tf.tensor1d([10]),
    'b.running_var': tf.tensor1d([4]),
  };
  const x = tf.tensor2d([[1], [3]]);
  const y = layers.batchNorm(scope(named, true), 'b', x, { gain: false, offset: false, eps: 0 });
  expect(numbers(y)).toEqual([-1, 1]);
  expect(numbers(named['new b.running_mean']!)).toEqual([9.2]); // 0.9 * 10 + 0.1 * 2
  expect(numbers(named['new b.running_var']!)).toEqual([3.8]); // 0.9 * 4 + 0.1 * 2, as the unbiased variance is 2
});

test('batch norm uses the running statistics otherwise', () => {
  const named = {
    'b.running_mean': tf.tensor1d([10]),
    'b.running_var': tf.tensor1d([4]),
    'b.weight': tf.tensor1d([3]),
    'b.bias': tf.tensor1d([1]),
  };
  expect(numbers(layers.batchNorm(scope(named), 'b', tf.tensor2d([[12]]), { eps: 0 }))).toEqual([4]);
});

test('group norm normalises over a group of channels and all pixels', () => {
  const x = tf.tensor4d([1, 3, 10, 20, 3, 1, 20, 10], [1, 1, 2, 4]);
  const norm = (groups: number) =>
    layers.groupNorm(
      x,
      groups,
      tf.tensor4d([1, 1, 1, 2], [1, 1, 1, 4]),
      tf.tensor4d([0, 0, 5, 0], [1, 1, 1, 4]),
      0,
    );
  expect(numbers(norm(2))).toEqual([-1, 1, 4, 2, 1, -1, 6, -2]);
  expect(() => norm(3)).toThrow('4 channels cannot be split into 3 groups');
});

test('prelu scales what is negative', () => {
  const y = layers.prelu(
    scope({ 'p.weight': tf.tensor1d([0.5, 0.1]) }),
    'p',
    tf.tensor2d([
      [-2, -2],
      [2, 0],
    ]),
  );
  expect(numbers(y)).toEqual([-1, -0.2, 2, 0]);
});

test('linear is x W^T + b', () => {
  const named = {
    'l.weight': tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
    ]),
    'l.bias': tf.tensor1d([0, 0, 1]),
  };
  expect(numbers(layers.linear(scope(named), 'l', tf.tensor2d([[1, 10]]), 3))).toEqual([21, 43, 66]);
});

test('attention weighs the values by the softmax of scaled products', () => {
  const q = tf.tensor3d([[[Math.log(3)]]]);
  const k = tf.tensor3d([[[1], [0]]]);
  const v = tf.tensor3d([[[4], [8]]]);
  expect(numbers(layers.attention(q, k, v, 1))).toEqual([5]); // weights 3/4 and 1/4
  expect(() => layers.attention(q, k, v, 2)).toThrow('1 channels cannot be split into 2 heads');
});

test('upsampling repeats pixels', () => {
  expect(numbers(layers.upsample2(tf.tensor4d([1, 2], [1, 1, 2, 1])))).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
});

test('a zero row stays zero when normalised, and its gradient is finite', () => {
  const gradient = tf.grad((x) => tf.sum(layers.l2normalise(x)));
  const x = tf.tensor2d([
    [3, 4],
    [0, 0],
  ]);
  expect(numbers(layers.l2normalise(x))).toEqual([0.6, 0.8, 0, 0]);
  expect(gradient(x).dataSync().every(Number.isFinite)).toBe(true);
});

test('the straight-through clip clips the value and not the gradient', () => {
  const x = tf.tensor1d([-3, 0.5, 3]);
  expect(numbers(layers.clipStraightThrough(x, -1, 1))).toEqual([-1, 0.5, 1]);
  expect(numbers(tf.grad((t) => tf.sum(layers.clipStraightThrough(t, -1, 1)))(x))).toEqual([1, 1, 1]);
});

test('the safe root is 0 at 0 with a finite gradient', () => {
  expect(numbers(layers.safeSqrt(tf.tensor1d([0, 4, -1])))).toEqual([0, 2, 0]);
  expect(numbers(tf.grad((t) => tf.sum(layers.safeSqrt(t, 0.5)))(tf.tensor1d([0, 4])))).toEqual([1, 0.25]);
});

test('dropout drops where the mask is 0 and makes up for it', () => {
  expect(numbers(layers.dropout(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 0, 1]), 0.5))).toEqual([2, 0, 6]);
});
