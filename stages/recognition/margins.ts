/**
 * Margin losses: how the cosine between an embedding and its class is made harder at training, as published.
 * All work on cosines and give logits; the loss is the softmax cross entropy of the logits.
 *
 * No arc cosine is taken: cos(theta + a) = cos(theta) cos(a) - sin(theta) sin(a), whose gradient needs no 1 / sin(theta).
 */
import * as tf from '@tensorflow/tfjs';
import { l2normalise } from '../tensors/functional.js';
import type { Scope } from '../tensors/network.js';

export type Margin =
  /** CosFace, Wang et al., CVPR 2018, eq. (4): s (cos(theta_y) - m). */
  | { loss: 'cosface'; margin: number; scale: number }
  /** ArcFace, Deng et al., CVPR 2019, eq. (3): s cos(theta_y + m). */
  | { loss: 'arcface'; margin: number; scale: number }
  /** AdaFace, Kim et al., CVPR 2022, eq. (13) to (17). */
  | { loss: 'adaface'; margin: number; scale: number; h: number; tAlpha: number };

export interface Classified {
  /** s f(theta), [B, classes] */
  logits: tf.Tensor2D;
  /** cos(theta) of each embedding and each class, [B, classes], in [-1, 1] */
  cosines: tf.Tensor2D;
  /** cos(theta_y), [B, 1] */
  own: tf.Tensor2D;
}

/**
 * Class logits with the margin in the labelled class, and the classifier rows they need (`classifier.weight`
 * [classes, D]). AdaFace keeps the moving mean and deviation of embedding lengths in two buffers.
 *
 * @param embeddings  before normalisation, [B, D]
 * @param oneHot      labels, float32 [B, classes]
 */
export function classify(
  scope: Scope,
  margin: Margin,
  embeddings: tf.Tensor2D,
  oneHot: tf.Tensor2D,
): Classified {
  const classes = oneHot.shape[1];
  const rows = scope.weight('classifier.weight', [classes, embeddings.shape[1]], {
    kind: 'normal',
    std: 0.01,
  });
  const cosines: tf.Tensor2D = tf.matMul(
    l2normalise(embeddings),
    l2normalise(rows as tf.Tensor2D),
    false,
    true,
  );
  const own = tf.sum(tf.mul(cosines, oneHot), 1, true) as tf.Tensor2D;
  const harder = target(scope, margin, embeddings, own);
  const logits = tf.mul(tf.add(cosines, tf.mul(oneHot, tf.sub(harder, own))), margin.scale) as tf.Tensor2D;
  return { logits, cosines, own };
}

/** What takes the place of cos(theta_y), [B, 1]. */
function target(scope: Scope, margin: Margin, embeddings: tf.Tensor2D, own: tf.Tensor2D): tf.Tensor {
  switch (margin.loss) {
    case 'cosface':
      return tf.sub(own, margin.margin);
    case 'arcface':
      return arcfaceTarget(own, margin.margin);
    case 'adaface':
      return adafaceTarget(own, qualityIndicator(scope, margin, embeddings), margin.margin);
  }
}

/**
 * cos(theta + m) where theta + m stays below pi; beyond, where cos would rise again, cos(theta) - m sin(m), as
 * ArcFace's own code continues it.
 *
 * @param own  cos(theta_y), [B, 1]
 */
export function arcfaceTarget(own: tf.Tensor, m: number): tf.Tensor {
  return withSlope(own, (cosine) => {
    const turned = turn(cosine, tf.scalar(m));
    const bent = tf.greater(cosine, Math.cos(Math.PI - m));
    return {
      value: tf.where(bent, turned.value, tf.sub(cosine, m * Math.sin(m))),
      slope: tf.where(bent, turned.slope, tf.onesLike(cosine)),
    };
  });
}

/**
 * AdaFace's eq. (15) to (17): cos(theta + g_angle) - g_add with g_angle = -m z and g_add = m z + m, theta + g_angle
 * clipped to [0.001, pi - 0.001] as in its code.
 *
 * @param own  cos(theta_y), [B, 1]
 * @param z    quality indicator, [B, 1], in [-1, 1]; no gradient goes to it
 */
export function adafaceTarget(own: tf.Tensor, z: tf.Tensor, m: number): tf.Tensor {
  const eps = 1e-3;
  const turnedAndClipped = withSlope(own, (cosine) => {
    const angle = tf.mul(z, -m);
    const turned = turn(cosine, angle);
    // theta + angle < eps  <=>  cos(theta) > cos(eps - angle) where eps - angle > 0; likewise at pi.
    const below = tf.greater(cosine, tf.cos(tf.maximum(tf.sub(eps, angle), 0)));
    const above = tf.less(cosine, tf.cos(tf.minimum(tf.sub(Math.PI - eps, angle), Math.PI)));
    const clipped = tf.where(below, tf.fill(cosine.shape, Math.cos(eps)), turned.value);
    const zero = tf.zerosLike(cosine);
    return {
      value: tf.where(above, tf.fill(cosine.shape, Math.cos(Math.PI - eps)), clipped),
      slope: tf.where(above, zero, tf.where(below, zero, turned.slope)),
    };
  });
  return tf.sub(turnedAndClipped, tf.add(tf.mul(z, m), m));
}

/** cos(theta + angle) and its derivative by cos(theta), sin(theta + angle) / sin(theta), theta in [0, pi]. */
function turn(cosine: tf.Tensor, angle: tf.Tensor): { value: tf.Tensor; slope: tf.Tensor } {
  // Rounding may push a cosine past 1; sin(theta) is kept from 0, where the derivative is infinite.
  const sine = tf.sqrt(tf.maximum(tf.sub(1, tf.square(cosine)), 1e-6));
  const [c, s] = [tf.cos(angle), tf.sin(angle)];
  return {
    value: tf.sub(tf.mul(cosine, c), tf.mul(sine, s)),
    slope: tf.add(c, tf.mul(s, tf.div(cosine, sine))),
  };
}

/** A function of each element, with its derivative given: comparisons inside have none that tfjs could take. */
function withSlope(x: tf.Tensor, f: (x: tf.Tensor) => { value: tf.Tensor; slope: tf.Tensor }): tf.Tensor {
  return tf.customGrad((input, save) => {
    const { value, slope } = f(input as tf.Tensor);
    (save as tf.GradSaveFunc)([slope]);
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]!) };
  })(x);
}

/**
 * AdaFace's eq. (13) and (14): how long an embedding is among those of late, in units of deviation / h, clipped to [-1, 1].
 * A measure of image quality, through which no gradient goes.
 *
 * @returns [B, 1]
 */
export function qualityIndicator(
  scope: Scope,
  { h, tAlpha }: { h: number; tAlpha: number },
  embeddings: tf.Tensor2D,
): tf.Tensor {
  const lengths = withoutGradient(embeddings, (x) =>
    tf.clipByValue(tf.sqrt(tf.sum(tf.square(x), 1, true)), 0.001, 100),
  );
  const count = embeddings.shape[0];
  const mean = tf.mean(lengths);
  const deviation = tf.sqrt(tf.div(tf.sum(tf.square(tf.sub(lengths, mean))), Math.max(1, count - 1)));
  const moved = (name: string, start: number, batch: tf.Tensor): tf.Tensor => {
    const before = scope.buffer(name, [1], start);
    const after = tf.add(tf.mul(before, 1 - tAlpha), tf.mul(batch, tAlpha));
    scope.updateBuffer(name, after);
    return after;
  };
  // The values they start from are AdaFace's code's.
  const movingMean = moved('adaface.batch_mean', 20, mean);
  const movingDeviation = moved('adaface.batch_std', 100, deviation);
  const z = tf.div(tf.sub(lengths, movingMean), tf.add(movingDeviation, 1e-3));
  return tf.clipByValue(tf.mul(z, h), -1, 1);
}

/**
 * Softmax cross entropy, mean over the batch.
 * @param logits  [B, classes]
 * @param oneHot  [B, classes]
 */
export function crossEntropy(logits: tf.Tensor2D, oneHot: tf.Tensor2D): tf.Scalar {
  return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), oneHot), 1))) as tf.Scalar;
}

function withoutGradient(x: tf.Tensor, f: (x: tf.Tensor) => tf.Tensor): tf.Tensor {
  return tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([input as tf.Tensor]);
    return {
      value: f(input as tf.Tensor),
      gradFunc: (_dy: tf.Tensor, saved: tf.Tensor[]) => tf.zerosLike(saved[0]!),
    };
  })(x);
}
