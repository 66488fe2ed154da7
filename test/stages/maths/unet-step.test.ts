/** UNet, conditions, losses, gradients and the optimiser's step on every device, against PyTorch, on two tiny networks. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { styleStatistics } from '../../../stages/diffusion/conditions.js';
import { predict } from '../../../stages/diffusion/generator.js';
import { qSample } from '../../../stages/diffusion/schedule.js';
import {
  type BatchTensors,
  type Fixed,
  lossFunction,
  reportedBy,
  trainStep,
} from '../../../stages/diffusion/train-step.js';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { bind, valueAndGradient } from '../../../stages/tensors/network.js';
import { difference, testDevices, tolerance } from './devices.js';
import { probeOf, unetCase, unetCases } from './unet-case.js';

const none = () => tf.zeros([0]) as tf.Tensor1D;

describe.each(testDevices)('on %s', (deviceName) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice(deviceName, { threads: 1 });
  });
  // A whole network adds up the rounding of some twenty layers.
  const near = 20 * tolerance[deviceName];

  test.each(unetCases)(
    '$method with $prediction-prediction gives the loss and every gradient that PyTorch gives',
    async (expected) => {
      const { settings, weights, batch, fixed } = unetCase(expected);
      const { layout } = settings;
      expect(layout.size).toBe(expected.size);
      const compiled = device.compile((w: tf.Tensor1D, b: BatchTensors, f: Fixed) => {
        const { loss, aux, gradient } = valueAndGradient(layout, w, none(), lossFunction(settings, b, f));
        return { reported: tf.stack([loss, ...aux.parts]), gradient };
      });
      const result = await compiled(tf.tensor1d(weights), batch, fixed);
      compiled.dispose();
      expect(difference(await result.reported.data(), expected.reported)).toBeLessThan(near);
      const gradient = (await result.gradient.data()) as Float32Array;
      expect(layout.weights.map(({ name }) => name)).toEqual(Object.keys(expected.gradients));
      for (const { name, offset, size } of layout.weights) {
        const own = gradient.subarray(offset, offset + size);
        const probe = probeOf(size);
        const [norm, product] = expected.gradients[name]!;
        const found = own.reduce((sum, g, i) => sum + g * probe[i]!, 0);
        // As parts of the norm: most gradients are far below 1.
        const parts = [Math.hypot(...own) / norm, found / norm];
        expect(difference(parts, [1, product / norm]), name).toBeLessThan(near);
      }
    },
  );

  test.each(unetCases)('the UNet of $method predicts what PyTorch predicts', async (expected) => {
    const { network, settings, weights, batch, fixed } = unetCase(expected);
    const compiled = device.compile((w: tf.Tensor1D, b: BatchTensors, f: Fixed) => {
      const { embed } = settings.recogniser!.bind(f.recogniser!);
      return predict(bind(settings.layout, w, none(), false), network, {
        xt: qSample(b.images, b.noise, { signal: b.signal, noise: b.noiseScale }),
        time: b.time,
        condition: {
          identity: embed(b.identityImages ?? b.images),
          style: styleStatistics(b.images, 3),
          m: b.m,
          keep: b.keep,
        },
      });
    });
    const output = await compiled(tf.tensor1d(weights), batch, fixed);
    compiled.dispose();
    const values = await output.data();
    const seen = expected.output.map((_, i) => values[37 * i]!);
    expect(difference(seen, expected.output)).toBeLessThan(near);
  });

  test('a step moves the weights by lr against the gradient, the average after them, and reports what it names', async () => {
    const { settings, weights, batch, fixed } = unetCase(unetCases[0]!);
    expect(reportedBy(settings)).toEqual(['loss', 'loss/mse', 'loss/rec', 'loss/sim', 'gradient_norm']);
    const compiled = device.compile(trainStep(settings));
    const zeros = () => tf.zeros([weights.length]) as tf.Tensor1D;
    const first = { weights: tf.tensor1d(weights), m: zeros(), v: zeros(), average: tf.tensor1d(weights) };
    const scalars = {
      lr: tf.scalar(0.01),
      c1: tf.scalar(0.1),
      c2: tf.scalar(0.001),
      decay: tf.scalar(0.75),
    };
    const { state, reported } = await compiled(first, batch, scalars, fixed);
    compiled.dispose();
    expect((await reported.data())[0]).toBeCloseTo(unetCases[0]!.reported[0]!, 3);
    // AdamW's first step is lr g / |g| for every weight: m / c1 = g, sqrt(v / c2) = |g|.
    const after = await state.weights.data();
    const moved = weights.map((weight, i) => after[i]! - weight);
    expect(Math.max(...moved.map(Math.abs))).toBeCloseTo(0.01, 5);
    const average = await state.average.data();
    expect(average[5]! - weights[5]!).toBeCloseTo(0.25 * moved[5]!, 6);
  });
});
