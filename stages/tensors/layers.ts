/**
 * Layers with weights: functions of a scope, from which they ask their weights by name, and NHWC tensors.
 *
 * Names and shapes follow PyTorch (`<name>.weight`, `<name>.bias`, `running_mean`), except that a convolution's filter is kept as
 * [out, kh, kw, in]: transposing it here is free in a compiled step, and its gradient then needs no transpose of its own.
 * Batch norm and PReLU carry gradients written by hand: fewer passes over memory than autodiff's.
 */
import * as tf from '@tensorflow/tfjs';
import { groupNorm } from './functional.js';
import type { Init, Scope } from './network.js';

/** What a convolution may be told beside its channels. */
export interface ConvolutionOptions {
  /** Side of the filter, odd. Default 3. */
  kernel?: number;
  /** Default 1. */
  stride?: number;
  /** Default true; starts at zero. */
  bias?: boolean;
  /** Default: uniform within 1 / sqrt(fan in), as PyTorch's. */
  init?: Init;
}

/**
 * A 2-d convolution padded by kernel >> 1 on every side, as PyTorch's with padding = k // 2; published weights fit.
 * (tfjs' 'same' is not that: with stride 2 it pads on one side only.)
 *
 * @param x  [N, H, W, C]
 * @returns  [N, ceil(H / stride), ceil(W / stride), outChannels] for an odd kernel
 */
export function conv2d(
  scope: Scope,
  name: string,
  x: tf.Tensor,
  outChannels: number,
  options: ConvolutionOptions = {},
): tf.Tensor4D {
  const { kernel = 3, stride = 1, bias = true } = options;
  const channels = x.shape[3]!;
  const init = options.init ?? { kind: 'uniform', bound: 1 / Math.sqrt(kernel * kernel * channels) };
  const weight = scope.weight(`${name}.weight`, [outChannels, kernel, kernel, channels], init);
  const filter = tf.transpose(weight, [1, 2, 3, 0]) as tf.Tensor4D;
  const y = convolve(x as tf.Tensor4D, filter, kernel, stride);
  return bias ? tf.add(y, scope.weight(`${name}.bias`, [outChannels], { kind: 'zeros' })) : y;
}

function convolve(x: tf.Tensor4D, filter: tf.Tensor4D, kernel: number, stride: number): tf.Tensor4D {
  const p = kernel >> 1;
  if (p === 0) return tf.conv2d(x, filter, stride, 'valid');
  if (stride === 1 && kernel % 2 === 1) return tf.conv2d(x, filter, 1, 'same');
  // Not conv2d's own explicit padding: tfjs-node's gradients refuse it. A compiled step merges the two again.
  return tf.conv2d(
    tf.pad(x, [
      [0, 0],
      [p, p],
      [p, p],
      [0, 0],
    ]),
    filter,
    stride,
    'valid',
  );
}

/** What a dense layer may be told beside its width. */
export interface LinearOptions {
  /** Default true; starts at zero. */
  bias?: boolean;
  /** Default: uniform within 1 / sqrt(fan in), as PyTorch's. */
  init?: Init;
}

/**
 * x W^T + b over the last axis.
 *
 * @param x  [..., in]
 * @returns  [..., out]
 */
export function linear(
  scope: Scope,
  name: string,
  x: tf.Tensor,
  out: number,
  options: LinearOptions = {},
): tf.Tensor {
  const { bias = true } = options;
  const features = x.shape[x.shape.length - 1]!;
  const init = options.init ?? { kind: 'uniform', bound: 1 / Math.sqrt(features) };
  const weight = scope.weight(`${name}.weight`, [out, features], init) as tf.Tensor2D;
  const rows = tf.reshape(x, [-1, features]) as tf.Tensor2D;
  let y: tf.Tensor = tf.matMul(rows, weight, false, true);
  if (bias) y = tf.add(y, scope.weight(`${name}.bias`, [out], { kind: 'zeros' }));
  return tf.reshape(y, [...x.shape.slice(0, -1), out]);
}

/** Group normalisation with a learnt gain and offset per channel (`<name>.weight`, `<name>.bias`). */
export function groupNormAffine(
  scope: Scope,
  name: string,
  x: tf.Tensor,
  groups: number,
  epsilon = 1e-5,
): tf.Tensor4D {
  const channels = x.shape[x.shape.length - 1]!;
  const learnt = (what: string, kind: 'ones' | 'zeros'): tf.Tensor =>
    tf.reshape(scope.weight(`${name}.${what}`, [channels], { kind }), [1, 1, 1, channels]);
  return groupNorm(x, groups, learnt('weight', 'ones'), learnt('bias', 'zeros'), epsilon);
}

/** What a batch normalisation may be told. */
export interface BatchNormOptions {
  /** Share of the new batch in the running statistics, PyTorch's meaning. Default 0.1. */
  momentum?: number;
  /** Default 1e-5. */
  eps?: number;
  /** Whether a gain `<name>.weight` is learnt. Default true. (IResNet's last norm has none.) */
  gain?: boolean;
  /** Whether an offset `<name>.bias` is learnt. Default true. */
  offset?: boolean;
}

/**
 * Batch normalisation over all axes but the last. Training uses the batch's statistics and moves the running ones
 * (`<name>.running_mean`, `<name>.running_var`, the latter unbiased); otherwise the running ones are used.
 *
 * @param x  [N, ..., C]
 */
export function batchNorm(
  scope: Scope,
  name: string,
  x: tf.Tensor,
  options: BatchNormOptions = {},
): tf.Tensor {
  const { momentum = 0.1, eps = 1e-5, gain = true, offset = true } = options;
  const channels = x.shape[x.shape.length - 1]!;
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  const runningMean = scope.buffer(`${name}.running_mean`, [channels], 0);
  const runningVariance = scope.buffer(`${name}.running_var`, [channels], 1);
  const gains = gain ? scope.weight(`${name}.weight`, [channels], { kind: 'ones' }) : tf.ones([channels]);
  const offsets = offset ? scope.weight(`${name}.bias`, [channels], { kind: 'zeros' }) : tf.zeros([channels]);
  if (!scope.training) {
    // One factor and one term a channel, so that two passes over x remain, or none after a convolution.
    const factor = tf.mul(tf.rsqrt(tf.add(runningVariance, eps)), gains);
    return tf.add(tf.mul(x, factor), tf.sub(offsets, tf.mul(runningMean, factor)));
  }
  const count = x.size / channels;
  const mean = tf.mean(x, axes);
  const variance = tf.mul(tf.mean(tf.square(tf.sub(x, mean)), axes), count / Math.max(1, count - 1));
  const move = (from: tf.Tensor, to: tf.Tensor): tf.Tensor =>
    tf.add(tf.mul(from, 1 - momentum), tf.mul(to, momentum));
  scope.updateBuffer(`${name}.running_mean`, move(runningMean, mean));
  scope.updateBuffer(`${name}.running_var`, move(runningVariance, variance));
  return batchNormalise(x, gains, offsets, eps);
}

/**
 * Batch normalisation with the batch's statistics. Factors of a channel are multiplied before they meet x and dy, which leaves few
 * passes over x.
 *
 * @param x       [N, ..., C]
 * @param gain    [C]
 * @param offset  [C]
 */
function batchNormalise(x: tf.Tensor, gain: tf.Tensor, offset: tf.Tensor, epsilon: number): tf.Tensor {
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  const count = x.size / x.shape[x.shape.length - 1]!;
  return tf.customGrad((...given) => {
    const [input, g, o, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const centred = tf.sub(input, tf.mean(input, axes));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes), epsilon)); // (C)
    save([centred, scale, g]);
    return {
      value: tf.add(tf.mul(centred, tf.mul(scale, g)), o),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [c, r, gains] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const total = tf.sum(dy, axes);
        const along = tf.mul(tf.sum(tf.mul(dy, c), axes), r);
        // gain r (dy - mean(dy) - y mean(dy y)) with y = c r (Ioffe and Szegedy 2015, section 3)
        const factor = tf.mul(r, gains);
        const share = tf.div(factor, count);
        const less = tf.neg(share);
        const common = tf.add(tf.mul(c, tf.mul(tf.mul(along, r), less)), tf.mul(total, less));
        return [tf.add(tf.mul(dy, factor), common), along, total];
      },
    };
  })(x, gain, offset);
}

/** max(x, 0) + a min(x, 0) with a learnt slope `<name>.weight` per channel, 0.25 at first (He et al. 2015). */
export function prelu(scope: Scope, name: string, x: tf.Tensor): tf.Tensor {
  const channels = x.shape[x.shape.length - 1]!;
  const slope = scope.weight(`${name}.weight`, [channels], { kind: 'constant', value: 0.25 });
  const outer = x.shape.slice(0, -1).map((_, axis) => axis);
  return tf.customGrad((input, weight, save) => {
    const a = input as tf.Tensor;
    const s = weight as tf.Tensor;
    // The slope where each number is, so that value and gradient are one product each.
    const slopes = tf.add(tf.mul(tf.step(a), tf.sub(1, s)), s);
    (save as tf.GradSaveFunc)([a, slopes]);
    return {
      value: tf.mul(a, slopes),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [x0, slopes0] = saved as [tf.Tensor, tf.Tensor];
        return [tf.mul(dy, slopes0), tf.sum(tf.mul(dy, tf.minimum(x0, 0)), outer)];
      },
    };
  })(x, slope);
}
