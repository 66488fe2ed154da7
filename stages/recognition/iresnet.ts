/**
 * The IResNet family, the backbones of ArcFace and its successors (Deng et al., CVPR 2019; Duta et al., 2020), as
 * insightface's arcface_torch lays them out, with or without squeeze-and-excitation, from R100 at 112 px down to
 * networks that a laptop trains at 32 px.
 *
 * Names and orders of weights are arcface_torch's (`layer1.0.conv1.weight`, the flattening is channels first), so that a
 * checkpoint needs nothing but its filters transposed to [out, kh, kw, in].
 */
import * as tf from '@tensorflow/tfjs';
import { batchNorm, conv2d, linear, prelu } from '../tensors/layers.js';
import type { Init, Scope } from '../tensors/network.js';
import { type PresetName, presets, type Shape } from './presets.js';

export interface IResNetConfig extends Shape {
  /** Edge of the square images, pixels. */
  inputSize: number;
}

/** What is wrong with a shape, one sentence each; [] where nothing is. */
export function iresnetProblems(config: IResNetConfig): string[] {
  const problems: string[] = [];
  if (config.widths.length !== config.blocks.length)
    problems.push(
      `${config.widths.length} widths and ${config.blocks.length} blocks: there must be as many of one as of the other`,
    );
  const shrink = config.stemStride * 2 ** config.widths.length;
  if (config.inputSize < shrink)
    problems.push(
      `images of ${config.inputSize} px are too small for a network that shrinks them ${shrink} times`,
    );
  return problems;
}

/** "IResNet 24/48/96 x 1/1/1, 64-d" with what else tells it apart. */
export function describe(config: IResNetConfig): string {
  const { widths, blocks, se, stemStride, embeddingSize } = config;
  const name = (Object.keys(presets) as PresetName[]).find((preset) => {
    const shape: Shape = presets[preset];
    return (
      JSON.stringify(shape) ===
      JSON.stringify({ widths, blocks, stemStride, se, embeddingSize } satisfies Shape, Object.keys(shape))
    );
  });
  const shape = `${se ? 'IR-SE' : 'IResNet'} ${widths.join('/')} x ${blocks.join('/')}, ${embeddingSize}-d`;
  return name ? `${name} (${shape})` : shape;
}

const filterInit: Init = { kind: 'normal', std: 0.1 }; // arcface_torch's

/**
 * @param images  [B, inputSize, inputSize, 3], RGB in [-1, 1]
 * @returns       embeddings before normalisation, [B, embeddingSize]; their length means quality to AdaFace
 */
export function iresnet(scope: Scope, config: IResNetConfig, images: tf.Tensor4D): tf.Tensor2D {
  let x = stem(scope, config, images);
  for (let stage = 0; stage < config.widths.length; stage++) x = residualStage(scope, config, x, stage);
  x = batchNorm(scope, 'bn2', x) as tf.Tensor4D;
  const flat = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0], -1]); // PyTorch's order: channel, row, column
  const features = linear(scope, 'fc', flat, config.embeddingSize);
  // Its gain stays 1: a free one would undo weight decay's hold on the embeddings' scale.
  return batchNorm(scope, 'features', features, { gain: false }) as tf.Tensor2D;
}

/**
 * An early feature map of the same network, where style (light, texture, colour) still lives: the first stage's, or the
 * stem's where that is finer than 10 cells a side no more (DCFace takes statistics over a grid of 5 x 5 cells).
 *
 * @param images  [B, inputSize, inputSize, 3], RGB in [-1, 1]
 * @returns       [B, h, w, C]
 */
export function earlyFeatures(scope: Scope, config: IResNetConfig, images: tf.Tensor4D): tf.Tensor4D {
  const x = stem(scope, config, images);
  return x.shape[1] >= 20 ? residualStage(scope, config, x, 0) : x;
}

function stem(scope: Scope, config: IResNetConfig, images: tf.Tensor4D): tf.Tensor4D {
  const x = conv2d(scope, 'conv1', images, config.widths[0]!, {
    stride: config.stemStride,
    bias: false,
    init: filterInit,
  });
  return prelu(scope, 'prelu', batchNorm(scope, 'bn1', x)) as tf.Tensor4D;
}

function residualStage(scope: Scope, config: IResNetConfig, x: tf.Tensor4D, stage: number): tf.Tensor4D {
  for (let block = 0; block < config.blocks[stage]!; block++)
    x = residualBlock(
      scope,
      `layer${stage + 1}.${block}`,
      x,
      config.widths[stage]!,
      block === 0 ? 2 : 1,
      config.se,
    );
  return x;
}

/** BN-conv-BN-PReLU-conv-BN with the stride in the second convolution (IBasicBlock). */
function residualBlock(
  scope: Scope,
  name: string,
  x: tf.Tensor4D,
  channels: number,
  stride: number,
  se: boolean,
): tf.Tensor4D {
  const filter = { bias: false, init: filterInit };
  let y = batchNorm(scope, `${name}.bn1`, x);
  y = batchNorm(scope, `${name}.bn2`, conv2d(scope, `${name}.conv1`, y, channels, filter));
  y = conv2d(scope, `${name}.conv2`, prelu(scope, `${name}.prelu`, y), channels, { ...filter, stride });
  y = batchNorm(scope, `${name}.bn3`, y);
  if (se) y = squeezeExcite(scope, `${name}.se`, y);
  if (stride === 1 && x.shape[3] === channels) return tf.add(x, y);
  const skip = conv2d(scope, `${name}.downsample.0`, x, channels, { ...filter, kernel: 1, stride });
  return tf.add(batchNorm(scope, `${name}.downsample.1`, skip), y);
}

/** Each channel times a gate in (0, 1) that the mean of all channels decides; 16 times fewer in between, as ArcFace's. */
function squeezeExcite(scope: Scope, name: string, x: tf.Tensor): tf.Tensor4D {
  const channels = x.shape[3]!;
  const squeezed = tf.mean(x, [1, 2]); // (B, C)
  const hidden = tf.relu(linear(scope, `${name}.fc1`, squeezed, Math.max(1, channels >> 4), { bias: false }));
  const gate = tf.sigmoid(linear(scope, `${name}.fc2`, hidden, channels, { bias: false }));
  return tf.mul(x, tf.reshape(gate, [-1, 1, 1, channels]));
}
