/** Parameters as one flat vector: layouts, starts, gradients, named arrays. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDevice } from '../../../stages/tensors/device.js';
import { fromNamed, toNamed } from '../../../stages/tensors/named-arrays.js';
import {
  bind,
  decayMaskOf,
  initialBuffers,
  initialWeights,
  layoutOf,
  valueAndGradient,
  type Scope,
} from '../../../stages/tensors/network.js';

beforeAll(async () => {
  await openDevice('cpu', { threads: 1 });
});

/** y = a x + b, and a buffer that counts up by one. */
function line(scope: Scope, x: tf.Tensor): tf.Tensor {
  const count = scope.buffer('count', [1], 5);
  scope.updateBuffer('count', tf.add(count, 1));
  scope.buffer('still', [2], 7);
  const slope = scope.weight('slope', [2, 1], { kind: 'normal', std: 0.1 });
  return tf.add(
    tf.matMul(x as tf.Tensor2D, slope as tf.Tensor2D),
    scope.weight('offset', [1], { kind: 'ones' }),
  );
}
const layout = layoutOf((scope) => line(scope, tf.zeros([1, 2])));

describe('the layout', () => {
  test('lists weights and buffers in the order they are asked, with their places', () => {
    expect(layout.weights.map(({ name, shape, size, offset }) => [name, shape, size, offset])).toEqual([
      ['slope', [2, 1], 2, 0],
      ['offset', [1], 1, 2],
    ]);
    expect([layout.size, layout.bufferSize]).toEqual([3, 3]);
  });

  test('computes nothing, however large the network', () => {
    const huge = layoutOf((scope) => {
      const w = scope.weight('w', [40_000, 40_000], { kind: 'zeros' });
      return tf.matMul(w as tf.Tensor2D, w as tf.Tensor2D);
    });
    expect(huge.size).toBe(1.6e9);
  });

  test('refuses a name asked twice', () => {
    const twice = (scope: Scope): void => {
      scope.weight('w', [1], { kind: 'zeros' });
      scope.weight('w', [1], { kind: 'zeros' });
    };
    expect(() => layoutOf(twice)).toThrow("the network asks for 'w' twice");
  });

  test('marks matrices as decaying and vectors as not', () => {
    expect([...decayMaskOf(layout)]).toEqual([1, 1, 0]);
  });
});

describe('the start', () => {
  test('follows each slot, and a new layer changes no other', () => {
    const weights = initialWeights(layout, 3, 'unet');
    expect(weights[2]).toBe(1);
    expect(Math.abs(weights[0]!)).toBeGreaterThan(0);
    const wider = layoutOf((scope) => {
      scope.weight('before', [4], { kind: 'uniform', bound: 2 });
      return line(scope, tf.zeros([1, 2]));
    });
    const others = initialWeights(wider, 3, 'unet');
    expect(others.slice(4)).toEqual(weights);
    expect(others.slice(0, 4).every((w) => w !== 0 && Math.abs(w) <= 2)).toBe(true);
    expect(initialWeights(layout, 4, 'unet')).not.toEqual(weights);
    expect(initialWeights(layout, 3, 'other')).not.toEqual(weights);
    expect([...initialBuffers(layout)]).toEqual([5, 7, 7]);
  });

  test('has the spread that is asked', () => {
    const big = layoutOf((scope) => scope.weight('w', [100, 100], { kind: 'normal', std: 0.02 }));
    const weights = initialWeights(big, 1, 'spread');
    const std = Math.sqrt(weights.reduce((sum, w) => sum + w * w, 0) / weights.length);
    expect(std).toBeCloseTo(0.02, 3);
  });
});

describe('the gradient', () => {
  const weights = tf.tensor1d([2, -1, 0.5]);
  const buffers = tf.tensor1d([5, 7, 7]);
  const x = tf.tensor2d([[1, 3]]);

  test('is that of every weight, with the loss, the rest and the buffers after the step', () => {
    const result = valueAndGradient(layout, weights, buffers, (scope) => {
      const y = line(scope, x); // 2 - 3 + 0.5
      return { loss: tf.sum(tf.square(y)) as tf.Scalar, aux: { y, twice: [tf.mul(y, 2)] } };
    });
    expect(result.loss.dataSync()[0]).toBe(0.25);
    expect([...result.gradient.dataSync()]).toEqual([-1, -3, -1]); // 2 y (x, 1)
    expect(result.aux.y.dataSync()[0]).toBe(-0.5);
    expect(result.aux.twice[0]!.dataSync()[0]).toBe(-1);
    expect([...result.buffers.dataSync()]).toEqual([6, 7, 7]);
  });

  test('leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const result = valueAndGradient(layout, weights, buffers, (scope) => {
      line(scope, x);
      const y = line(scope, x); // twice: the second update counts
      return { loss: tf.sum(y) as tf.Scalar, aux: { y } };
    });
    expect(tf.memory().numTensors).toBe(before + 4);
    tf.dispose(result);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('needs every weight in the loss', () => {
    const lossOf = (scope: Scope): { loss: tf.Scalar } => ({
      loss: tf.sum(scope.weight('offset', [1], { kind: 'ones' })) as tf.Scalar,
    });
    expect(() => valueAndGradient(layout, weights, buffers, lossOf)).toThrow(
      'the loss does not depend on slope;',
    );
  });

  test('of another network than the layout is refused', () => {
    const lossOf = (name: string, shape: number[]) => (scope: Scope) => ({
      loss: tf.sum(scope.weight(name, shape, { kind: 'ones' })) as tf.Scalar,
    });
    expect(() => valueAndGradient(layout, weights, buffers, lossOf('gain', [1]))).toThrow(
      "no parameter 'gain'",
    );
    expect(() => valueAndGradient(layout, weights, buffers, lossOf('offset', [2]))).toThrow(
      "'offset' has shape [1] in the layout, and [2] is asked",
    );
  });

  test('is not needed to run the network', () => {
    const y = tf.tidy(() => line(bind(layout, weights, buffers, false), x));
    expect(y.dataSync()[0]).toBe(-0.5);
  });
});

describe('named arrays', () => {
  const weights = Float32Array.of(2, -1, 0.5);
  const buffers = Float32Array.of(5, 7, 8);

  test('go there and back', () => {
    const named = toNamed(layout, weights, buffers);
    expect(named.get('slope')).toEqual({ shape: [2, 1], data: Float32Array.of(2, -1) });
    expect(fromNamed(layout, named)).toEqual({ weights, buffers });
  });

  test('that do not fit are refused with every reason', () => {
    const named = toNamed(layout, weights, buffers);
    named.delete('slope');
    named.set('offset', { shape: [2], data: Float32Array.of(1, 2) });
    named.set('gain', { shape: [1], data: Float32Array.of(1) });
    expect(() => fromNamed(layout, named)).toThrow(
      'these weights do not fit the network: slope is missing; offset has shape [2], not [1]; gain belongs to no layer',
    );
  });
});
