/**
 * The layers the networks are made of: functions of a scope (where they ask their weights) and NHWC tensors.
 *
 * Names and shapes follow PyTorch (`<name>.weight`, `<name>.bias`, `running_mean`), except that a convolution's filter is kept as
 * [out, kh, kw, in]: transposing it here is free in a compiled step, and its gradient then needs no transpose of its own.
 * Norms, swish and upsampling carry gradients written by hand: fewer passes over memory than autodiff's, and
 * tfjs's own gradient of nearest upsampling is wrong on 'cpu' for batches and missing on 'wasm'.
 */
import * as tf from '@tensorflow/tfjs';
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

/**
 * Group normalisation (Wu and He 2018), then a gain and an offset.
 *
 * @param x       [N, H, W, C]
 * @param groups  must divide C
 * @param gain    of each channel, [1, 1, 1, C], or of each image and channel, [N, 1, 1, C]
 * @param offset  as `gain`
 */
export function groupNorm(
  x: tf.Tensor,
  groups: number,
  gain: tf.Tensor,
  offset: tf.Tensor,
  epsilon = 1e-5,
): tf.Tensor4D {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  if (c % groups !== 0) throw new Error(`groupNorm: ${c} channels cannot be split into ${groups} groups`);
  const apart = (t: tf.Tensor): tf.Tensor => tf.reshape(t, [t.shape[0]!, -1, groups, c / groups]);
  const count = (h * w * c) / groups;
  return tf.customGrad((...given) => {
    const [input, g, o, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const grouped = apart(input);
    const middle = tf.mean(grouped, [1, 3], true); // (N, 1, groups, 1)
    // E[x^2] - E[x]^2, as PyTorch's: the centred map is another pass over memory, which only the gradient needs.
    const variance = tf.sub(tf.mean(tf.square(grouped), [1, 3], true), tf.square(middle));
    const scale = tf.rsqrt(tf.add(tf.maximum(variance, 0), epsilon));
    const factor = tf.mul(apart(g), scale); // (N, 1, groups, C / groups)
    save([tf.sub(grouped, middle), scale, factor, g]);
    const offsets = tf.sub(apart(o), tf.mul(middle, factor));
    return {
      value: tf.reshape(tf.add(tf.mul(grouped, factor), offsets), [n, h, w, c]),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [centred, r, f, gains] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const d = apart(dy);
        const total = tf.sum(d, 1, true);
        const along = tf.mul(tf.sum(tf.mul(d, centred), 1, true), r);
        // r (gain dy - mean(gain dy) - y mean(gain dy y)) with y = centred r (Ioffe and Szegedy 2015, section 3): what belongs to a
        // group or channel is multiplied before it meets the map.
        const mean = (t: tf.Tensor): tf.Tensor => tf.div(tf.sum(tf.mul(t, apart(gains)), 3, true), count);
        const common = tf.add(tf.mul(centred, tf.mul(tf.square(r), mean(along))), tf.mul(r, mean(total)));
        const dx = tf.reshape(tf.sub(tf.mul(d, f), common), [n, h, w, c]);
        const sum = (t: tf.Tensor): tf.Tensor =>
          tf.reshape(gains.shape[0] === n ? t : tf.sum(t, 0, true), gains.shape);
        return [dx, sum(along), sum(total)];
      },
    };
  })(x, gain, offset) as tf.Tensor4D;
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
        const common = tf.add(tf.mul(c, tf.mul(tf.mul(along, r), share)), tf.mul(total, share));
        return [tf.sub(tf.mul(dy, factor), common), along, total];
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

/** x sigmoid(x), also called SiLU. */
export function swish<T extends tf.Tensor>(x: T): T {
  return tf.customGrad((input, save) => {
    const a = input as tf.Tensor;
    const sigmoid = tf.sigmoid(a);
    const value = tf.mul(a, sigmoid);
    (save as tf.GradSaveFunc)([sigmoid, value]);
    return {
      value,
      // swish' = s + y (1 - s)
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [s, y] = saved as [tf.Tensor, tf.Tensor];
        return tf.mul(dy, tf.add(s, tf.sub(y, tf.mul(y, s))));
      },
    };
  })(x) as T;
}

/** Twice as high and wide by repeating each pixel. [N, H, W, C] -> [N, 2H, 2W, C] */
export function upsample2(x: tf.Tensor): tf.Tensor4D {
  return tf.customGrad((input) => {
    const image = input as tf.Tensor4D;
    return {
      value: tf.image.resizeNearestNeighbor(image, [2 * image.shape[1], 2 * image.shape[2]]),
      // Each pixel gathers the sum of its four copies.
      gradFunc: (dy: tf.Tensor) => tf.mul(tf.avgPool(dy as tf.Tensor4D, 2, 2, 'valid'), 4),
    };
  })(x) as tf.Tensor4D;
}

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2).
 *
 * @param q      [B, L, C]
 * @param k      [B, S, C]
 * @param v      [B, S, C]
 * @param heads  must divide C
 * @returns      [B, L, C]
 */
export function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, heads: number): tf.Tensor3D {
  const [batch, length, channels] = q.shape as [number, number, number];
  if (channels % heads !== 0)
    throw new Error(`attention: ${channels} channels cannot be split into ${heads} heads`);
  const depth = channels / heads;
  const split = (t: tf.Tensor): tf.Tensor =>
    tf.transpose(tf.reshape(t, [batch, t.shape[1]!, heads, depth]), [0, 2, 1, 3]);
  const scores = tf.softmax(tf.mul(tf.matMul(split(q), split(k), false, true), 1 / Math.sqrt(depth))); // (B, heads, L, S)
  const mixed = tf.transpose(tf.matMul(scores, split(v)), [0, 2, 1, 3]); // (B, L, heads, depth)
  return tf.reshape(mixed, [batch, length, channels]);
}

/** x / |x| along an axis (default: the last). The length is at least 1e-6, so a zero row stays zero and has a finite gradient. */
export function l2normalise<T extends tf.Tensor>(x: T, axis = -1): T {
  return tf.customGrad((input, save) => {
    const squares = tf.sum(tf.square(input as tf.Tensor), axis, true);
    const inverse = tf.rsqrt(tf.maximum(squares, 1e-12));
    const value = tf.mul(input as tf.Tensor, inverse);
    (save as tf.GradSaveFunc)([value, inverse]);
    return {
      value,
      // The part of dy along y changes the length only.
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, r] = saved as [tf.Tensor, tf.Tensor];
        return tf.mul(tf.sub(dy, tf.mul(y, tf.sum(tf.mul(dy, y), axis, true))), r);
      },
    };
  })(x) as T;
}

/**
 * Dropout whose random choice comes in as an input, since a compiled step makes no random numbers of its own.
 *
 * @param mask  1 where kept and 0 where dropped, broadcast to x
 * @param keep  the share that is kept, in (0, 1]
 */
export function dropout<T extends tf.Tensor>(x: T, mask: tf.Tensor, keep: number): T {
  return tf.mul(x, tf.div(mask, keep)) as T;
}

/** Clips to [lo, hi] and passes the gradient through unchanged, so that a clipped value can still come back. */
export function clipStraightThrough<T extends tf.Tensor>(x: T, lo: number, hi: number): T {
  return tf.customGrad((input) => ({
    value: tf.clipByValue(input as tf.Tensor, lo, hi),
    gradFunc: (dy: tf.Tensor) => dy,
  }))(x) as T;
}

/** sqrt(max(x, 0)) whose gradient 1 / (2 sqrt(x)) is capped at 1 / (2 floor), where sqrt's own is infinite at 0. */
export function safeSqrt<T extends tf.Tensor>(x: T, floor = 1e-6): T {
  return tf.customGrad((input, save) => {
    const value = tf.sqrt(tf.maximum(input as tf.Tensor, 0));
    (save as tf.GradSaveFunc)([value]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.div(dy, tf.mul(tf.maximum(saved[0]!, floor), 2)),
    };
  })(x) as T;
}
