/**
 * What a generator is told beside the noisy image: the condition tokens that the UNet attends to, by method.
 *
 *   unconditional  N learned tokens, the same for every image
 *   cemiface       C_id = E_id(x), C_sim = F1(m), tokens = F2(cat(C_id, C_sim)), METHOD eq. (5) to (7)
 *   dcface         tokens of the identity image's embedding, and tokens of the style image's patch-wise statistics
 *
 * The offset of the token layer (condition.tokens.bias) has one name in all three: the tokens learned without a condition
 * are where a conditional generator starts.
 */
import * as tf from '@tensorflow/tfjs';
import { dropout } from '../tensors/functional.js';
import { linear } from '../tensors/layers.js';
import type { Scope } from '../tensors/network.js';

export type Method = 'cemiface' | 'dcface' | 'unconditional';

export interface ConditionSettings {
  /** N, tokens made of the identity (and m); of the learned ones where unconditional. */
  tokens: number;
  /** Channels of a token. */
  channels: number;
  /** D of E_id; 0 where unconditional. */
  embedding: number;
  /** cemiface: tells the condition to the residual blocks too. The paper does not; a small UNet learns identity faster. */
  modulation?: boolean;
  /** dcface only. */
  style?: StyleSettings;
}

export interface StyleSettings {
  /** The feature map is cut into grid x grid cells. */
  grid: number;
  /** Channels of the feature map. */
  features: number;
  /** Share of the style tokens' components that is dropped in training. */
  dropout: number;
}

/** Tensors by method; a tensor that the method does not use is not looked at. */
export interface ConditionInputs {
  /** E_id of the inquiry (cemiface) or identity (dcface) image, unit rows, [B, D]. */
  identity?: tf.Tensor2D;
  /** Wanted similarity, [B], in [-1, 1]. cemiface. */
  m?: tf.Tensor1D;
  /** `styleStatistics` of the style image, [B, grid^2 + 1, 2 F]. dcface. */
  style?: tf.Tensor3D;
  /** 1 keeps, 0 drops, [B, grid^2 + 1, channels]. dcface in training. */
  keep?: tf.Tensor3D;
}

export interface Condition {
  /** [B, N (+ grid^2 + 1), channels] */
  tokens: tf.Tensor3D;
  /** Added to the time embedding, [B, timeWidth]. */
  modulation?: tf.Tensor2D;
}

export function conditionOf(
  scope: Scope,
  method: Method,
  settings: ConditionSettings,
  inputs: ConditionInputs,
  images: number,
  timeWidth: number,
): Condition {
  const { tokens, channels, embedding } = settings;
  const shape: [number, number, number] = [images, tokens, channels];
  if (method === 'unconditional') {
    const learned = scope.weight('condition.tokens.bias', [tokens * channels], { kind: 'normal', std: 0.5 });
    return { tokens: tf.tile(tf.reshape(learned, [1, tokens, channels]), [images, 1, 1]) as tf.Tensor3D };
  }
  // Components of a unit row have variance 1 / D; layers are made for variance 1.
  const identity = tf.mul(needed(inputs.identity, 'identity'), Math.sqrt(embedding)) as tf.Tensor2D; // (5)
  if (method === 'cemiface') {
    const m = tf.reshape(needed(inputs.m, 'm'), [images, 1]);
    // m, uniform in [-1, 1], has variance 1/3: with weights in [-3, 3] C_sim begins at variance 1, as C_id does.
    const init = { kind: 'uniform', bound: 3 } as const;
    const similarity = linear(scope, 'condition.similarity', m, embedding, { init }); // F1, (6)
    const both = tf.concat([identity, similarity as tf.Tensor2D], 1);
    const told = linear(scope, 'condition.tokens', both, tokens * channels); // F2, (7)
    const condition = { tokens: tf.reshape(told, shape) as tf.Tensor3D };
    if (!settings.modulation) return condition;
    // Starts at 0: a pretrained UNet is at first what it was.
    const modulation = linear(scope, 'condition.modulation', both, timeWidth, { init: { kind: 'zeros' } });
    return { ...condition, modulation: modulation as tf.Tensor2D };
  }
  const style = needed(settings.style, 'style settings');
  let look = linear(scope, 'condition.style', needed(inputs.style, 'style'), channels);
  if (inputs.keep) look = dropout(look, inputs.keep, 1 - style.dropout);
  const position = scope.weight('condition.position', [1, style.grid ** 2 + 1, channels], {
    kind: 'normal',
    std: 0.02,
  });
  const own = tf.reshape(linear(scope, 'condition.tokens', identity, tokens * channels), shape);
  const scale = scope.weight('condition.modulation.scale', [1], { kind: 'constant', value: 1e-3 });
  return {
    tokens: tf.concat([own, tf.add(look, position)], 1) as tf.Tensor3D,
    modulation: tf.mul(linear(scope, 'condition.modulation', identity, timeWidth), scale) as tf.Tensor2D,
  };
}

/**
 * DCFace's style: mean and standard deviation of each channel over each cell of a grid (where grid does not divide
 * the map, cells overlap by a row, as in adaptive pooling), then over the whole map.
 *
 * @param map [B, h, w, F], an early feature map of the FR network, h and w at least grid
 * @returns   [B, grid^2 + 1, 2 F]: means, then standard deviations
 */
export function styleStatistics(map: tf.Tensor4D, grid: number): tf.Tensor3D {
  const [, height, width] = map.shape;
  const start = (i: number, size: number) => Math.floor((i * size) / grid);
  const end = (i: number, size: number) => Math.ceil(((i + 1) * size) / grid);
  const statistics = (part: tf.Tensor4D): tf.Tensor => {
    const mean = tf.mean(part, [1, 2], true);
    const variance = tf.mean(tf.square(tf.sub(part, mean)), [1, 2], true);
    return tf.concat([mean, tf.sqrt(tf.add(variance, 1e-6))], 3); // (B, 1, 1, 2F)
  };
  const cells: tf.Tensor[] = [];
  for (let row = 0; row < grid; row++) {
    for (let column = 0; column < grid; column++) {
      const [top, left] = [start(row, height), start(column, width)];
      const size = [-1, end(row, height) - top, end(column, width) - left, -1] as [
        number,
        number,
        number,
        number,
      ];
      cells.push(statistics(tf.slice(map, [0, top, left, 0], size)));
    }
  }
  cells.push(statistics(map));
  return tf.reshape(tf.concat(cells, 1), [map.shape[0], cells.length, 2 * map.shape[3]]);
}

function needed<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(`the condition needs ${name}`);
  return value;
}
