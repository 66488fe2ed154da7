/**
 * UNet, conditions, losses and gradients against PyTorch, on two tiny networks; the numbers are those of
 * test/reference/diffusion_reference.py.
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import {
  type ConditionSettings,
  type Method,
  styleStatistics,
} from '../../../stages/diffusion/conditions.js';
import type { FrozenRecogniser } from '../../../stages/diffusion/frozen-recogniser.js';
import { generatorLayout, type GeneratorNetwork, predict } from '../../../stages/diffusion/generator.js';
import {
  NoiseSchedule,
  type Prediction,
  qSample,
  timeEmbedding,
} from '../../../stages/diffusion/schedule.js';
import { lossFunction, reportedBy, trainStep } from '../../../stages/diffusion/train-step.js';
import { l2normalise } from '../../../stages/tensors/layers.js';
import { bind, type Layout, valueAndGradient } from '../../../stages/tensors/network.js';

interface Case {
  method: Method;
  prediction: Prediction;
  lambda: number;
  full: boolean;
  size: number;
  output: number[];
  reported: number[];
  gradientNorms: Record<string, number>;
}
const file = new URL('../../reference/diffusion_reference.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };

const [size, B, D] = [10, 2, 6];
const count = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
const wave = (length: number, scale: number, frequency: number, phase: number) =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(frequency * i + 0.0137 * i * i + phase));
const images = (scale: number, frequency: number, phase: number) =>
  tf.tensor4d(wave(count([B, size, size, 3]), scale, frequency, phase), [B, size, size, 3]);

/** E_id is one linear layer: what matters is that gradients go through it. */
const recogniser: FrozenRecogniser = {
  dimension: D,
  features: 3,
  provenance: { kind: 'recognition', architecture: 'linear', weights: '' },
  tensors: { weights: tf.tensor1d([0]), buffers: tf.tensor1d([0]) },
  bind: ({ weights }) => ({
    embed: (x) =>
      l2normalise(tf.matMul(tf.reshape(x, [x.shape[0], -1]), tf.reshape(weights, [-1, D]) as tf.Tensor2D)),
    features: (x) => x,
  }),
};

function setUp({ method, full, prediction, lambda }: Case) {
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
  const batch = {
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
  const weights = tf.tensor1d(wave(layout.size, 0.3, 1.7, 0.3));
  const E = { weights: tf.tensor1d(wave(size * size * 3 * D, 0.5, 1.319, 0.2)), buffers: tf.tensor1d([0]) };
  const fixed = { decayMask: tf.ones([layout.size]) as tf.Tensor1D, recogniser: E };
  const settings = {
    network,
    layout,
    prediction,
    lambda,
    similarity: 'cosine' as const,
    weightDecay: 0,
    clip: 0,
    recogniser,
  };
  return { network, layout, batch, weights, fixed, settings };
}

const gradientNorms = (layout: Layout, gradient: Float32Array) =>
  Object.fromEntries(
    layout.weights.map(({ name, offset, size: length }) => [
      name,
      Math.hypot(...gradient.subarray(offset, offset + length)),
    ]),
  );

beforeAll(() => tf.setBackend('cpu'));

test.each(cases)(
  '$method with $prediction-prediction gives the loss and every gradient that PyTorch gives',
  (expected) => {
    const { layout, batch, weights, fixed, settings } = setUp(expected);
    expect(layout.size).toBe(expected.size);
    const none = tf.zeros([0]) as tf.Tensor1D;
    const { loss, aux, gradient } = valueAndGradient(
      layout,
      weights,
      none,
      lossFunction(settings, batch, fixed),
    );
    const reported = [loss, ...aux.parts].map((part) => part.dataSync()[0]!);
    expected.reported.forEach((value, i) => expect(reported[i]).toBeCloseTo(value, 5));
    const norms = gradientNorms(layout, gradient.dataSync() as Float32Array);
    expect(Object.keys(norms)).toEqual(Object.keys(expected.gradientNorms));
    for (const [name, norm] of Object.entries(expected.gradientNorms))
      expect(Math.abs(norms[name]! - norm), name).toBeLessThan(1e-3 * norm + 1e-6);
  },
);

test.each(cases)('the UNet of $method predicts what PyTorch predicts', (expected) => {
  const { network, layout, batch, weights, fixed } = setUp(expected);
  const E = recogniser.bind(fixed.recogniser);
  const output = predict(bind(layout, weights, tf.zeros([0]) as tf.Tensor1D, false), network, {
    xt: qSample(batch.images, batch.noise, { signal: batch.signal, noise: batch.noiseScale }),
    time: batch.time,
    condition: {
      identity: E.embed(batch.identityImages ?? batch.images),
      style: styleStatistics(batch.images, 3),
      m: batch.m,
      keep: batch.keep,
    },
  });
  const values = output.dataSync();
  expected.output.forEach((value, i) => expect(values[37 * i]).toBeCloseTo(value, 4));
});

test('a step moves the weights by lr against the gradient, the average after them, and reports what it names', () => {
  const { batch, weights, fixed, settings } = setUp(cases[0]!);
  const zeros = () => tf.zeros(weights.shape) as tf.Tensor1D;
  const scalars = { lr: tf.scalar(0.01), c1: tf.scalar(0.1), c2: tf.scalar(0.001), decay: tf.scalar(0.75) };
  const first = { weights, m: zeros(), v: zeros(), average: weights };
  const { state, reported } = trainStep({ ...settings, clip: 0 })(first, batch, scalars, fixed);
  expect(reportedBy(settings)).toEqual(['loss', 'loss/mse', 'loss/rec', 'loss/sim', 'gradient_norm']);
  expect(reported.dataSync()[0]).toBeCloseTo(cases[0]!.reported[0]!, 5);
  // AdamW's first step is lr g / |g| for every weight: m / c1 = g, sqrt(v / c2) = |g|.
  const moved = tf.sub(state.weights, weights).abs().dataSync() as Float32Array;
  expect(Math.max(...moved)).toBeCloseTo(0.01, 5);
  const average = tf.sub(state.average, weights).dataSync();
  const whole = tf.sub(state.weights, weights).dataSync();
  expect(average[5]).toBeCloseTo(0.25 * whole[5]!, 6);
});
