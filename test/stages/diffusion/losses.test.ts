/** The losses by hand-worked numbers. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { dualConditionLoss, similarityMatchingLoss, similarityOf } from '../../../stages/diffusion/losses.js';

beforeAll(() => tf.setBackend('cpu'));

describe('CemiFace, eq. (11) to (13) at cosine 0.6', () => {
  test.each([
    { g: 0, m: 0, loss: 0.16 }, // (1 - 0.6)^2: identity only
    { g: 0.5, m: 0, loss: 0.26 }, // half of each
    { g: 0.5, m: 0.6, loss: 0.08 }, // as similar as wanted: only the identity half is left
    { g: 0.9, m: -1, loss: 2.32 }, // 0.1 0.16 + 0.9 1.6^2
  ])('g = $g, m = $m costs $loss', ({ g, m, loss }) => {
    const before = tf.memory().numTensors;
    const out = tf.tidy(() =>
      similarityMatchingLoss(tf.tensor1d([0.6]), tf.tensor1d([m]), tf.tensor1d([g])).loss.dataSync(),
    );
    expect(out[0]).toBeCloseTo(loss, 6);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('its parts are each of one image, not mixed over the batch', () => {
    const { rec, sim } = similarityMatchingLoss(
      tf.tensor1d([1, 0.5]),
      tf.tensor1d([-1, 0.5]),
      tf.tensor1d([0, 0]),
    );
    expect([...rec.dataSync()]).toEqual([0, 0.25]);
    expect([...sim.dataSync()]).toEqual([4, 0]);
  });

  test('gradient: too similar for m is pushed down, not similar enough is pulled up', () => {
    const slope = tf.grad((cos) =>
      similarityMatchingLoss(cos as tf.Tensor1D, tf.tensor1d([0.2, 0.9]), tf.tensor1d([1, 1])).loss.sum(),
    );
    const [down, up] = slope(tf.tensor1d([0.6, 0.6])).dataSync();
    expect(down).toBeCloseTo(0.8, 5);
    expect(up).toBeCloseTo(-0.6, 5);
  });
});

describe('similarity of unit rows', () => {
  const a = tf.tensor2d([
    [1, 0],
    [1, 0],
    [1, 0],
  ]);
  const b = tf.tensor2d([
    [1, 0],
    [0.6, 0.8],
    [-1, 0],
  ]);

  test('cosine is 1, 0.6 and -1', () => {
    const values = similarityOf('cosine', a, b).dataSync();
    [1, 0.6, -1].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 6));
  });

  test('1 - distance is 1, 1 - sqrt(0.8) and -1 (Table 13), with a finite gradient at equal rows', () => {
    const values = similarityOf('euclidean', a, b).dataSync();
    [1, 1 - Math.sqrt(0.8), -1].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
    const gradient = tf
      .grad((x) => similarityOf('euclidean', a, x as tf.Tensor2D).sum())(b)
      .dataSync();
    expect(gradient.every(Number.isFinite)).toBe(true);
  });
});

test('DCFace: identity counts near the noise, style near the image', () => {
  const cos = { identity: tf.tensor1d([0.2, 0.2, 0.2]), style: tf.tensor1d([0.9, 0.9, 0.9]) };
  const { loss } = dualConditionLoss(cos.identity, cos.style, tf.tensor1d([0, 0.25, 1]));
  // 0.1;  0.25 0.8 + 0.75 0.1;  0.8
  [0.1, 0.275, 0.8].forEach((value, i) => expect(loss.dataSync()[i]).toBeCloseTo(value, 6));
});
