/**
 * DDIM sampling (Song, Meng, Ermon, ICLR 2021): which steps are visited, and one step from t to the step before it.
 */
import * as tf from '@tensorflow/tfjs';
import { estimateX0, type NoiseSchedule, type Prediction } from './schedule.js';

/** How n of the T steps are chosen; the names are diffusers'. */
export type Spacing = 'linspace' | 'leading' | 'trailing';

/**
 * The visited steps, from noise to image. T = 1000, n = 4:
 *   linspace 999 666 333 0;  leading 750 500 250 0;  trailing 999 749 499 249
 * @throws RangeError unless 1 <= n <= T
 */
export function ddimSteps(total: number, n: number, spacing: Spacing): number[] {
  if (!(n >= 1 && n <= total)) throw new RangeError(`${n} sampling steps of a schedule of ${total}`);
  const at = (i: number): number => {
    switch (spacing) {
      case 'linspace':
        // One step alone starts from the noise.
        return n === 1 ? total - 1 : Math.round(((total - 1) * (n - 1 - i)) / (n - 1));
      case 'leading':
        return Math.floor(total / n) * (n - 1 - i);
      case 'trailing':
        return Math.round(total - (i * total) / n) - 1;
    }
  };
  return Array.from({ length: n }, (_, i) => at(i));
}

/** The numbers of one DDIM step, from t to `previous` (-1: the clean image). */
export interface DdimNumbers {
  /** sqrt(abar_t), sqrt(1 - abar_t) */
  signal: number;
  noise: number;
  /** sqrt(abar_previous) */
  previousSignal: number;
  /** sqrt(1 - abar_previous - sigma_t^2), the length of the direction that points to x_t */
  direction: number;
  /** sigma_t(eta); 0 for eta = 0 */
  sigma: number;
}

/** eq. (16): sigma_t = eta sqrt((1 - abar_prev) / (1 - abar_t)) sqrt(1 - abar_t / abar_prev). */
export function ddimNumbers(schedule: NoiseSchedule, t: number, previous: number, eta: number): DdimNumbers {
  const abar = schedule.signal(t) ** 2;
  const before = schedule.signal(previous) ** 2;
  const sigma = eta * Math.sqrt((1 - before) / (1 - abar)) * Math.sqrt(Math.max(0, 1 - abar / before));
  return {
    signal: schedule.signal(t),
    noise: schedule.noise(t),
    previousSignal: schedule.signal(previous),
    direction: Math.sqrt(Math.max(0, 1 - before - sigma ** 2)),
    sigma,
  };
}

/** `DdimNumbers` as scalar tensors, since a compiled step would keep JavaScript numbers for ever. */
export type DdimTensors = Record<keyof DdimNumbers, tf.Scalar>;

/**
 * One step x_t -> x_previous.
 *
 *   x0_hat    estimate of the image, clipped to [-1, 1]
 *   eps_hat   the noise that goes with the clipped estimate
 *   x_prev    sqrt(abar_prev) x0_hat + direction eps_hat + sigma z                     (12)
 *
 * @param output the network's answer for x_t, [B, H, W, 3]
 * @param z      fresh standard normal noise, as x_t; needed where eta > 0
 */
export function ddimStep(
  prediction: Prediction,
  xt: tf.Tensor4D,
  output: tf.Tensor4D,
  at: DdimTensors,
  z?: tf.Tensor4D,
): tf.Tensor4D {
  const coefficients = {
    signal: tf.reshape(at.signal, [1, 1, 1, 1]),
    noise: tf.reshape(at.noise, [1, 1, 1, 1]),
  } as {
    signal: tf.Tensor4D;
    noise: tf.Tensor4D;
  };
  const x0 = tf.clipByValue(estimateX0(prediction, xt, output, coefficients), -1, 1);
  const eps = tf.div(tf.sub(xt, tf.mul(coefficients.signal, x0)), coefficients.noise);
  const mean = tf.add(tf.mul(x0, at.previousSignal), tf.mul(eps, at.direction));
  return (z ? tf.add(mean, tf.mul(z, at.sigma)) : mean) as tf.Tensor4D;
}
