/** Compiled functions: whole training steps against the other devices, what is kept and freed. What is refused: refusals.test.ts. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openDevice, type Device } from '../../../stages/tensors/device.js';
import * as functional from '../../../stages/tensors/functional.js';
import * as layers from '../../../stages/tensors/layers.js';
import {
  bind,
  initialBuffers,
  initialWeights,
  layoutOf,
  valueAndGradient,
  type Scope,
} from '../../../stages/tensors/network.js';
import { adamw, biasCorrections, clipByGlobalNorm, ema } from '../../../stages/tensors/optimisers.js';
import { Random } from '../../../stages/tensors/random.js';

/** A small UNet-like network with everything in it that the real ones have; smooth, so that rounding does not flip units. */
function network(s: Scope, x: tf.Tensor, condition: tf.Tensor): tf.Tensor {
  const stem = layers.batchNorm(s, 'bn', layers.conv2d(s, 'stem', x, 8, { bias: false }));
  let h: tf.Tensor = layers.conv2d(s, 'down', functional.swish(layers.groupNormAffine(s, 'n1', stem, 4)), 8, {
    stride: 2,
  });
  const [n, height, width, c] = h.shape as [number, number, number, number];
  const [scale, shift] = tf.split(
    tf.reshape(layers.linear(s, 'ada', condition, 2 * c), [n, 1, 1, 2 * c]),
    2,
    3,
  );
  h = functional.groupNorm(h, 4, tf.add(scale!, 1), shift!);
  const tokens = tf.reshape(h, [n, height * width, c]);
  const [k, v] = tf.split(layers.linear(s, 'kv', tokens, 2 * c), 2, 2);
  h = tf.add(h, tf.reshape(functional.attention(layers.linear(s, 'q', tokens, c), k!, v!, 2), h.shape));
  h = tf.concat([functional.upsample2(h), stem], 3);
  return layers.conv2d(s, 'out', functional.swish(h), 3);
}

const SHAPE = [2, 8, 8, 3];
const layout = layoutOf((s) => network(s, tf.zeros(SHAPE), tf.zeros([2, 4])));

interface State {
  weights: tf.Tensor1D;
  m: tf.Tensor1D;
  v: tf.Tensor1D;
  average: tf.Tensor1D;
  buffers: tf.Tensor1D;
}
type Scalars = Record<'lr' | 'c1' | 'c2' | 'decay', tf.Scalar>;
interface Batch {
  image: tf.Tensor;
  noise: tf.Tensor;
  condition: tf.Tensor;
}

function step(state: State, batch: Batch, scalars: Scalars): { state: State; loss: tf.Scalar } {
  const { loss, gradient, buffers } = valueAndGradient(layout, state.weights, state.buffers, (s) => ({
    loss: tf.mean(
      tf.square(tf.sub(network(s, tf.add(batch.image, batch.noise), batch.condition), batch.noise)),
    ),
  }));
  const next = adamw(state, clipByGlobalNorm(gradient, 1), { ...scalars, weightDecay: 0.01 });
  return { state: { ...next, average: ema(state.average, next.weights, scalars.decay), buffers }, loss };
}

const normal = (purpose: string, shape: number[]): tf.Tensor =>
  tf.tensor(new Random(5, purpose).fillNormal(new Float32Array(tf.util.sizeFromShape(shape))), shape);

/** Trains from the start; everything is made anew on the device, and freed. */
async function train(
  device: Device,
  steps: number,
): Promise<{ losses: number[]; state: Record<keyof State, Float32Array> }> {
  const compiled = device.compile(step, { donate: [0] });
  const weights = initialWeights(layout, 1, 'net');
  const zeros = (): tf.Tensor1D => tf.zeros([layout.size]);
  let state: State = {
    weights: tf.tensor1d(weights),
    m: zeros(),
    v: zeros(),
    average: tf.tensor1d(weights.slice()),
    buffers: tf.tensor1d(initialBuffers(layout)),
  };
  const losses: number[] = [];
  for (let t = 1; t <= steps; t++) {
    const batch = {
      image: normal(`image ${t}`, SHAPE),
      noise: normal(`noise ${t}`, SHAPE),
      condition: normal('c', [2, 4]),
    };
    const { c1, c2 } = biasCorrections(t);
    const scalars = { lr: tf.scalar(0.01), c1: tf.scalar(c1), c2: tf.scalar(c2), decay: tf.scalar(0.9) };
    const result = await compiled(state, batch, scalars);
    state = result.state;
    losses.push((await result.loss.data())[0]!);
    tf.dispose([result.loss, batch, scalars]);
  }
  const arrays = await Promise.all(
    Object.entries(state).map(async ([key, t]) => [key, (await t.data()).slice()] as const),
  );
  tf.dispose(state as unknown as tf.TensorContainer);
  compiled.dispose();
  return { losses, state: Object.fromEntries(arrays) as Record<keyof State, Float32Array> };
}

const distance = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0) / b.reduce((sum, x) => sum + x * x, 0));

describe('a whole training step', () => {
  test.each(['wasm', 'cpu'])('on onnx is what it is on %s', async (other) => {
    const reference = await train(await openDevice(other, { threads: 1 }), 3);
    const compiled = await train(await openDevice('onnx', { threads: 1 }), 3);
    compiled.losses.forEach((loss, i) => expect(loss / reference.losses[i]!).toBeCloseTo(1, 5));
    expect(distance(compiled.state.m, reference.state.m)).toBeLessThan(1e-4);
    expect(distance(compiled.state.buffers, reference.state.buffers)).toBeLessThan(1e-5);
    expect(distance(compiled.state.average, reference.state.average)).toBeLessThan(1e-3);
  });

  test.each([1, 2])('twice with %d threads gives the same bits', async (threads) => {
    const device = await openDevice('onnx', { threads });
    expect(await train(device, 4)).toEqual(await train(device, 4));
  });

  test.each(['onnx', 'wasm', 'cpu'])('on %s leaves no tensor behind', async (name) => {
    const device = await openDevice(name, { threads: 1 });
    const before = tf.memory().numTensors;
    await train(device, 2);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('learns', async () => {
    const { losses } = await train(await openDevice('onnx', { threads: 1 }), 60);
    const mean = (xs: number[]): number => xs.reduce((a, b) => a + b) / xs.length;
    expect(mean(losses.slice(-10))).toBeLessThan(0.75 * mean(losses.slice(0, 10)));
  });
});

describe('a compiled function on onnx', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice('onnx', { threads: 1 });
  });
  let tensorsBefore: number;
  beforeEach(() => {
    tensorsBefore = tf.memory().numTensors;
  });

  test('takes and returns nested arrays and objects, and whatever is passed through', async () => {
    const fn = device.compile((tree: { a: tf.Tensor[]; b?: tf.Tensor }, x: tf.Tensor) => ({
      sums: tree.a.map((t) => tf.add(t, x)),
      same: x,
      again: x,
      constant: tf.tensor1d([1, 2]),
      absent: tree.b ?? null,
      nothing: tf.zeros([0, 3]),
    }));
    const [x, y] = [tf.scalar(1), tf.tensor1d([2, 3])];
    const result = await fn({ a: [x, y] }, x);
    expect(result.sums.map((t) => Array.from(t.dataSync()))).toEqual([[2], [3, 4]]);
    expect(result.same.dataSync()[0]).toBe(1);
    expect(result.again.dataSync()[0]).toBe(1);
    expect(Array.from(result.constant.dataSync())).toEqual([1, 2]);
    expect(result.absent).toBe(null);
    expect(result.nothing.shape).toEqual([0, 3]);
    expect(x.dataSync()[0]).toBe(1);
    tf.dispose(result as never);
    tf.dispose([x, y]);
    fn.dispose();
    expect(tf.memory().numTensors).toBe(tensorsBefore);
  });

  test('is compiled anew for other shapes, types and structures', async () => {
    const fn = device.compile((x: tf.Tensor, y?: tf.Tensor) => tf.add(x, y ?? x));
    const value = async (...args: [tf.Tensor, tf.Tensor?]): Promise<number[]> =>
      Array.from((await fn(...args)).dataSync());
    expect(await value(tf.scalar(1))).toEqual([2]);
    expect(await value(tf.tensor1d([1, 2]))).toEqual([2, 4]);
    expect(await value(tf.tensor1d([1, 2], 'int32'))).toEqual([2, 4]);
    expect(await value(tf.scalar(1), tf.scalar(5))).toEqual([6]);
    expect(await value(tf.scalar(3))).toEqual([6]);
  });

  test('with frozen weights computes the same, and with other weights in their place what those give', async () => {
    const use = (weights: tf.Tensor1D, image: tf.Tensor): tf.Tensor =>
      network(bind(layout, weights, tf.tensor1d(initialBuffers(layout)), false), image, tf.ones([2, 4]));
    const [plain, frozen] = [device.compile(use), device.compile(use, { frozen: [0] })];
    const values = async (fn: typeof plain, ...args: Parameters<typeof use>): Promise<number[]> =>
      Array.from((await fn(...args)).dataSync());
    const image = tf.tensor(new Random(1, 'image').fillNormal(new Float32Array(2 * 8 * 8 * 3)), SHAPE);
    const [first, second] = [1, 2].map((seed) => tf.tensor1d(initialWeights(layout, seed, 'test')));
    const wanted = [await values(plain, first!, image), await values(plain, second!, image)];
    expect(wanted[0]![0]).not.toBeCloseTo(wanted[1]![0]!, 3);
    for (const i of [0, 1, 0]) {
      const got = await values(frozen, [first!, second!][i]!, image);
      expect(Math.max(...got.map((value, k) => Math.abs(value - wanted[i]![k]!)))).toBeLessThan(1e-5);
    }
    plain.dispose();
    frozen.dispose();
  });

  test('handles booleans in and out', async () => {
    const fn = device.compile((x: tf.Tensor) => tf.logicalNot(x));
    const out = await fn(tf.tensor1d([true, false], 'bool'));
    expect([out.dtype, ...out.dataSync()]).toEqual(['bool', 0, 1]);
  });

  test('can be called again before it has returned', async () => {
    const fn = device.compile((x: tf.Tensor) => tf.square(x));
    const results = await Promise.all([1, 2, 3].map((value) => fn(tf.scalar(value))));
    expect(results.map((t) => t.dataSync()[0])).toEqual([1, 4, 9]);
  });

  test('disposes donated arguments and no others', async () => {
    const fn = device.compile(
      (old: { w: tf.Tensor; same: tf.Tensor }, x: tf.Tensor) => ({ w: tf.add(old.w, x), same: old.same }),
      {
        donate: [0],
      },
    );
    const old = { w: tf.scalar(1), same: tf.scalar(5) };
    const x = tf.scalar(2);
    const next = await fn(old, x);
    expect([old.w.isDisposed, old.same.isDisposed, x.isDisposed]).toEqual([true, true, false]);
    expect([next.w.dataSync()[0], next.same.dataSync()[0]]).toEqual([3, 5]);
  });

  test('gives results that later calls do not change', async () => {
    const fn = device.compile((x: tf.Tensor) => tf.add(x, 1), { donate: [0] });
    const first = await fn(tf.tensor1d([1, 2]));
    const array = first.dataSync();
    const second = await fn(first);
    await fn(second);
    expect([...array]).toEqual([2, 3]);
  });

  test('keeps its results when it is disposed', async () => {
    const fn = device.compile((x: tf.Tensor) => tf.add(x, 1));
    const result = await fn(tf.scalar(1));
    fn.dispose();
    expect(result.dataSync()[0]).toBe(2);
    expect((await fn(tf.scalar(2))).dataSync()[0]).toBe(3); // compiles again
  });

  test('may use a small tensor from around it, in several compilations and afterwards', async () => {
    const table = tf.tensor1d([1, 10]);
    const handle = tf.clone(table);
    const times = device.compile((t: tf.Tensor) => tf.mul(t, table));
    const plus = device.compile((t: tf.Tensor) => tf.add(t, table));
    expect([...(await times(tf.tensor1d([2, 3]))).dataSync()]).toEqual([2, 30]);
    expect([...(await plus(tf.tensor1d([2, 3]))).dataSync()]).toEqual([3, 13]);
    table.dispose();
    expect([...handle.dataSync()]).toEqual([1, 10]);
  });

  test('says what is wrong each time, not only the first', async () => {
    const fn = device.compile((t: tf.Tensor) => tf.mul(t, t.dataSync()[0]!));
    await expect(fn(tf.scalar(1))).rejects.toThrow('reads the value');
    await expect(fn(tf.scalar(1))).rejects.toThrow('reads the value');
  });
});

describe.each(['wasm', 'cpu'])('a function as it is, on %s,', (name) => {
  test('refuses a promise and numbers too', async () => {
    const device = await openDevice(name, { threads: 4 });
    expect(device.threads).toBe(1);
    await expect(device.compile((t: tf.Tensor) => Promise.resolve(t))(tf.scalar(1))).rejects.toThrow(
      'returns a promise',
    );
    await expect(device.compile((t: tf.Tensor) => ({ n: t.size }))(tf.scalar(1))).rejects.toThrow(
      "'n' is a number",
    );
  });

  test('disposes donated arguments, and what it passes through comes back as a tensor of its own', async () => {
    const device = await openDevice(name, { threads: 1 });
    const fn = device.compile(
      (old: { w: tf.Tensor; same: tf.Tensor }, x: tf.Tensor) => ({ w: tf.add(old.w, x), same: old.same, x }),
      {
        donate: [0],
      },
    );
    const [old, x] = [{ w: tf.scalar(1), same: tf.scalar(5) }, tf.scalar(2)];
    const next = await fn(old, x);
    expect([old.w.isDisposed, old.same.isDisposed, x.isDisposed]).toEqual([true, true, false]);
    expect([(await next.w.data())[0], (await next.same.data())[0]]).toEqual([3, 5]);
    next.x.dispose();
    expect((await x.data())[0]).toBe(2);
  });
});
