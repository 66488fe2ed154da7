/** Layers, and those of the recogniser that is frozen in a generator's training. */
import * as tf from '@tensorflow/tfjs';
import * as framing from '../../../stages/recognition/face-api/framing.js';
import { residualBlock } from '../../../stages/recognition/face-api/network.js';
import * as functional from '../../../stages/tensors/functional.js';
import * as layers from '../../../stages/tensors/layers.js';
import { type Case, scopeOf, type Tensors, u, unary } from './case.js';

function convolution(name: string, x: number[], out: number, options: layers.ConvolutionOptions = {}): Case {
  const { kernel = 3, bias = true } = options;
  return {
    name,
    covers: [layers.conv2d],
    inputs: {
      x: u(x),
      'l.weight': u([out, kernel, kernel, x[3]!]),
      ...(bias ? { 'l.bias': u([out]) } : {}),
    },
    run: (at) => ({ value: layers.conv2d(scopeOf(at), 'l', at['x']!, out, options) }),
  };
}
export const layerCases: Case[] = [
  convolution('conv2d', [2, 5, 4, 2], 3),
  convolution('conv2d_stride_2', [2, 6, 6, 2], 3, { stride: 2, bias: false }),
  convolution('conv2d_stride_2_odd', [2, 5, 7, 2], 2, { stride: 2 }),
  convolution('conv2d_1x1', [2, 3, 3, 4], 3, { kernel: 1 }),
  convolution('conv2d_1x1_stride_2', [2, 6, 6, 2], 3, { kernel: 1, stride: 2 }),
  convolution('conv2d_7x7_stride_2', [1, 8, 8, 2], 2, { kernel: 7, stride: 2 }),
  convolution('conv2d_one_image', [1, 6, 5, 3], 4),
  {
    name: 'linear',
    covers: [layers.linear],
    inputs: { x: u([2, 3, 4]), 'l.weight': u([3, 4]), 'l.bias': u([3]) },
    run: (at) => ({ value: layers.linear(scopeOf(at), 'l', at['x']!, 3) }),
  },
  {
    name: 'linear_without_bias',
    covers: [layers.linear],
    inputs: { x: u([5, 4]), 'l.weight': u([2, 4]) },
    run: (at) => ({ value: layers.linear(scopeOf(at), 'l', at['x']!, 2, { bias: false }) }),
  },
  {
    name: 'group_norm',
    covers: [functional.groupNorm],
    inputs: { x: u([2, 5, 4, 4], -2, 2), gain: u([2, 1, 1, 4]), offset: u([2, 1, 1, 4]) },
    run: (at) => ({ value: functional.groupNorm(at['x']!, 2, at['gain']!, at['offset']!) }),
  },
  {
    name: 'group_norm_affine',
    covers: [layers.groupNormAffine],
    inputs: { x: u([2, 3, 2, 6]), 'l.weight': u([6]), 'l.bias': u([6]) },
    run: (at) => ({ value: layers.groupNormAffine(scopeOf(at), 'l', at['x']!, 3) }),
  },
  {
    name: 'batch_norm_training',
    covers: [layers.batchNorm],
    inputs: { x: u([3, 2, 3, 2]), 'l.weight': u([2]), 'l.bias': u([2]) },
    given: { 'l.running_mean': u([2]), 'l.running_var': u([2], 0.5, 2) },
    run: (at) => {
      const aside: Tensors = {};
      return { value: layers.batchNorm(scopeOf(at, true, aside), 'l', at['x']!), aside };
    },
  },
  {
    name: 'batch_norm_in_use',
    covers: [layers.batchNorm],
    inputs: { x: u([3, 2, 3, 2]), 'l.weight': u([2]), 'l.bias': u([2]) },
    given: { 'l.running_mean': u([2]), 'l.running_var': u([2], 0.5, 2) },
    run: (at) => ({ value: layers.batchNorm(scopeOf(at, false), 'l', at['x']!) }),
  },
  {
    name: 'batch_norm_of_rows_without_gain',
    covers: [layers.batchNorm],
    inputs: { x: u([5, 3]), 'l.bias': u([3]) },
    given: { 'l.running_mean': u([3]), 'l.running_var': u([3], 0.5, 2) },
    run: (at) => {
      const aside: Tensors = {};
      const options = { gain: false, momentum: 0.3, eps: 1e-3 };
      return { value: layers.batchNorm(scopeOf(at, true, aside), 'l', at['x']!, options), aside };
    },
  },
  {
    name: 'prelu',
    covers: [layers.prelu],
    inputs: { x: u([3, 2, 2, 3]), 'l.weight': u([3]) },
    run: (at) => ({ value: layers.prelu(scopeOf(at), 'l', at['x']!) }),
  },
  unary('silu', [3, 7], functional.swish, [functional.swish], [-6, 6]),
  unary('upsample2', [3, 2, 3, 2], functional.upsample2, [functional.upsample2]),
  {
    name: 'attention',
    covers: [functional.attention],
    inputs: { q: u([2, 3, 4], -2, 2), k: u([2, 5, 4], -2, 2), v: u([2, 5, 4]) },
    run: ({ q, k, v }) => ({ value: functional.attention(q!, k!, v!, 2) }),
  },
  unary('l2_normalise', [3, 4], (x) => functional.l2normalise(x), [functional.l2normalise]),
  unary('l2_normalise_first_axis', [3, 4], (x) => functional.l2normalise(x, 0), [functional.l2normalise]),
  {
    name: 'dropout',
    covers: [functional.dropout],
    inputs: { x: u([4, 3]) },
    given: { chance: u([4, 3], 0, 1) },
    run: ({ x, chance }) => ({
      value: functional.dropout(x!, tf.cast(tf.greater(chance!, 0.3), 'float32'), 0.7),
    }),
  },
  {
    ...unary('clip_straight_through', [12], (x) => functional.clipStraightThrough(x, -1, 1), [
      functional.clipStraightThrough,
    ]),
    stopped: { x: 'the clip passes the gradient through' },
  },
  unary('safe_sqrt', [6], (x) => functional.safeSqrt(x), [functional.safeSqrt], [0.1, 2]),
  // What tfjs has and the networks use as it is.
  unary('max_pool_3x3_stride_2', [2, 7, 7, 2], (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 'valid'), []),
  unary('average_pool_2x2', [2, 4, 6, 2], (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'), []),
  unary('relu', [3, 7], tf.relu, [tf.relu]),
  unary('gather_rows', [3, 4], (x) => tf.gather(x, tf.tensor1d([2, 0, 2], 'int32')), []),
];

/** dlib's network, frozen, through which gradients go back to the images. */
export const frozenCases: Case[] = [
  dlibBlock('dlib_block', [2, 4, 5, 3], 3, false),
  dlibBlock('dlib_block_down', [2, 7, 6, 3], 5, true),
  unary(
    'face_chips',
    [1, 3, 4, 3],
    (x) => tf.avgPool(framing.faceChips(x as tf.Tensor4D, 0.1), 15, 15, 'valid'),
    [framing.faceChips, framing.resampling],
    [-1, 1],
  ),
];

function dlibBlock(name: string, shape: number[], channels: number, down: boolean): Case {
  return {
    name,
    covers: [residualBlock],
    inputs: {
      x: u(shape, -2, 2),
      'b/conv1/filters': u([3, 3, shape[3]!, channels]),
      'b/conv1/bias': u([channels]),
      'b/conv2/filters': u([3, 3, channels, channels]),
      'b/conv2/bias': u([channels]),
    },
    run: (at) => ({
      value: residualBlock((weight) => at[weight]!, 'b', channels, down, at['x'] as tf.Tensor4D),
    }),
  };
}
