/**
 * One training step of a generator as a pure function of tensors: METHOD Algorithm 1, eq. (4) and (10) to (14), then
 * AdamW and the moving average.
 */
import * as tf from '@tensorflow/tfjs';
import { clipStraightThrough } from '../tensors/functional.js';
import { type Layout, valueAndGradient } from '../tensors/network.js';
import { adamw, type AdamState, clipByGlobalNorm, ema, globalNorm } from '../tensors/optimisers.js';
import { styleStatistics } from './conditions.js';
import type { FrozenRecogniser, FrozenWeights } from './frozen-recogniser.js';
import { type GeneratorNetwork, predict } from './generator.js';
import { dualConditionLoss, type Similarity, similarityMatchingLoss, similarityOf } from './losses.js';
import { estimateX0, type Prediction, qSample, targetOf } from './schedule.js';

export interface TrainState extends AdamState {
  /** The moving average of the weights. */
  average: tf.Tensor1D;
}

/** One batch; what a method does not use is absent. */
export interface BatchTensors {
  /** x, [B, H, W, 3] in [-1, 1] */
  images: tf.Tensor4D;
  /** DCFace's identity images, as `images`. */
  identityImages?: tf.Tensor4D;
  /** eps, as `images`. */
  noise: tf.Tensor4D;
  /** Sinusoids of t, [B, 128]. */
  time: tf.Tensor2D;
  /** sqrt(abar_t), [B, 1, 1, 1] */
  signal: tf.Tensor4D;
  /** sqrt(1 - abar_t), [B, 1, 1, 1] */
  noiseScale: tf.Tensor4D;
  /** g_t = t / T, [B] */
  g: tf.Tensor1D;
  /** [B] */
  m?: tf.Tensor1D;
  /** [B, grid^2 + 1, channels] */
  keep?: tf.Tensor3D;
}

export interface StepScalars {
  lr: tf.Scalar;
  /** 1 - beta1^s and 1 - beta2^s of AdamW. */
  c1: tf.Scalar;
  c2: tf.Scalar;
  /** Decay of the moving average at this step. */
  decay: tf.Scalar;
}

export interface StepSettings {
  network: GeneratorNetwork;
  layout: Layout;
  prediction: Prediction;
  lambda: number;
  similarity: Similarity;
  weightDecay: number;
  /** Largest norm of the gradient; 0 does not clip. */
  clip: number;
  recogniser?: FrozenRecogniser;
}

/** Tensors that stay the same from step to step. */
export interface Fixed {
  /** 1 where a weight decays, [P]. */
  decayMask: tf.Tensor1D;
  /** E_id's weights; absent where unconditional. */
  recogniser?: FrozenWeights;
}

/** Names of the numbers that a step reports, in their order. */
export function reportedBy(settings: Pick<StepSettings, 'network'>): string[] {
  const parts = {
    cemiface: ['loss/rec', 'loss/sim'],
    dcface: ['loss/identity', 'loss/style'],
    unconditional: [],
  };
  return ['loss', 'loss/mse', ...parts[settings.network.method], 'gradient_norm'];
}

/** @returns (state, batch, scalars, fixed) -> the next state and the numbers named by `reportedBy`, [K] */
export function trainStep(settings: StepSettings) {
  return (
    state: TrainState,
    batch: BatchTensors,
    scalars: StepScalars,
    fixed: Fixed,
  ): { state: TrainState; reported: tf.Tensor1D } => {
    const none = tf.zeros([0]) as tf.Tensor1D; // the UNet has no buffers
    const lossOf = lossFunction(settings, batch, fixed);
    const result = valueAndGradient(settings.layout, state.weights, none, lossOf);
    const norm = globalNorm(result.gradient);
    const gradient = settings.clip > 0 ? clipByGlobalNorm(result.gradient, settings.clip) : result.gradient;
    const { lr, c1, c2, decay } = scalars;
    const { weightDecay } = settings;
    const next = adamw(state, gradient, { lr, c1, c2, weightDecay, decayMask: fixed.decayMask });
    return {
      state: { ...next, average: ema(state.average, next.weights, decay) },
      reported: tf.stack([result.loss, ...result.aux.parts, norm]) as tf.Tensor1D,
    };
  };
}

/** The loss of a batch as a function of the generator's weights, eq. (14); `parts` in the order of `reportedBy`. */
export function lossFunction(settings: StepSettings, batch: BatchTensors, fixed: Fixed) {
  const { network, prediction, lambda, similarity } = settings;
  const at = { signal: batch.signal, noise: batch.noiseScale };
  const xt = qSample(batch.images, batch.noise, at); // (4)
  const target = targetOf(prediction, batch.images, batch.noise, at);
  const recogniser = fixed.recogniser ? settings.recogniser?.bind(fixed.recogniser) : undefined;
  // Of the training images, so outside the gradient.
  const own = recogniser?.embed(batch.images); // (5)
  const identity = batch.identityImages ? recogniser?.embed(batch.identityImages) : own;
  const grid = network.condition.style?.grid;
  const style =
    recogniser && grid !== undefined ? styleStatistics(recogniser.features(batch.images), grid) : undefined;

  return (scope: Parameters<typeof predict>[0]): { loss: tf.Scalar; aux: { parts: tf.Scalar[] } } => {
    const { time, m, keep, g } = batch;
    const output = predict(scope, network, { xt, time, condition: { identity, m, style, keep } });
    const mse = tf.mean(tf.square(tf.sub(output, target))) as tf.Scalar;
    if (!recogniser || !own || !identity) return { loss: mse, aux: { parts: [mse] } };

    // (10). The clip lets gradients through: cut off, they would be missing from most pixels at large t, where L_sim acts.
    const x0 = clipStraightThrough(estimateX0(prediction, xt, output, at), -1, 1);
    const estimate = recogniser.embed(x0);
    const toIdentity = similarityOf(similarity, identity, estimate);
    let loss: tf.Tensor1D;
    let parts: tf.Tensor1D[];
    if (network.method === 'cemiface') {
      if (!m) throw new TypeError('a step of cemiface needs m');
      const matching = similarityMatchingLoss(toIdentity, m, g); // (11) to (13)
      loss = matching.loss;
      parts = [matching.rec, matching.sim];
    } else {
      const dual = dualConditionLoss(toIdentity, similarityOf(similarity, own, estimate), g);
      loss = dual.loss;
      parts = [dual.identity, dual.style];
    }
    const total = tf.add(mse, tf.mul(tf.mean(loss), lambda)) as tf.Scalar; // (14)
    return { loss: total, aux: { parts: [mse, ...parts.map((part) => tf.mean(part) as tf.Scalar)] } };
  };
}
