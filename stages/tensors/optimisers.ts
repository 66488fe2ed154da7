/**
 * Optimisers on flat vectors: pure functions from (state, gradient) to the next state.
 * Numbers that change from step to step (learning rate, bias corrections, EMA decay) are scalar tensors, because a
 * compiled step would keep a JavaScript number for ever.
 */
import * as tf from '@tensorflow/tfjs';

/** What AdamW keeps from step to step: three flat vectors of one length. */
export interface AdamState {
  weights: tf.Tensor1D;
  /** First moment, the running mean of the gradient. */
  m: tf.Tensor1D;
  /** Second moment, the running mean of the squared gradient. */
  v: tf.Tensor1D;
}

/** AdamW's settings: what changes from step to step as scalar tensors, what does not as numbers. */
export interface AdamSettings {
  lr: tf.Scalar;
  /** Bias corrections 1 - beta1^t and 1 - beta2^t of step t = 1, 2, ...: see `biasCorrections`. */
  c1: tf.Scalar;
  c2: tf.Scalar;
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Added to the root of the second moment. Default 1e-8. */
  epsilon?: number;
  /** Decoupled weight decay (AdamW), times lr per step. Default 0, which is Adam. */
  weightDecay?: number;
  /** 1 where a weight decays and 0 where not: see `decayMaskOf` in network.ts. Default: all decay. Pass it into the compiled step. */
  decayMask?: tf.Tensor1D;
}

/** c1 and c2 of step t = 1, 2, ... as numbers, to be made into scalar tensors by the caller. */
export function biasCorrections(t: number, beta1 = 0.9, beta2 = 0.999): { c1: number; c2: number } {
  return { c1: 1 - beta1 ** t, c2: 1 - beta2 ** t };
}

/** AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2. */
export function adamw<S extends AdamState>(
  state: S,
  gradient: tf.Tensor1D,
  settings: AdamSettings,
): AdamState {
  const { lr, c1, c2, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decayMask } = settings;
  return tf.tidy(() => {
    const rate = tf.mul(lr, weightDecay);
    const m = tf.add(tf.mul(state.m, beta1), tf.mul(gradient, 1 - beta1)) as tf.Tensor1D;
    const v = tf.add(tf.mul(state.v, beta2), tf.mul(tf.square(gradient), 1 - beta2)) as tf.Tensor1D;
    const update = tf.div(tf.div(m, c1), tf.add(tf.sqrt(tf.div(v, c2)), epsilon));
    let decayed = state.weights;
    if (weightDecay !== 0)
      decayed = tf.sub(decayed, tf.mul(decayed, decayMask ? tf.mul(decayMask, rate) : rate));
    return { weights: tf.sub(decayed, tf.mul(update, lr)) as tf.Tensor1D, m, v };
  });
}

/** What SGD keeps from step to step: two flat vectors of one length. */
export interface MomentumState {
  weights: tf.Tensor1D;
  /** The velocity. */
  m: tf.Tensor1D;
}

/** SGD's settings, as `AdamSettings`. */
export interface MomentumSettings {
  lr: tf.Scalar;
  /** Default 0.9. */
  momentum?: number;
  /** L2 penalty added to the gradient, as insightface's SGD does. Default 0. */
  weightDecay?: number;
  /** As in `AdamSettings`. */
  decayMask?: tf.Tensor1D;
}

/** SGD with momentum as PyTorch defines it: m <- momentum m + (g + decay w); w <- w - lr m. */
export function sgdMomentum<S extends MomentumState>(
  state: S,
  gradient: tf.Tensor1D,
  settings: MomentumSettings,
): MomentumState {
  const { lr, momentum = 0.9, weightDecay = 0, decayMask } = settings;
  return tf.tidy(() => {
    const { weights } = state;
    let g = gradient;
    if (weightDecay !== 0)
      g = tf.add(g, tf.mul(decayMask ? tf.mul(weights, decayMask) : weights, weightDecay));
    const m = tf.add(tf.mul(state.m, momentum), g) as tf.Tensor1D;
    return { weights: tf.sub(weights, tf.mul(m, lr)) as tf.Tensor1D, m };
  });
}

/** The Euclidean norm of a flat gradient. */
export function globalNorm(gradient: tf.Tensor1D): tf.Scalar {
  return tf.tidy(() => tf.sqrt(tf.sum(tf.square(gradient))) as tf.Scalar);
}

/** Scales the gradient down to the norm `max` where it is longer; PyTorch's clip_grad_norm_. */
export function clipByGlobalNorm(gradient: tf.Tensor1D, max: number): tf.Tensor1D {
  return tf.tidy(
    () => tf.mul(gradient, tf.minimum(1, tf.div(max, tf.add(globalNorm(gradient), 1e-6)))) as tf.Tensor1D,
  );
}

/** Exponential moving average: decay * average + (1 - decay) * weights. */
export function ema(average: tf.Tensor1D, weights: tf.Tensor1D, decay: tf.Scalar): tf.Tensor1D {
  return tf.tidy(() => tf.add(weights, tf.mul(tf.sub(average, weights), decay)) as tf.Tensor1D);
}
