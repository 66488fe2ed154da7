/**
 * The noise schedule of a diffusion model with T steps: betas, their products, and the conversions between what a network
 * may predict. Tables are float64 and made on the host; what a training step needs of them goes in as tensors.
 *
 *   symbol            here
 *   beta_t            betas[t]
 *   abar_t            alphaBar[t] = prod_{s <= t} (1 - beta_s)
 *   sqrt(abar_t)      signal(t)
 *   sqrt(1 - abar_t)  noise(t)
 */
import * as tf from '@tensorflow/tfjs';

/** What the UNet's output means: the noise, the velocity (Salimans and Ho, 2022), or the clean image. */
export type Prediction = 'eps' | 'v' | 'x0';

export interface ScheduleSettings {
  /** T, the number of diffusion steps. */
  steps: number;
  /** beta of the first and of the last step; linear in between (Ho et al., 2020). */
  betaStart: number;
  betaEnd: number;
}

export class NoiseSchedule {
  readonly steps: number;
  /** [T] */
  readonly betas: Float64Array;
  /** [T], falling from nearly 1 to nearly 0. */
  readonly alphaBar: Float64Array;

  constructor({ steps, betaStart, betaEnd }: ScheduleSettings) {
    this.steps = steps;
    this.betas = new Float64Array(steps);
    this.alphaBar = new Float64Array(steps);
    let product = 1;
    for (let t = 0; t < steps; t++) {
      const beta = steps === 1 ? betaStart : betaStart + ((betaEnd - betaStart) * t) / (steps - 1);
      this.betas[t] = beta;
      product *= 1 - beta;
      this.alphaBar[t] = product;
    }
  }

  /** sqrt(abar_t), for t in [0, T). t = -1 is the clean image: 1. */
  signal(t: number): number {
    return Math.sqrt(this.#alphaBarAt(t));
  }

  /** sqrt(1 - abar_t), for t in [0, T). t = -1 is the clean image: 0. */
  noise(t: number): number {
    return Math.sqrt(1 - this.#alphaBarAt(t));
  }

  #alphaBarAt(t: number): number {
    if (t === -1) return 1;
    const value = this.alphaBar[t];
    if (value === undefined) throw new RangeError(`diffusion step ${t} is outside 0..${this.steps - 1}`);
    return value;
  }
}

/** Channels of the sinusoids that a step is given to the network as. */
export const timeChannels = 128;

/**
 * Sinusoidal embedding of diffusion steps (Vaswani et al., 2017, with Ho et al.'s frequencies 10000^(-k / 64)).
 * @param t steps, integers in [0, T)
 * @returns [t.length, 128]: 64 sines, then 64 cosines
 */
export function timeEmbedding(t: ArrayLike<number>): Float32Array {
  const half = timeChannels / 2;
  const out = new Float32Array(t.length * timeChannels);
  for (let row = 0; row < t.length; row++) {
    for (let k = 0; k < half; k++) {
      const angle = t[row]! * Math.exp((-Math.log(1e4) * k) / half);
      out[row * timeChannels + k] = Math.sin(angle);
      out[row * timeChannels + half + k] = Math.cos(angle);
    }
  }
  return out;
}

/** Coefficients of diffusion steps as tensors that broadcast over images: each [B, 1, 1, 1]. */
export interface StepCoefficients {
  /** sqrt(abar_t) */
  signal: tf.Tensor4D;
  /** sqrt(1 - abar_t) */
  noise: tf.Tensor4D;
}

/** x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, METHOD eq. (4). Images [B, H, W, 3]. */
export function qSample(x0: tf.Tensor4D, eps: tf.Tensor4D, at: StepCoefficients): tf.Tensor4D {
  return tf.add(tf.mul(at.signal, x0), tf.mul(at.noise, eps));
}

/** What the network should have said for this image and noise. */
export function targetOf(
  prediction: Prediction,
  x0: tf.Tensor4D,
  eps: tf.Tensor4D,
  at: StepCoefficients,
): tf.Tensor4D {
  switch (prediction) {
    case 'eps':
      return eps;
    case 'x0':
      return x0;
    case 'v':
      return tf.sub(tf.mul(at.signal, eps), tf.mul(at.noise, x0));
  }
}

/**
 * The estimate of the clean image from the network's output; not clipped.
 * eps: eq. (10), (x_t - sqrt(1 - abar_t) eps) / sqrt(abar_t);  v: sqrt(abar_t) x_t - sqrt(1 - abar_t) v.
 */
export function estimateX0(
  prediction: Prediction,
  xt: tf.Tensor4D,
  output: tf.Tensor4D,
  at: StepCoefficients,
): tf.Tensor4D {
  switch (prediction) {
    case 'eps':
      return tf.div(tf.sub(xt, tf.mul(at.noise, output)), at.signal);
    case 'x0':
      return output;
    case 'v':
      return tf.sub(tf.mul(at.signal, xt), tf.mul(at.noise, output));
  }
}
