/**
 * The one UNet of all generators: residual blocks told the time step by AdaGN, attention layers told the condition by
 * appended tokens (METHOD eq. 8). Structure after Dhariwal and Nichol (2021), as DCFace's and CemiFace's is.
 *
 * Names of weights do not depend on the training method, so that conditional generators can start from an unconditional
 * UNet's weights. Images are NHWC in [-1, 1], any size; levels halve it, rounding up.
 */
import * as tf from '@tensorflow/tfjs';
import { attention, groupNorm, swish, upsample2 } from '../tensors/functional.js';
import { conv2d, groupNormAffine, linear } from '../tensors/layers.js';
import type { Scope } from '../tensors/network.js';

export interface UNetSettings {
  /** Channels of the first level. */
  base: number;
  /** Channels of each level, in multiples of `base`. */
  multipliers: number[];
  /** Residual blocks of a level on the way down. */
  blocks: number;
  /** Attention follows the blocks at these fractions of the image's size: 16 means 1/16. */
  attentionAt: number[];
  /** Channels of an attention head. */
  headChannels: number;
  /** Groups of the group norms. */
  groups: number;
  /** Channels of the time embedding. */
  timeWidth: number;
  /**
   * full: a skip from every block, blocks + 1 blocks a level on the way up, 3x3 convolutions after upsampling,
   * attention in the middle. light: one skip and `blocks` blocks a level, 1x1 convolutions before upsampling.
   */
  decoder: 'full' | 'light';
  /** Twice the output channels, the second half for a learned variance (Nichol and Dhariwal, 2021), not used here. */
  learnedVariance: boolean;
}

/** The inputs of the UNet beside its weights. */
export interface UNetInputs {
  /** x_t, [B, H, W, 3] */
  xt: tf.Tensor4D;
  /** Sinusoids of t, [B, 128]: see `timeEmbedding`. */
  time: tf.Tensor2D;
  /** Condition tokens, [B, N, D]. */
  tokens: tf.Tensor3D;
  /** Added to the time embedding of the residual blocks (DCFace's identity), [B, timeWidth]. */
  modulation?: tf.Tensor2D;
}

/** @returns the prediction, [B, H, W, 3] */
export function unet(scope: Scope, settings: UNetSettings, inputs: UNetInputs): tf.Tensor4D {
  const { base, multipliers, blocks, groups, timeWidth, decoder } = settings;
  const full = decoder === 'full';
  const widths = multipliers.map((multiplier) => base * multiplier);
  const deepest = widths.length - 1;
  const attends = (level: number) => settings.attentionAt.includes(2 ** level);

  let time = linear(scope, 'time.2', swish(linear(scope, 'time.0', inputs.time, timeWidth)), timeWidth);
  if (inputs.modulation) time = tf.add(time, inputs.modulation);
  const embedding = swish(time) as tf.Tensor2D;

  const block = (name: string, x: tf.Tensor4D, width: number) =>
    residual(scope, name, x, width, embedding, groups);
  const attend = (name: string, x: tf.Tensor4D) => crossAttention(scope, name, x, inputs.tokens, settings);

  let h = conv2d(scope, 'in', inputs.xt, base);
  const skips: tf.Tensor4D[][] = widths.map(() => []);
  for (const [level, width] of widths.entries()) {
    if (full) skips[level]!.push(h);
    for (let i = 0; i < blocks; i++) {
      h = block(`down.${level}.${i}`, h, width);
      if (attends(level)) h = attend(`down.${level}.${i}.attention`, h);
      if (full || i === blocks - 1) skips[level]!.push(h);
    }
    if (level < deepest) h = conv2d(scope, `down.${level}.sample`, h, width, { stride: 2 });
  }

  h = block('middle.0', h, widths[deepest]!);
  if (full) {
    h = attend('middle.attention', h);
    h = block('middle.1', h, widths[deepest]!);
  }

  for (let level = deepest; level >= 0; level--) {
    const width = widths[level]!;
    for (let i = 0; i < (full ? blocks + 1 : blocks); i++) {
      const skip = skips[level]!.pop();
      h = block(`up.${level}.${i}`, skip ? tf.concat([h, skip], 3) : h, width);
      if (attends(level)) h = attend(`up.${level}.${i}.attention`, h);
    }
    if (level > 0) {
      const [, height, across] = skips[level - 1]!.at(-1)!.shape;
      h = full
        ? conv2d(scope, `up.${level}.sample`, enlarge(h, height, across), width)
        : enlarge(conv2d(scope, `up.${level}.sample`, h, widths[level - 1]!, { kernel: 1 }), height, across);
    }
  }
  const colours = settings.learnedVariance ? 6 : 3;
  const out = conv2d(scope, 'out', swish(groupNormAffine(scope, 'out.norm', h, groups)), colours, {
    init: { kind: 'zeros' },
  });
  return settings.learnedVariance ? (tf.slice(out, [0, 0, 0, 0], [-1, -1, -1, 3]) as tf.Tensor4D) : out;
}

/** Residual block with AdaGN: scale and shift after the second norm come from the time embedding. Starts as the identity. */
function residual(
  scope: Scope,
  name: string,
  x: tf.Tensor4D,
  width: number,
  embedding: tf.Tensor2D,
  groups: number,
): tf.Tensor4D {
  const h = conv2d(scope, `${name}.conv1`, swish(groupNormAffine(scope, `${name}.norm1`, x, groups)), width);
  const ada = tf.reshape(linear(scope, `${name}.adagn`, embedding, 2 * width), [-1, 1, 1, 2 * width]);
  const [scale, shift] = tf.split(ada, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
  const told = groupNorm(h, groups, tf.add(scale, 1), shift);
  const change = conv2d(scope, `${name}.conv2`, swish(told), width, { init: { kind: 'zeros' } });
  const kept = x.shape[3] === width ? x : conv2d(scope, `${name}.skip`, x, width, { kernel: 1 });
  return tf.add(kept, change) as tf.Tensor4D;
}

/**
 * eq. (8): every place of the map attends to all places and to the condition tokens, whose keys and values are appended:
 * softmax(Q [K, Kc]^T / sqrt(d)) [V, Vc]. Starts as the identity.
 */
function crossAttention(
  scope: Scope,
  name: string,
  x: tf.Tensor4D,
  tokens: tf.Tensor3D,
  { headChannels, groups }: UNetSettings,
): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const places = tf.reshape(groupNormAffine(scope, `${name}.norm`, x, groups), [
    batch,
    height * width,
    channels,
  ]);
  const [q, k, v] = tf.split(linear(scope, `${name}.qkv`, places, 3 * channels), 3, 2);
  const [kc, vc] = tf.split(linear(scope, `${name}.condition`, tokens, 2 * channels), 2, 2);
  const heads = Math.max(1, channels / headChannels);
  const mixed = attention(q!, tf.concat([k!, kc!], 1), tf.concat([v!, vc!], 1), heads);
  const change = linear(scope, `${name}.out`, mixed, channels, { init: { kind: 'zeros' } });
  return tf.add(x, tf.reshape(change, x.shape)) as tf.Tensor4D;
}

/** Twice as large, cut to the level above where that is odd (7 px under 13). */
function enlarge(x: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const large = upsample2(x);
  if (large.shape[1] === height && large.shape[2] === width) return large;
  return tf.slice(large, [0, 0, 0, 0], [-1, height, width, -1]);
}
