/**
 * dlib's face recognition network (King, 2017: ResNet-34 of He et al. with fewer layers and half the filters, 29 convolutions,
 * 128-d), as face-api converted it, as a pure function of tensors: it runs compiled on any device, with gradients.
 * Each convolution's learned scale and shift are folded into its filters.
 */
import * as tf from '@tensorflow/tfjs';
import type { NamedTensor } from '../../data/safetensors.js';
import { fold, type FloatWeights, pick } from './weights.js';

/** Edge of the network's input, pixels. */
export const inputSize = 150;
export const embeddingSize = 128;

/** Mean of R, G, B over the training data, 0..255. */
const mean = [122.782, 117.001, 104.298];

const residualBlocks: readonly { name: string; channels: number; down: boolean }[] = [
  ...['conv32_1', 'conv32_2', 'conv32_3'].map((name) => ({ name, channels: 32, down: false })),
  { name: 'conv64_down', channels: 64, down: true },
  ...['conv64_1', 'conv64_2', 'conv64_3'].map((name) => ({ name, channels: 64, down: false })),
  { name: 'conv128_down', channels: 128, down: true },
  ...['conv128_1', 'conv128_2'].map((name) => ({ name, channels: 128, down: false })),
  { name: 'conv256_down', channels: 256, down: true },
  ...['conv256_1', 'conv256_2'].map((name) => ({ name, channels: 256, down: false })),
  { name: 'conv256_down_out', channels: 256, down: true },
];
/** Blocks of the first stage, at the map's largest size. */
const earlyBlocks = 3;

const convolutions = [
  'conv32_down',
  ...residualBlocks.flatMap(({ name }) => [`${name}/conv1`, `${name}/conv2`]),
];

/** The package's weights with scales folded in: `<convolution>/filters`, `<convolution>/bias`, and `fc` [256, 128]. */
export function foldRecognitionWeights(raw: FloatWeights): Map<string, NamedTensor> {
  const folded = new Map<string, NamedTensor>();
  for (const name of convolutions) {
    const { filters, bias } = fold(
      pick(raw, `${name}/conv/filters`),
      pick(raw, `${name}/conv/bias`).data,
      pick(raw, `${name}/scale/weights`).data,
      pick(raw, `${name}/scale/biases`).data,
    );
    folded.set(`${name}/filters`, filters);
    folded.set(`${name}/bias`, { shape: [bias.length], data: bias });
  }
  folded.set('fc', pick(raw, 'fc'));
  return folded;
}

/** What the network asks a weight from: by name, with the shape it must have. */
export type WeightOf = (name: string, shape: number[]) => tf.Tensor;

/**
 * @param weight the folded weights
 * @param images [B, 150, 150, 3] RGB, 0..255, framed as dlib's face chips
 * @returns      descriptors, not normalised, [B, 128]
 */
export function describeFaces(weight: WeightOf, images: tf.Tensor4D): tf.Tensor2D {
  let x = earlyMap(weight, images);
  for (const { name, channels, down } of residualBlocks.slice(earlyBlocks))
    x = residualBlock(weight, name, channels, down, x);
  return tf.matMul(x.mean<tf.Tensor2D>([1, 2]), weight('fc', [256, embeddingSize]) as tf.Tensor2D);
}

/**
 * The map after the first stage, [B, 35, 35, 32]: texture and colour, from which DCFace's style statistics are taken.
 *
 * @param images see describeFaces
 */
export function earlyMap(weight: WeightOf, images: tf.Tensor4D): tf.Tensor4D {
  const normal = images.sub<tf.Tensor4D>(tf.tensor1d(mean)).div<tf.Tensor4D>(tf.scalar(255));
  let x = tf.relu(convolve(weight, 'conv32_down', normal, 32, 7, 2)); // [B, 72, 72, 32]
  x = tf.maxPool(x, 3, 2, 'valid'); // [B, 35, 35, 32]
  for (const { name, channels, down } of residualBlocks.slice(0, earlyBlocks))
    x = residualBlock(weight, name, channels, down, x);
  return x;
}

/** Without padding where it halves, as dlib has it. */
function convolve(
  weight: WeightOf,
  name: string,
  x: tf.Tensor4D,
  channels: number,
  kernel: number,
  stride: number,
): tf.Tensor4D {
  const filters = weight(`${name}/filters`, [kernel, kernel, x.shape[3], channels]) as tf.Tensor4D;
  return tf
    .conv2d(x, filters, stride, stride === 1 ? 'same' : 'valid')
    .add<tf.Tensor4D>(weight(`${name}/bias`, [channels]));
}

/** @returns [B, h, w, channels], where it halves of about half the size */
export function residualBlock(
  weight: WeightOf,
  name: string,
  channels: number,
  down: boolean,
  x: tf.Tensor4D,
): tf.Tensor4D {
  const first = tf.relu(convolve(weight, `${name}/conv1`, x, channels, 3, down ? 2 : 1));
  const out = convolve(weight, `${name}/conv2`, first, channels, 3, 1);
  return tf.relu(down ? addShortcut(out, x) : out.add<tf.Tensor4D>(x));
}

/** The shortcut of a block that halves: 2x2 means, zeros for the channels the block adds and for a last row and column where sizes differ by one. */
function addShortcut(out: tf.Tensor4D, x: tf.Tensor4D): tf.Tensor4D {
  const [batch, rows, columns, channels] = x.shape;
  // An odd last row and column are in no window; cut off, windows tile the map and the gradient is one every device knows.
  const even = tf.slice(x, [0, 0, 0, 0], [batch, rows - (rows % 2), columns - (columns % 2), channels]);
  const pooled = tf.avgPool(even, 2, 2, 'valid');
  const height = Math.max(out.shape[1], pooled.shape[1]);
  const width = Math.max(out.shape[2], pooled.shape[2]);
  const extend = (y: tf.Tensor4D) =>
    tf.pad(y, [
      [0, 0],
      [0, height - y.shape[1]],
      [0, width - y.shape[2]],
      [0, out.shape[3] - y.shape[3]],
    ]);
  return extend(out).add<tf.Tensor4D>(extend(pooled));
}
