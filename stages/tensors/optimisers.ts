/**
 * Optimisers on flat vectors: pure functions from (state, gradient) to the next state.
 * Numbers that change from step to step (learning rate, bias corrections, EMA decay) are scalar tensors, because a
 * compiled step would keep a JavaScript number for ever.
 */
import * as tf from '@tensorflow/tfjs';

/**
 * Vectors longer than `whole` are updated part by part, which changes no bit: a part's two dozen operations find it in the processor's cache, where
 * those on whole vectors would each pass all memory.
 */
const whole = 2 ** 22;
const part = 2 ** 19;

/** @param update from the same part of all vectors, in their order, to that part of the results */
function inParts(
  vectors: readonly tf.Tensor1D[],
  update: (...parts: tf.Tensor1D[]) => tf.Tensor1D[],
): tf.Tensor1D[] {
  const { size } = vectors[0]!;
  if (size <= whole) return update(...vectors);
  const starts = Array.from({ length: Math.ceil(size / part) }, (_, i) => i * part);
  const parts = starts.map((from) =>
    update(...vectors.map((vector) => tf.slice(vector, from, Math.min(part, size - from)))),
  );
  return parts[0]!.map((_, k) => tf.concat(parts.map((results) => results[k]!)));
}

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
    const masks = weightDecay !== 0 && decayMask ? [decayMask] : [];
    const [weights, m, v] = inParts(
      [state.weights, state.m, state.v, gradient, ...masks],
      (w, m0, v0, g, mask) => {
        const m = tf.add(tf.mul(m0!, beta1), tf.mul(g!, 1 - beta1)) as tf.Tensor1D;
        const v = tf.add(tf.mul(v0!, beta2), tf.mul(tf.square(g!), 1 - beta2)) as tf.Tensor1D;
        const update = tf.div(tf.div(m, c1), tf.add(tf.sqrt(tf.div(v, c2)), epsilon));
        let decayed: tf.Tensor = w!;
        if (weightDecay !== 0) decayed = tf.sub(decayed, tf.mul(decayed, mask ? tf.mul(mask, rate) : rate));
        return [tf.sub(decayed, tf.mul(update, lr)), m, v];
      },
    );
    return { weights: weights!, m: m!, v: v! };
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
    const masks = weightDecay !== 0 && decayMask ? [decayMask] : [];
    const [weights, m] = inParts([state.weights, state.m, gradient, ...masks], (w, m0, given, mask) => {
      let g: tf.Tensor = given!;
      if (weightDecay !== 0) g = tf.add(g, tf.mul(mask ? tf.mul(w!, mask) : w!, weightDecay));
      const m = tf.add(tf.mul(m0!, momentum), g) as tf.Tensor1D;
      return [tf.sub(w!, tf.mul(m, lr)), m];
    });
    return { weights: weights!, m: m! };
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
  return tf.tidy(
    () => inParts([average, weights], (a, w) => [tf.add(w!, tf.mul(tf.sub(a!, w!), decay))])[0]!,
  );
}
