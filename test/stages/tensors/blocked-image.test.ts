/**
 * Networks whose weights are constants, as in sampling: there images stay in blocks of channels from a convolution through norms, SiLU, sums,
 * joins and resizing to the next. What ONNX Runtime's operators on blocks make of them is what tfjs' 'cpu' makes.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openDevice, type Device } from '../../../stages/tensors/device.js';
import { swish, upsample2 } from '../../../stages/tensors/functional.js';
import { conv2d, groupNormAffine, linear } from '../../../stages/tensors/layers.js';
import { bind, layoutOf, type Scope } from '../../../stages/tensors/network.js';
import { Random } from '../../../stages/tensors/random.js';

/** The largest difference that counts as rounding, relative to the largest value. */
const TOLERANCE = 1e-5;

let device: Device;
beforeAll(async () => {
  device = await openDevice('onnx', { threads: 2 });
});

type Network = (scope: Scope, x: tf.Tensor4D) => tf.Tensor;

/** Two convolutions, each after a norm, as a residual block has them. */
function block(scope: Scope, name: string, x: tf.Tensor4D, channels: number): tf.Tensor4D {
  const before = (part: string, y: tf.Tensor4D) =>
    swish(groupNormAffine(scope, `${name}.${part}.norm`, y, 4));
  const h = conv2d(scope, `${name}.1`, before('1', x), channels);
  const change = conv2d(scope, `${name}.2`, before('2', h), channels);
  const kept = x.shape[3] === channels ? x : conv2d(scope, `${name}.skip`, x, channels, { kernel: 1 });
  return tf.add(kept, change);
}

const begin = (scope: Scope, x: tf.Tensor4D, channels = 32) =>
  block(scope, 'a', conv2d(scope, 'in', x, channels), channels);

const networks: [what: string, network: Network, shape: [number, number, number, number]][] = [
  ['a residual block', (s, x) => begin(s, x), [2, 5, 4, 3]],
  ['channels that do not fill their blocks', (s, x) => begin(s, x, 24), [3, 5, 4, 3]],
  [
    'from 24 to 48 channels at half the size',
    (s, x) => block(s, 'b', conv2d(s, 'down', begin(s, x, 24), 24, { stride: 2 }), 48),
    [2, 7, 6, 3],
  ],
  ['a sum over many pixels', (s, x) => begin(s, x, 16), [1, 60, 50, 3]],
  ['one image, one pixel', (s, x) => begin(s, x), [1, 1, 1, 3]],
  ['a first image with blocks of channels', (s, x) => begin(s, x), [2, 3, 4, 20]],
  [
    'images joined in blocks',
    (s, x) => {
      const h = begin(s, x);
      return block(s, 'b', tf.concat([h, conv2d(s, 'c', h, 16)], 3), 32);
    },
    [2, 4, 3, 3],
  ],
  [
    'images joined that do not fill blocks',
    (s, x) => {
      const h = begin(s, x, 24);
      return block(s, 'b', tf.concat([h, conv2d(s, 'c', h, 24)], 3), 24);
    },
    [2, 4, 3, 3],
  ],
  [
    'twice the size',
    (s, x) => block(s, 'b', upsample2(conv2d(s, 'c', begin(s, x), 48, { kernel: 1 })), 32),
    [2, 3, 4, 3],
  ],
  [
    'rows of channels, added again',
    (s, x) => {
      const h = begin(s, x);
      const rows = tf.reshape(h, [2, 12, 32]);
      return block(s, 'b', tf.add(h, tf.reshape(linear(s, 'l', rows, 32), h.shape)) as tf.Tensor4D, 32);
    },
    [2, 3, 4, 3],
  ],
  ['a few colours', (s, x) => conv2d(s, 'out', begin(s, x, 24), 3), [2, 6, 5, 3]],
  [
    'means of channels, and of all',
    (s, x) => {
      const h = begin(s, x, 24);
      return tf.add(tf.mean(h, [1, 2]), tf.mean(h, [1, 2, 3], true).reshape([2, 1]));
    },
    [2, 6, 5, 3],
  ],
  [
    'the mean of a product',
    (s, x) => {
      const h = begin(s, x);
      return tf.mean(tf.mul(h, conv2d(s, 'c', h, 32)), [1, 2]);
    },
    [2, 6, 5, 3],
  ],
  [
    'sums and maxima over pixels',
    (s, x) => {
      const h = begin(s, x);
      return tf.add(tf.sum(h, [1, 2]), tf.max(h, [1, 2]));
    },
    [2, 6, 5, 3],
  ],
  [
    'an image added to itself and to one number a channel',
    (s, x) => {
      const h = begin(s, x);
      return tf.add(tf.add(h, h), tf.mean(h, [1, 2], true));
    },
    [2, 6, 5, 3],
  ],
  [
    'images joined that cannot be in blocks',
    (s, x) => groupNormAffine(s, 'n', tf.concat([begin(s, x, 24), x], 3), 3),
    [2, 6, 5, 3],
  ],
  [
    'a factor for each pixel',
    (s, x) => {
      const h = begin(s, x);
      const factor = tf.mean(h, 3, true);
      return tf.add(tf.mul(h, factor), factor);
    },
    [2, 6, 5, 3],
  ],
  ['the mean over images too', (s, x) => tf.mean(begin(s, x), [0, 1, 2]), [2, 6, 5, 3]],
  [
    'means with the axes in another order',
    (s, x) => tf.reshape(tf.mean(tf.transpose(begin(s, x), [3, 0, 1, 2]), [2, 3]), [64]),
    [2, 6, 5, 3],
  ],
  [
    'the mean of a product with rows and columns changed',
    (s, x) => {
      const h = begin(s, x);
      return tf.mean(tf.mul(h, tf.transpose(h, [0, 2, 1, 3])), [1, 2]);
    },
    [2, 5, 5, 3],
  ],
];

test.each(networks)('%s', async (_, network, shape) => {
  const normal = (size: number, purpose: string) => new Random(1, purpose).fillNormal(new Float32Array(size));
  const x = tf.tensor4d(normal(tf.util.sizeFromShape(shape), 'x'), shape);
  const layout = layoutOf((scope) => network(scope, tf.zeros(shape)));
  // None at zero, so that every part has a say.
  const weights = tf.tensor1d(normal(layout.size, 'weights').map((value) => value / 4));
  const fn = (flat: tf.Tensor1D, image: tf.Tensor4D): tf.Tensor =>
    network(bind(layout, flat, tf.zeros([0]) as tf.Tensor1D, false), image);
  const expected = (await tf.tidy(() => fn(weights, x)).data()) as Float32Array;
  const compiled = device.compile(fn, { frozen: [0] });
  const got = (await (await compiled(weights, x)).data()) as Float32Array;
  compiled.dispose();
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0);
  expect(got).toHaveLength(expected.length);
  expect(worst / largest).toBeLessThan(TOLERANCE);
});
