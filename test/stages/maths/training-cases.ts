/** Margins, the loss of a classifier, and optimisers. */
import * as tf from '@tensorflow/tfjs';
import * as margins from '../../../stages/recognition/margins.js';
import * as optimisers from '../../../stages/tensors/optimisers.js';
import { type Case, scopeOf, type Tensors, u } from './case.js';

const labels = [2, 0, 3];
const oneHot = () => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), 4), 'float32') as tf.Tensor2D;

function classification(margin: margins.Margin, more: Partial<Case> = {}): Case {
  return {
    name: margin.loss,
    covers: [margins.classify, margins.crossEntropy],
    inputs: { embeddings: u([3, 5], -3, 3), 'classifier.weight': u([4, 5]) },
    run: (at) => {
      const aside: Tensors = {};
      const { logits, cosines, own } = margins.classify(
        scopeOf(at, true, aside),
        margin,
        at['embeddings'] as tf.Tensor2D,
        oneHot(),
      );
      return { value: margins.crossEntropy(logits, oneHot()), aside: { ...aside, logits, cosines, own } };
    },
    ...more,
  };
}
const adafaceBuffers = { 'adaface.batch_mean': u([1], 3, 4), 'adaface.batch_std': u([1], 0.5, 1) };

export const marginCases: Case[] = [
  classification({ loss: 'cosface', margin: 0.4, scale: 16 }),
  classification({ loss: 'arcface', margin: 0.5, scale: 16 }),
  classification(
    { loss: 'adaface', margin: 0.4, scale: 16, h: 0.333, tAlpha: 0.5 },
    {
      given: adafaceBuffers,
      stopped: { embeddings: 'no gradient goes through their length, AdaFace section 3.3' },
    },
  ),
  {
    name: 'arcface_target',
    covers: [margins.arcfaceTarget],
    inputs: { cosine: u([24, 1], -0.99, 0.95) },
    run: ({ cosine }) => ({ value: margins.arcfaceTarget(cosine!, 0.5) }),
  },
  {
    name: 'adaface_target',
    covers: [margins.adafaceTarget],
    inputs: { cosine: u([24, 1], -0.99, 0.95) },
    given: { z: u([24, 1]) },
    run: ({ cosine, z }) => ({ value: margins.adafaceTarget(cosine!, z!, 0.4) }),
  },
  {
    name: 'quality_indicator',
    covers: [margins.qualityIndicator],
    inputs: {},
    given: { embeddings: u([4, 5], -3, 3), ...adafaceBuffers },
    run: (at) => {
      const aside: Tensors = {};
      const options = { h: 0.333, tAlpha: 0.5 };
      const scope = scopeOf(at, true, aside);
      return { value: margins.qualityIndicator(scope, options, at['embeddings'] as tf.Tensor2D), aside };
    },
  },
  {
    name: 'cross_entropy',
    covers: [margins.crossEntropy],
    inputs: { logits: u([3, 4], -5, 5) },
    run: ({ logits }) => ({ value: margins.crossEntropy(logits as tf.Tensor2D, oneHot()) }),
  },
];

const threeGradients = { weights: u([8]), g1: u([8]), g2: u([8]), g3: u([8]) };
const gradientsOf = ({ g1, g2, g3 }: Tensors) => [g1, g2, g3] as tf.Tensor1D[];
/** Every other weight decays, where not all do. */
const half = () => tf.tensor1d([1, 0, 1, 0, 1, 0, 1, 0]);

function adam(name: string, settings: Partial<optimisers.AdamSettings>, masked = false): Case {
  return {
    name,
    covers: [optimisers.adamw, optimisers.biasCorrections],
    inputs: {},
    given: threeGradients,
    run: (at) => {
      let state = {
        weights: at['weights'] as tf.Tensor1D,
        m: tf.zeros([8]),
        v: tf.zeros([8]),
      } as optimisers.AdamState;
      gradientsOf(at).forEach((gradient, i) => {
        const { c1, c2 } = optimisers.biasCorrections(i + 1, settings.beta1, settings.beta2);
        const scalars = { lr: tf.scalar(0.1), c1: tf.scalar(c1), c2: tf.scalar(c2) };
        const decayMask = masked ? { decayMask: half() } : {};
        state = optimisers.adamw(state, gradient, { ...settings, ...scalars, ...decayMask });
      });
      return { value: state.weights, aside: { m: state.m, v: state.v } };
    },
  };
}

function sgd(name: string, settings: Partial<optimisers.MomentumSettings>, masked = false): Case {
  return {
    name,
    covers: [optimisers.sgdMomentum],
    inputs: {},
    given: threeGradients,
    run: (at) => {
      let state = { weights: at['weights'] as tf.Tensor1D, m: tf.zeros([8]) } as optimisers.MomentumState;
      for (const gradient of gradientsOf(at)) {
        const decayMask = masked ? { decayMask: half() } : {};
        state = optimisers.sgdMomentum(state, gradient, { lr: tf.scalar(0.1), ...settings, ...decayMask });
      }
      return { value: state.weights, aside: { m: state.m } };
    },
  };
}

const clipped = (name: string, max: number): Case => ({
  name,
  covers: [optimisers.clipByGlobalNorm, optimisers.globalNorm],
  inputs: { gradient: u([8]) },
  run: ({ gradient }) => ({
    value: optimisers.clipByGlobalNorm(gradient as tf.Tensor1D, max),
    aside: { norm: optimisers.globalNorm(gradient as tf.Tensor1D) },
  }),
});

export const optimiserCases: Case[] = [
  adam('adam', {}),
  adam('adamw', { weightDecay: 0.3, beta1: 0.8, beta2: 0.95, epsilon: 1e-3 }),
  adam('adamw_masked', { weightDecay: 0.3 }, true),
  sgd('sgd', { momentum: 0 }),
  sgd('sgd_momentum', { momentum: 0.9, weightDecay: 0.3 }),
  sgd('sgd_masked', { weightDecay: 0.3 }, true),
  clipped('clip_longer', 0.7),
  clipped('clip_shorter', 70),
  {
    name: 'ema',
    covers: [optimisers.ema],
    inputs: { average: u([8]), weights: u([8]) },
    run: ({ average, weights }) => ({
      value: optimisers.ema(average as tf.Tensor1D, weights as tf.Tensor1D, tf.scalar(0.9)),
    }),
  },
];
