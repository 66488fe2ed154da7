import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { adafaceTarget, arcfaceTarget, classify, crossEntropy } from '../../../stages/recognition/margins.js';
import { bind, layoutOf, valueAndGradient } from '../../../stages/tensors/network.js';
import { reference } from './reference.js';

beforeAll(() => tf.setBackend('cpu'));

const valueAndSlope = (f: (x: tf.Tensor) => tf.Tensor, at: number): [number, number] => {
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => f(x).sum() as tf.Scalar)(tf.tensor2d([[at]]));
  return [value.dataSync()[0]!, grad.dataSync()[0]!];
};

test.each(reference.margins.arcface)(
  'ArcFace, m = 0.5: cos %d becomes %d with slope %d, as acos and cos give',
  (cos, value, slope) => {
    const [y, dy] = valueAndSlope((x) => arcfaceTarget(x, 0.5), cos);
    expect(y).toBeCloseTo(value, 5);
    expect(dy / slope).toBeCloseTo(1, 2); // float32 near cos = 1: 1 - cos^2 keeps three digits
  },
);

test.each(reference.margins.adaface)(
  'AdaFace, m = 0.4: cos %d at quality %d becomes %d with slope %d',
  (cos, z, value, slope) => {
    const [y, dy] = valueAndSlope((x) => adafaceTarget(x, tf.tensor2d([[z]]), 0.4), cos);
    expect(y).toBeCloseTo(value, 5);
    if (slope === 0) expect(dy).toBe(0);
    else expect(dy / slope).toBeCloseTo(1, 2);
  },
);

test('ArcFace by hand: at 60 degrees a margin of 30 degrees gives cos 90 = 0', () => {
  expect(valueAndSlope((x) => arcfaceTarget(x, Math.PI / 6), 0.5)[0]).toBeCloseTo(0, 6);
});

test('AdaFace by hand: a poor image (z = -1) gets the angle of ArcFace, a fine one (z = 1) the opposite angle and twice m', () => {
  const m = 0.4;
  expect(valueAndSlope((x) => adafaceTarget(x, tf.tensor2d([[-1]]), m), 0.5)[0]).toBeCloseTo(
    Math.cos(Math.PI / 3 + m),
    6,
  );
  expect(valueAndSlope((x) => adafaceTarget(x, tf.tensor2d([[1]]), m), 0.5)[0]).toBeCloseTo(
    Math.cos(Math.PI / 3 - m) - 2 * m,
    6,
  );
  // z = 0: CosFace
  expect(valueAndSlope((x) => adafaceTarget(x, tf.tensor2d([[0]]), m), 0.5)[0]).toBeCloseTo(0.5 - m, 6);
});

const oneHot = tf.tensor2d([[0, 1]]);
// Rows along the axes: the embedding (3, 4) has cosines 0.6 and 0.8 to them.
const logitsOf = (margin: Parameters<typeof classify>[1]) => {
  const embeddings = tf.tensor2d([[3, 4]]);
  const layout = layoutOf((scope) => classify(scope, margin, embeddings, oneHot));
  const buffers = tf.tensor1d(layout.buffers.map(({ init }) => (init.kind === 'constant' ? init.value : 0)));
  return classify(bind(layout, tf.tensor1d([2, 0, 0, 5]), buffers, true), margin, embeddings, oneHot);
};

test('CosFace by hand: cosines 0.6 and 0.8, the second its own, m = 0.35, s = 10 give logits 6 and 4.5', () => {
  const { logits, cosines, own } = logitsOf({ loss: 'cosface', margin: 0.35, scale: 10 });
  expect(Array.from(cosines.dataSync())).toEqual([expect.closeTo(0.6, 6), expect.closeTo(0.8, 6)]);
  expect(own.dataSync()[0]).toBeCloseTo(0.8, 6);
  expect(Array.from(logits.dataSync())).toEqual([expect.closeTo(6, 5), expect.closeTo(4.5, 5)]);
  // -log(e^4.5 / (e^6 + e^4.5)) = log(1 + e^1.5)
  expect(crossEntropy(logits, oneHot).dataSync()[0]).toBeCloseTo(Math.log(1 + Math.exp(1.5)), 5);
});

test('AdaFace by hand: a length of 5 among lengths of mean 20 and deviation 100 is -0.05 deviations / h', () => {
  // One embedding: its batch deviation is 0. Moving mean 0.99 * 20 + 0.05 = 19.85, deviation 99.
  const z = ((5 - 19.85) / (99 + 1e-3)) * 0.333;
  const { logits } = logitsOf({ loss: 'adaface', margin: 0.4, scale: 10, h: 0.333, tAlpha: 0.01 });
  const expected = 10 * (Math.cos(Math.acos(0.8) - 0.4 * z) - (0.4 + 0.4 * z));
  expect(logits.dataSync()[1]).toBeCloseTo(expected, 4);
});

test('no gradient goes through the length of an embedding', () => {
  for (const loss of ['cosface', 'arcface', 'adaface'] as const) {
    const margin = { loss, margin: 0.4, scale: 10, h: 0.333, tAlpha: 0.5 } as Parameters<typeof classify>[1];
    const forward = (scope: Parameters<typeof classify>[0]) => {
      const embeddings = scope.weight('embeddings', [1, 2], { kind: 'zeros' }) as tf.Tensor2D;
      const { logits } = classify(scope, margin, embeddings, oneHot);
      return { loss: crossEntropy(logits, oneHot) };
    };
    const layout = layoutOf(forward);
    const buffers = layout.buffers.length > 0 ? tf.tensor1d([5, 1]) : tf.zeros([0]);
    const { gradient } = valueAndGradient(
      layout,
      tf.tensor1d([3, 4, 2, 0, 0, 5]),
      buffers as tf.Tensor1D,
      forward,
    );
    const [x, y] = gradient.dataSync() as unknown as [number, number];
    expect(3 * x + 4 * y).toBeCloseTo(0, 5); // along the embedding: nothing
    expect(Math.hypot(x, y)).toBeGreaterThan(0.01);
  }
});
