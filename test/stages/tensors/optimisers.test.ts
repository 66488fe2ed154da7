/** Optimisers against steps worked out by hand. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openDevice } from '../../../stages/tensors/device.js';
import {
  adamw,
  biasCorrections,
  clipByGlobalNorm,
  ema,
  globalNorm,
  sgdMomentum,
} from '../../../stages/tensors/optimisers.js';

beforeAll(async () => {
  await openDevice('cpu', { threads: 1 });
});

const close = (tensor: tf.Tensor, expected: number[]): void => {
  Array.from(tensor.dataSync()).forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
  expect(tensor.size).toBe(expected.length);
};
const settings = (t: number, lr = 0.1): { lr: tf.Scalar; c1: tf.Scalar; c2: tf.Scalar } => {
  const { c1, c2 } = biasCorrections(t);
  return { lr: tf.scalar(lr), c1: tf.scalar(c1), c2: tf.scalar(c2) };
};

test("AdamW's first step moves each weight by lr against the gradient's sign, after decay by lr * decay", () => {
  const state = { weights: tf.tensor1d([1, -2]), m: tf.tensor1d([0, 0]), v: tf.tensor1d([0, 0]) };
  const next = adamw(state, tf.tensor1d([3, -0.5]), { ...settings(1), weightDecay: 0.5 });
  close(next.m, [0.3, -0.05]);
  close(next.v, [0.009, 0.00025]);
  close(next.weights, [1 * 0.95 - 0.1, -2 * 0.95 + 0.1]);
});

test('AdamW follows m / c1 and v / c2 at a later step, and decays only where the mask says', () => {
  const state = { weights: tf.tensor1d([1, 1]), m: tf.tensor1d([0.2, 0.2]), v: tf.tensor1d([0.04, 0.04]) };
  const next = adamw(state, tf.tensor1d([1, 1]), {
    ...settings(3),
    weightDecay: 0.5,
    decayMask: tf.tensor1d([1, 0]),
  });
  // m = .9 * .2 + .1 = .28, v = .999 * .04 + .001 = .04096; c1 = 1 - .729 = .271, c2 = 1 - .997002999 = .002997001
  const update = 0.28 / 0.271 / Math.sqrt(0.04096 / 0.002997001);
  close(next.weights, [0.95 - 0.1 * update, 1 - 0.1 * update]);
});

test('SGD with momentum and an L2 penalty, two steps', () => {
  const options = { lr: tf.scalar(0.1), momentum: 0.5, weightDecay: 0.1 };
  let state = { weights: tf.tensor1d([1]), m: tf.tensor1d([0]) };
  state = sgdMomentum(state, tf.tensor1d([2]), options);
  close(state.m, [2.1]); // 2 + 0.1 * 1
  close(state.weights, [0.79]);
  state = sgdMomentum(state, tf.tensor1d([1]), options);
  close(state.m, [2.129]); // 0.5 * 2.1 + 1 + 0.1 * 0.79
  close(state.weights, [0.5771]);
});

test('SGD decays only where the mask says', () => {
  const state = { weights: tf.tensor1d([1, 1]), m: tf.tensor1d([0, 0]) };
  const next = sgdMomentum(state, tf.tensor1d([0, 0]), {
    lr: tf.scalar(1),
    weightDecay: 0.1,
    decayMask: tf.tensor1d([1, 0]),
  });
  close(next.weights, [0.9, 1]);
});

test('a gradient longer than the limit is shortened to it, a shorter one is left', () => {
  const gradient = tf.tensor1d([3, 4]);
  close(globalNorm(gradient), [5]);
  close(clipByGlobalNorm(gradient, 1), [0.6, 0.8]);
  close(clipByGlobalNorm(gradient, 6), [3, 4]);
  close(clipByGlobalNorm(tf.tensor1d([0, 0]), 1), [0, 0]);
});

test('the moving average goes by 1 - decay towards the weights', () => {
  close(ema(tf.tensor1d([1, 0]), tf.tensor1d([2, 1]), tf.scalar(0.9)), [1.1, 0.1]);
});

test('long vectors are updated as short ones are, to the same bits', async () => {
  const device = await openDevice('onnx', { threads: 1 });
  const [length, seen] = [2 ** 22 + 1000, 2000];
  const vector = (phase: number) => Float32Array.from({ length }, (_, i) => 1 + ((i * 7919 + phase) % 1013));
  const made = [0, 1, 2, 3].map(vector);
  const all = device.compile((w: tf.Tensor1D, m: tf.Tensor1D, v: tf.Tensor1D, gradient: tf.Tensor1D) => {
    const scalars = { lr: tf.scalar(0.1), c1: tf.scalar(0.19), c2: tf.scalar(0.002) };
    const adam = adamw({ weights: w, m, v }, gradient, { ...scalars, weightDecay: 0.5, decayMask: m });
    const sgd = sgdMomentum({ weights: w, m }, gradient, { lr: scalars.lr, weightDecay: 0.5 });
    return [...Object.values(adam), sgd.weights, sgd.m, ema(w, gradient, tf.scalar(0.9))];
  });
  const run = async (arrays: Float32Array[]) => {
    const results = await all(...(arrays.map((array) => tf.tensor1d(array)) as Parameters<typeof all>));
    return results.map((tensor) => tensor.dataSync().slice(-seen));
  };
  expect(await run(made)).toEqual(await run(made.map((array) => array.slice(-seen))));
  all.dispose();
});
