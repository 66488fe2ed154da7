/** Layers with weights: values worked out by hand. Their gradients: test/stages/maths. */
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
