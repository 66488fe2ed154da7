/** Long vectors at the end of a step: computed as short ones are, over those that were donated and over nothing else. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { initialWeights, layoutOf, type Scope, valueAndGradient } from '../../../stages/tensors/network.js';
import { adamw, clipByGlobalNorm, ema, globalNorm } from '../../../stages/tensors/optimisers.js';
import { Random } from '../../../stages/tensors/random.js';

/** No multiple of what is taken at a time. */
const LENGTH = 2 ** 18 + 4099;

let device: Device;
beforeAll(async () => {
  device = await openDevice('onnx', { threads: 2 });
});

const normal = (purpose: string, length = LENGTH): Float32Array =>
  new Random(3, purpose).fillNormal(new Float32Array(length));

interface State {
  w: tf.Tensor1D;
  m: tf.Tensor1D;
}

/** Momentum, with a number that depends on all of the vector. */
function update({ w, m }: State, g: tf.Tensor1D, lr: tf.Scalar): State & { norm: tf.Scalar } {
  const next = tf.add(tf.mul(m, 0.9), clipByGlobalNorm(g, 1)) as tf.Tensor1D;
  return { w: tf.sub(w, tf.mul(next, lr)) as tf.Tensor1D, m: next, norm: globalNorm(g) };
}

const normOf = (g: Float32Array): number => Math.sqrt(g.reduce((sum, value) => sum + value * value, 0));

/** The same by hand, in single precision. */
function byHand(w: Float32Array, m: Float32Array, g: Float32Array, lr: number): void {
  const norm = normOf(g);
  g.forEach((value, i) => {
    m[i] = m[i]! * 0.9 + value * Math.min(1, 1 / (norm + 1e-6));
    w[i] = w[i]! - m[i]! * lr;
  });
}

const furthest = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

const values = (tensor: tf.Tensor): Float32Array => tensor.dataSync() as Float32Array;

describe('a step that ends in long vectors', () => {
  test('gives what it gives by hand, step after step', async () => {
    const step = device.compile(update, { donate: [0] });
    const [w, m] = [normal('w'), new Float32Array(LENGTH)];
    let state: State = { w: tf.tensor1d(w.slice()), m: tf.tensor1d(m.slice()) };
    for (let t = 0; t < 4; t++) {
      const g = normal(`g ${t}`);
      const { norm, ...next } = await step(state, tf.tensor1d(g), tf.scalar(0.1));
      state = next;
      byHand(w, m, g, 0.1);
      expect(values(norm)[0]! / normOf(g)).toBeCloseTo(1, 5);
    }
    expect(furthest(values(state.w), w)).toBeLessThan(1e-6);
    expect(furthest(values(state.m), m)).toBeLessThan(1e-6);
    step.dispose();
    expect(furthest(values(state.w), w)).toBeLessThan(1e-6);
  });

  test("writes over donated results of its own, and over nobody else's array", async () => {
    const step = device.compile(update, { donate: [0] });
    const [w, m, g] = [normal('w'), normal('m'), normal('g')];
    const first = await step({ w: tf.tensor1d(w), m: tf.tensor1d(m) }, tf.tensor1d(g), tf.scalar(0.1));
    const arrays = [values(first.w), values(first.m)];
    const second = await step({ w: first.w, m: first.m }, tf.tensor1d(g), tf.scalar(0.1));
    expect([values(second.w), values(second.m)].every((array) => arrays.includes(array))).toBe(true);
    for (const [purpose, array] of Object.entries({ w, m, g }))
      expect(furthest(array, normal(purpose)), purpose).toBe(0);
    step.dispose();
  });

  test('leaves what was not donated as it was, and a donated tensor that has a clone', async () => {
    const step = device.compile(update);
    const donating = device.compile(update, { donate: [0] });
    const g = tf.tensor1d(normal('g'));
    const start = { w: tf.tensor1d(normal('w')), m: tf.tensor1d(normal('m')) };
    const one = await step(start, g, tf.scalar(0.1));
    const before = [values(one.w).slice(), values(one.m).slice()];
    const two = await step({ w: one.w, m: one.m }, g, tf.scalar(0.1));
    const three = await step({ w: one.w, m: one.m }, g, tf.scalar(0.1));
    [one.w, one.m].forEach((tensor, k) => expect(furthest(values(tensor), before[k]!)).toBe(0));
    expect(furthest(values(three.w), values(two.w))).toBe(0);
    expect(furthest(values(three.w), before[0]!)).toBeGreaterThan(0);

    const own = await donating({ w: two.w, m: two.m }, g, tf.scalar(0.1));
    const clone = tf.clone(own.w);
    const kept = values(clone).slice();
    await donating({ w: own.w, m: own.m }, g, tf.scalar(0.1));
    expect(furthest(values(clone), kept)).toBe(0);
    step.dispose();
    donating.dispose();
  });

  test('gives every call its own results where calls overlap', async () => {
    const step = device.compile(update, { donate: [0] });
    const given = (k: number) => ({ w: tf.fill([LENGTH], k), m: tf.zeros([LENGTH]) }) as State;
    const g = tf.zeros([LENGTH]) as tf.Tensor1D;
    const results = await Promise.all([1, 2, 3].map((k) => step(given(k), g, tf.scalar(0.1))));
    expect(results.map(({ w }) => [values(w)[0], values(w)[LENGTH - 1]])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    step.dispose();
  });

  test('may be nothing else, and may want a vector twice or of its own results', async () => {
    const average = device.compile((a: tf.Tensor1D, w: tf.Tensor1D) => ema(a, w, tf.scalar(0.9)));
    const [a, w] = [normal('a'), normal('w')];
    const result = values(await average(tf.tensor1d(a), tf.tensor1d(w)));
    expect(
      furthest(
        result,
        a.map((value, i) => w[i]! + (value - w[i]!) * 0.9),
      ),
    ).toBeLessThan(1e-6);

    const both = device.compile((x: tf.Tensor1D) => {
      const twice = tf.add(x, x);
      return { twice, again: twice, root: tf.sqrt(tf.abs(twice)), sum: tf.sum(twice) };
    });
    const out = await both(tf.tensor1d(w));
    expect(
      furthest(
        values(out.again),
        w.map((value) => 2 * value),
      ),
    ).toBe(0);
    expect(
      furthest(
        values(out.root),
        w.map((value) => Math.sqrt(Math.abs(2 * value))),
      ),
    ).toBeLessThan(1e-6);
    expect(values(out.sum)[0]).toBeCloseTo(
      w.reduce((sum, value) => sum + 2 * value, 0),
      1,
    );
    for (const compiled of [average, both]) compiled.dispose();
  });

  test('reads parts of an argument, and matrices as vectors, where they lie', async () => {
    const halves = device.compile((x: tf.Tensor1D) =>
      tf.sub(tf.slice(x, [LENGTH], [LENGTH]), tf.slice(x, [0], [LENGTH])),
    );
    const x = normal('x', 2 * LENGTH);
    expect(
      furthest(
        values(await halves(tf.tensor1d(x))),
        x.slice(LENGTH).map((value, i) => value - x[i]!),
      ),
    ).toBeLessThan(1e-6);

    const flat = device.compile((matrix: tf.Tensor2D) => tf.neg(tf.reshape(matrix, [-1])));
    const result = await flat(tf.tensor2d(x, [2, LENGTH]));
    expect(
      furthest(
        values(result),
        x.map((value) => -value),
      ),
    ).toBe(0);
    for (const compiled of [halves, flat]) compiled.dispose();
  });

  test('adds integers as integers, and to frozen weights', async () => {
    const large = 2 ** 24 + 1; // no float32
    const counted = device.compile((x: tf.Tensor1D, n: tf.Tensor1D) => [tf.add(x, x), tf.add(n, n)]);
    const n = tf.fill([LENGTH], large, 'int32') as tf.Tensor1D;
    const [sums, counts] = await counted(tf.tensor1d(normal('w')), n);
    expect(
      furthest(
        values(sums!),
        normal('w').map((value) => 2 * value),
      ),
    ).toBe(0);
    expect(counts!.dataSync()[LENGTH - 1]).toBe(2 * large);

    const shifted = device.compile((w: tf.Tensor1D, x: tf.Tensor1D) => tf.add(w, x), { frozen: [0] });
    const w = tf.tensor1d(normal('w'));
    const result = values(await shifted(w, tf.ones([LENGTH])));
    expect(
      furthest(
        result,
        normal('w').map((value) => value + 1),
      ),
    ).toBe(0);
    for (const compiled of [counted, shifted]) compiled.dispose();
  });
});

test('a network with large weights learns on onnx what it learns on cpu', async () => {
  const width = 520;
  const forward = (scope: Scope, x: tf.Tensor2D): tf.Tensor => {
    const matrix = (name: string) =>
      scope.weight(name, [width, width], { kind: 'normal', std: 0.05 }) as tf.Tensor2D;
    const bias = scope.weight('bias', [width], { kind: 'zeros' });
    return tf.matMul(tf.tanh(tf.add(tf.matMul(x, matrix('first')), bias)) as tf.Tensor2D, matrix('second'));
  };
  const layout = layoutOf((scope) => forward(scope, tf.zeros([4, width])));
  const train = async (name: string): Promise<Float32Array> => {
    const on = await openDevice(name, { threads: 1 });
    const step = on.compile(
      (state: { weights: tf.Tensor1D; m: tf.Tensor1D; v: tf.Tensor1D }, x: tf.Tensor2D, s: Scalars) => {
        const none = tf.zeros([0]) as tf.Tensor1D;
        const { gradient } = valueAndGradient(layout, state.weights, none, (scope) => ({
          loss: tf.mean(tf.square(tf.sub(forward(scope, x), x))) as tf.Scalar,
        }));
        return adamw(state, clipByGlobalNorm(gradient, 0.5), { ...s, weightDecay: 0.01 });
      },
      { donate: [0] },
    );
    const zeros = (): tf.Tensor1D => tf.zeros([layout.size]);
    let state = { weights: tf.tensor1d(initialWeights(layout, 1, 'net')), m: zeros(), v: zeros() };
    for (let t = 1; t <= 3; t++) {
      const x = tf.tensor2d(normal(`x ${t}`, 4 * width), [4, width]);
      const s = { lr: tf.scalar(0.001), c1: tf.scalar(1 - 0.9 ** t), c2: tf.scalar(1 - 0.999 ** t) };
      state = await step(state, x, s);
    }
    step.dispose();
    return (await state.m.data()) as Float32Array;
  };
  const [expected, got] = [await train('cpu'), await train('onnx')];
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(furthest(got, expected) / largest).toBeLessThan(1e-4);
});

interface Scalars {
  lr: tf.Scalar;
  c1: tf.Scalar;
  c2: tf.Scalar;
}
