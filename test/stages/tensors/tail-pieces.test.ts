/** A step that ends in a vector joined of pieces, as a network's gradient is: read where its pieces lie, with the same result. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { clipByGlobalNorm, globalNorm } from '../../../stages/tensors/optimisers.js';
import { Random } from '../../../stages/tensors/random.js';

/** Together no multiple of what is taken at a time, nor is any of them. */
const SIZES = [3, 2 ** 17 + 5, 1, 40_001, 2 ** 18, 7];
const LENGTH = SIZES.reduce((sum, size) => sum + size, 0);

let device: Device;
beforeAll(async () => {
  device = await openDevice('onnx', { threads: 2 });
});

const normal = (purpose: string, length = LENGTH): Float32Array =>
  new Random(5, purpose).fillNormal(new Float32Array(length));
const values = (tensor: tf.Tensor): Float32Array => tensor.dataSync() as Float32Array;
const joined = (pieces: readonly Float32Array[]): Float32Array =>
  Float32Array.from(pieces.flatMap((piece) => [...piece]));

function expectSame(found: tf.Tensor, wanted: Float32Array, within = 0): void {
  const array = values(found);
  expect(array.length).toBe(wanted.length);
  expect(
    wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - array[i]!)), 0),
  ).toBeLessThanOrEqual(within);
}

const descend = (w: tf.Tensor1D, g: tf.Tensor): tf.Tensor1D => tf.sub(w, g) as tf.Tensor1D;

test('pieces that the step makes, of any size, with a norm and a clip of them', async () => {
  const step = device.compile(
    (w: tf.Tensor1D, pieces: tf.Tensor1D[]) => {
      const gradient = tf.concat(pieces.map((piece) => tf.mul(piece, 2))) as tf.Tensor1D;
      return { w: descend(w, clipByGlobalNorm(gradient, 1)), norm: globalNorm(gradient) };
    },
    { donate: [0] },
  );
  const wanted = normal('w');
  let w = tf.tensor1d(wanted.slice());
  for (let t = 0; t < 3; t++) {
    const pieces = SIZES.map((size, k) => normal(`${t} ${k}`, size));
    const gradient = joined(pieces).map((value) => 2 * value);
    const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    const next = await step(
      w,
      pieces.map((piece) => tf.tensor1d(piece)),
    );
    w = next.w;
    expect(values(next.norm)[0]! / norm).toBeCloseTo(1, 6);
    gradient.forEach((value, i) => (wanted[i]! -= value / (norm + 1e-6)));
  }
  expectSame(w, wanted, 1e-6);
  step.dispose();
});

test('pieces that are matrices, also turned, and filters', async () => {
  const step = device.compile((w: tf.Tensor1D, x: tf.Tensor2D, filter: tf.Tensor4D) => {
    const product = tf.matMul(x, x, true); // [300, 300]
    const pieces = [product, tf.transpose(tf.mul(x, 3)), tf.transpose(tf.neg(filter), [3, 0, 1, 2])];
    return descend(w, tf.concat(pieces.map((piece) => tf.reshape(piece, [-1]))));
  });
  const [x, filter] = [normal('x', 600 * 300), normal('filter', 9 * 40 * 20)];
  const given = [tf.tensor2d(x, [600, 300]), tf.tensor4d(filter, [3, 3, 40, 20])] as const;
  const wanted = tf.tidy(() =>
    joined(
      [
        tf.matMul(given[0], given[0], true),
        tf.mul(tf.transpose(given[0]), 3),
        tf.neg(tf.transpose(given[1], [3, 0, 1, 2])),
      ].map(values),
    ),
  );
  const w = tf.zeros([wanted.length]) as tf.Tensor1D;
  const found = await step(w, ...given);
  expectSame(
    found,
    wanted.map((value) => -value),
    1e-3, // sums of 600 products in another order
  );
  step.dispose();
});

test('a joined vector that is also a result, or that something else needs whole', async () => {
  const step = device.compile((w: tf.Tensor1D, pieces: tf.Tensor1D[]) => {
    const gradient = tf.concat(pieces.map((piece) => tf.abs(piece))) as tf.Tensor1D;
    const whole = tf.concat([...pieces].reverse()) as tf.Tensor1D;
    return { w: descend(w, gradient), gradient, largest: tf.max(whole), other: descend(w, whole) };
  });
  const pieces = SIZES.map((size, k) => normal(`${k}`, size));
  const zeros = tf.zeros([LENGTH]) as tf.Tensor1D;
  const found = await step(
    zeros,
    pieces.map((piece) => tf.tensor1d(piece)),
  );
  const gradient = joined(pieces).map(Math.abs);
  expectSame(found.gradient, gradient);
  expectSame(
    found.w,
    gradient.map((value) => -value),
  );
  const whole = joined([...pieces].reverse());
  expectSame(
    found.other,
    whole.map((value) => -value),
  );
  expect(values(found.largest)[0]).toBe(whole.reduce((a, b) => Math.max(a, b)));
  step.dispose();
});

test('pieces that are arguments, constants, results, the same one twice, or a number that is read besides', async () => {
  const half = 2 ** 17;
  const step = device.compile((a: tf.Tensor1D, b: tf.Tensor2D, lr: tf.Tensor1D) => {
    const twice = tf.mul(a, 2) as tf.Tensor1D;
    const flat = tf.reshape(b, [-1]);
    const vector = tf.concat([a, twice, lr, flat, tf.tensor1d([1, 2, 3]), tf.ones([half]), twice]);
    return { rate: tf.mul(vector, lr), twice };
  });
  const [a, b] = [normal('a', half), normal('b', 300)];
  const found = await step(tf.tensor1d(a), tf.tensor2d(b, [3, 100]), tf.tensor1d([0.5]));
  const twice = a.map((value) => 2 * value);
  const parts = [
    a,
    twice,
    Float32Array.of(0.5),
    b,
    Float32Array.of(1, 2, 3),
    new Float32Array(half).fill(1),
    twice,
  ];
  expectSame(
    found.rate,
    joined(parts).map((value) => value / 2),
  );
  expectSame(found.twice, twice);
  step.dispose();
});

test('pieces of frozen weights', async () => {
  const step = device.compile(
    (w: tf.Tensor1D, x: tf.Tensor1D) =>
      tf.add(tf.concat([tf.slice(w, [5], [2 ** 18]), tf.slice(w, [0], [5])]), x),
    { frozen: [0] },
  );
  const w = normal('w', 2 ** 18 + 5);
  const found = await step(tf.tensor1d(w), tf.ones([w.length]));
  expectSame(
    found,
    joined([w.subarray(5), w.subarray(0, 5)]).map((value) => value + 1),
  );
  step.dispose();
});

test('pieces of a donated vector, moved: none is written over before it is read', async () => {
  const cut = 30_000;
  const step = device.compile(
    (w: tf.Tensor1D) =>
      tf.mul(tf.concat([tf.slice(w, [cut], [LENGTH - cut]), tf.slice(w, [0], [cut])]), 2) as tf.Tensor1D,
    { donate: [0] },
  );
  let wanted = normal('w');
  let w = tf.tensor1d(wanted.slice());
  for (let t = 0; t < 3; t++) {
    w = await step(w);
    wanted = joined([wanted.subarray(cut), wanted.subarray(0, cut)]).map((value) => 2 * value);
    expectSame(w, wanted);
  }
  step.dispose();
});
