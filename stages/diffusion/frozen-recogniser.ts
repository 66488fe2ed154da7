/**
 * E_id as a frozen part of a compiled step: its weights are passed in, never trained, and gradients go through it to
 * the images.
 */
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../contract.js';
import type { ModelProvenance, SetProvenance } from '../data/provenance.js';
import {
  readRecogniserConfig,
  readRecognitionWeights,
  recogniserForward,
  type RecogniserForward,
} from '../recognition/model.js';
import { checkFrame } from '../recognition/frame.js';
import { openFaceApiNetwork } from '../recognition/face-api/recogniser.js';
import { bind, type Scope } from '../tensors/network.js';

/** Its flat vectors, as tensors that are passed into every step. */
export interface FrozenWeights {
  weights: tf.Tensor1D;
  buffers: tf.Tensor1D;
}

export interface FrozenRecogniser {
  /** D */
  dimension: number;
  provenance: ModelProvenance;
  /** Channels of the feature map that DCFace's style comes from. */
  features: number;
  tensors: FrozenWeights;
  /** Inside a step: its functions with the weights that came in. Images [B, H, W, 3] in [-1, 1]. */
  bind(tensors: FrozenWeights): BoundRecogniser;
}

export interface BoundRecogniser {
  /** Unit rows, [B, D]. */
  embed(images: tf.Tensor4D): tf.Tensor2D;
  /** An early feature map, [B, h, w, F]. */
  features(images: tf.Tensor4D): tf.Tensor4D;
}

/**
 * @param size of the images it will see
 * @param sees where they come from
 * @throws StageError where the folder holds no recogniser, or one that takes other images or frames
 */
export function openFrozenRecogniser(
  folder: string,
  size: { width: number; height: number },
  sees?: SetProvenance,
): FrozenRecogniser {
  checkFrame(readRecogniserConfig(folder), [sees]);
  const { network, dimension, provenance, ...stored } = openNetwork(folder, size);
  const features = tf.tidy(() => {
    const shaped: Scope = {
      training: false,
      weight: (_, shape) => tf.zeros(shape),
      buffer: (_, shape, value) => tf.fill(shape, value),
      updateBuffer: () => undefined,
    };
    return network.features(shaped, tf.zeros([1, size.height, size.width, 3])).shape[3];
  });
  return {
    dimension,
    provenance,
    features,
    tensors: { weights: tf.tensor1d(stored.weights), buffers: tf.tensor1d(stored.buffers) },
    bind: ({ weights, buffers }) => {
      const scope = bind(network.layout, weights, buffers, false);
      return {
        embed: (images) => network.forward(scope, images),
        features: (images) => network.features(scope, images),
      };
    },
  };
}

interface OpenedNetwork {
  network: RecogniserForward;
  dimension: number;
  provenance: ModelProvenance;
  weights: Float32Array;
  buffers: Float32Array;
}

function openNetwork(folder: string, size: { width: number; height: number }): OpenedNetwork {
  const config = readRecogniserConfig(folder);
  if (config.kind === 'face-api') {
    // It brings images of any size to its own, and has no buffers: a tensor wants one element.
    const network = openFaceApiNetwork(folder);
    const { embeddingSize: dimension, provenance } = config;
    return { network, dimension, provenance, weights: network.weights, buffers: new Float32Array(1) };
  }
  const { inputSize, embeddingSize: dimension } = config.architecture;
  if (size.width !== inputSize || size.height !== inputSize)
    throw new StageError(
      `E_id takes images of ${inputSize}x${inputSize}; the faces are ${size.width}x${size.height}`,
      'Train E_id on images of the same size.',
    );
  const network = recogniserForward(config);
  const { weights, buffers } = readRecognitionWeights(folder, config, network.layout);
  return { network, dimension, provenance: config.provenance, weights, buffers };
}
