/** Two tiny generators with a batch, as test/reference/diffusion_reference.py has them, and the numbers it made of them. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import type { ConditionSettings, Method } from '../../../stages/diffusion/conditions.js';
import type { FrozenRecogniser } from '../../../stages/diffusion/frozen-recogniser.js';
import { generatorLayout, type GeneratorNetwork } from '../../../stages/diffusion/generator.js';
import { NoiseSchedule, type Prediction, timeEmbedding } from '../../../stages/diffusion/schedule.js';
import type { BatchTensors, Fixed, StepSettings } from '../../../stages/diffusion/train-step.js';
import { l2normalise } from '../../../stages/tensors/functional.js';

export interface UNetCase {
  method: Method;
  prediction: Prediction;
  lambda: number;
  full: boolean;
}
export interface UNetReference extends UNetCase {
  size: number;
  output: number[];
  reported: number[];
  /** By name: norm, and product with `probeOf`. */
  gradients: Record<string, [number, number]>;
}
const file = new URL('../../reference/diffusion_reference.json', import.meta.url);
export const { cases: unetCases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: UNetReference[] };

const [size, B, D] = [10, 2, 6];
const count = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
const wave = (length: number, scale: number, frequency: number, phase: number) =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(frequency * i + 0.0137 * i * i + phase));
const images = (scale: number, frequency: number, phase: number) =>
  tf.tensor4d(wave(count([B, size, size, 3]), scale, frequency, phase), [B, size, size, 3]);

/** What a gradient of so many numbers is multiplied with, to see more of it than its norm. */
export const probeOf = (length: number): Float32Array => wave(length, 1, 2.39, 0.7);

/** E_id is one linear layer: what matters is that gradients go through it. */
function linearRecogniser(): FrozenRecogniser {
  return {
    dimension: D,
    features: 3,
    provenance: { kind: 'recognition', architecture: 'linear', weights: '' },
    tensors: {
      weights: tf.tensor1d(wave(size * size * 3 * D, 0.5, 1.319, 0.2)),
      buffers: tf.tensor1d([0]),
    },
    bind: ({ weights }) => ({
      embed: (x) =>
        l2normalise(tf.matMul(tf.reshape(x, [x.shape[0], -1]), tf.reshape(weights, [-1, D]) as tf.Tensor2D)),
      features: (x) => x,
    }),
  };
}

/** Made on the current backend. */
export function unetCase({ method, full, prediction, lambda }: UNetCase): {
  network: GeneratorNetwork;
  settings: StepSettings;
  weights: Float32Array;
  batch: BatchTensors;
  fixed: Fixed;
} {
  const style = { grid: 3, features: 3, dropout: 0.3 };
  const condition: ConditionSettings = {
    tokens: 2,
    channels: 5,
    embedding: D,
    ...(method === 'dcface' ? { style } : {}),
  };
  const network: GeneratorNetwork = {
    method,
    width: size,
    height: size,
    condition,
    unet: {
      base: 8,
      multipliers: [1, 2, 2],
      blocks: 1,
      attentionAt: [4],
      headChannels: 8,
      groups: 4,
      timeWidth: 16,
      decoder: full ? 'full' : 'light',
      learnedVariance: full,
    },
  };
  const layout = generatorLayout(network);
  const t = [100, 700];
  const schedule = new NoiseSchedule({ steps: 1000, betaStart: 1e-4, betaEnd: 0.02 });
  const column = (of: (t: number) => number) => tf.tensor4d(t.map(of), [B, 1, 1, 1]);
  const keep = wave(count([B, 10, 5]), 1, 3.3, 0.5).map((value) => (value > -0.4 ? 1 : 0));
  const batch: BatchTensors = {
    images: images(0.8, 0.731, 0.1),
    noise: images(1.2, 2.113, 0.4),
    time: tf.tensor2d(timeEmbedding(t), [B, 128]),
    signal: column((at) => schedule.signal(at)),
    noiseScale: column((at) => schedule.noise(at)),
    g: tf.tensor1d([0.1, 0.7]),
    ...(method === 'cemiface' ? { m: tf.tensor1d([0.5, -0.4]) } : {}),
    ...(method === 'dcface'
      ? { identityImages: images(0.8, 0.517, 0.9), keep: tf.tensor3d(keep, [B, 10, 5]) }
      : {}),
  };
  const recogniser = linearRecogniser();
  return {
    network,
    settings: {
      network,
      layout,
      prediction,
      lambda,
      similarity: 'cosine',
      weightDecay: 0,
      clip: 0,
      recogniser,
    },
    weights: wave(layout.size, 0.3, 1.7, 0.3),
    batch,
    fixed: { decayMask: tf.ones([layout.size]) as tf.Tensor1D, recogniser: recogniser.tensors },
  };
}
