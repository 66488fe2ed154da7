/**
 * What networks and losses compute without weights of their own, as PyTorch's `nn.functional`: functions of tensors (images NHWC).
 *
 * Most carry gradients written by hand: fewer passes over memory than autodiff's, finite where autodiff's is not, and
 * tfjs's own gradient of nearest upsampling is wrong on 'cpu' for batches and missing on 'wasm'.
 */
import * as tf from '@tensorflow/tfjs';

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
        const lessMean = (t: tf.Tensor): tf.Tensor =>
          tf.div(tf.sum(tf.mul(t, apart(gains)), 3, true), -count);
        const common = tf.add(
          tf.mul(centred, tf.mul(tf.square(r), lessMean(along))),
          tf.mul(r, lessMean(total)),
        );
        const dx = tf.reshape(tf.add(tf.mul(d, f), common), [n, h, w, c]);
        const sum = (t: tf.Tensor): tf.Tensor =>
          tf.reshape(gains.shape[0] === n ? t : tf.sum(t, 0, true), gains.shape);
        return [dx, sum(along), sum(total)];
      },
    };
  })(x, gain, offset) as tf.Tensor4D;
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
