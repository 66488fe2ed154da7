/** The DDIM loop where a batch is more than is computed at a time. */
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type GeneratorConfig, generatorLayout } from '../../../stages/diffusion/generator.js';
import { Sampler } from '../../../stages/diffusion/sampler.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { Random } from '../../../stages/tensors/random.js';

const config: Omit<GeneratorConfig, 'provenance'> = {
  format: 'cemiflow-model/1',
  kind: 'unet',
  method: 'cemiface',
  prediction: 'v',
  schedule: { steps: 50, betaStart: 1e-4, betaEnd: 0.02 },
  width: 8,
  height: 8,
  unet: {
    base: 32,
    multipliers: [1],
    blocks: 1,
    attentionAt: [1],
    headChannels: 32,
    groups: 4,
    timeWidth: 8,
    decoder: 'light',
    learnedVariance: false,
  },
  condition: { tokens: 2, channels: 6, embedding: 4, modulation: true },
};
const stride = 8 * 8 * 3;

test('each image of a large batch is what it would be among others, with its own condition and noise', async () => {
  const device = await openDevice('onnx', { threads: 1 });
  const layout = generatorLayout(config);
  // None at zero, so that every part of the network has a say.
  const weights = new Random(1, 'weights').fillNormal(new Float32Array(layout.size)).map((w) => w / 8);
  const sampler = new Sampler(device, config, layout, weights, { steps: 2, eta: 1, spacing: 'trailing' });
  const images = 301;
  const [start, ...noises] = ['start', 'first', 'second'].map((purpose) =>
    new Random(2, purpose).fillNormal(new Float32Array(images * stride)),
  );
  const identities = new Random(2, 'identity').fillNormal(new Float32Array(images * 4));
  const sample = async (from: number, to: number): Promise<Uint8Array> => {
    const condition = {
      identity: tf.tensor2d(identities.slice(4 * from, 4 * to), [to - from, 4]),
      m: tf.tensor1d(Array.from({ length: to - from }, (_, i) => Math.cos(from + i))),
    };
    const pixels = await sampler.sample(start!.slice(from * stride, to * stride), condition, {
      z: (i) => Promise.resolve(noises[i]!.subarray(from * stride, to * stride)),
    });
    tf.dispose(condition);
    return pixels;
  };
  const before = tf.memory().numTensors;
  const all = await sample(0, images);
  for (const [from, to] of [
    [0, 4],
    [148, 154],
    [297, 301],
  ] as const) {
    const alone = await sample(from, to);
    const together = all.subarray(from * stride, to * stride);
    expect(Math.max(...alone.map((byte, i) => Math.abs(byte - together[i]!)))).toBeLessThanOrEqual(1);
    // They differ from each other, or nothing would be shown.
    expect(alone.subarray(0, stride)).not.toEqual(alone.subarray(stride, 2 * stride));
  }
  expect(tf.memory().numTensors).toBe(before);
  sampler.dispose();
});
