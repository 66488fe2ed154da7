/**
 * Opens a `face-api` model: a recogniser for images of any size that are aligned to ArcFace's template, as every stage takes it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../../contract.js';
import type { ModelProvenance } from '../../data/provenance.js';
import { readSafetensors } from '../../data/safetensors.js';
import type { Device } from '../../tensors/device.js';
import { l2normalise } from '../../tensors/functional.js';
import { fromNamed, type NamedArray } from '../../tensors/named-arrays.js';
import { bind, type Layout, layoutOf, type Scope } from '../../tensors/network.js';
import { valuesOf } from '../../tensors/values.js';
import { centered, embedderOf, type Network, normaliseRows, type Recogniser } from '../embed.js';
import { faceChips } from './framing.js';
import { describeFaces, earlyMap, embeddingSize, inputSize, type WeightOf } from './network.js';

/** config.json of the model. */
export interface FaceApiConfig {
  format: 'cemiflow-model/1';
  kind: 'face-api';
  embeddingSize: number;
  inputSize: number;
  /** What the images it is given must be: ArcFace's template with this margin around its frame. */
  alignment: { template: 'arcface'; margin: number };
  /** Where a mean embedding is subtracted: how much of it, and of which faces. */
  center?: { share: number; images: number; identities: number; of: string[] };
  provenance: ModelProvenance;
}

/** The mean of unit embeddings among the weights, [128]. */
export const centerName = 'center';

export interface FaceApiNetwork {
  config: FaceApiConfig;
  layout: Layout;
  /** The flat vector of weights. */
  weights: Float32Array;
  /**
   * @param images [B, H, W, 3], aligned RGB in [-1, 1], of any size
   * @returns      descriptors as the network gives them, [B, 128]
   */
  describe(scope: Scope, images: tf.Tensor4D): tf.Tensor2D;
  /** As unit rows, after the model's center. */
  forward(scope: Scope, images: tf.Tensor4D): tf.Tensor2D;
  /** The map of the first stage, [B, 35, 35, 32], for DCFace's style statistics. */
  features(scope: Scope, images: tf.Tensor4D): tf.Tensor4D;
}

/** The network as pure functions, for use inside a compiled step. @throws StageError where the folder is damaged */
export function openFaceApiNetwork(folder: string): FaceApiNetwork {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as FaceApiConfig;
  const weightOf =
    (scope: Scope): WeightOf =>
    (name, shape) =>
      scope.weight(name, shape, { kind: 'zeros' });
  // [-1, 1] to 0..255
  const chips = (images: tf.Tensor4D) =>
    faceChips(images, config.alignment.margin)
      .add<tf.Tensor4D>(tf.scalar(1))
      .mul<tf.Tensor4D>(tf.scalar(127.5));
  const normal = (scope: Scope, descriptors: tf.Tensor2D) => {
    const unit = l2normalise(descriptors);
    if (!config.center) return unit;
    const mean = scope.weight(centerName, [embeddingSize], { kind: 'zeros' });
    return l2normalise(unit.sub<tf.Tensor2D>(mean.mul(tf.scalar(config.center.share))));
  };
  const layout = layoutOf((scope) =>
    normal(scope, describeFaces(weightOf(scope), tf.zeros([1, inputSize, inputSize, 3]))),
  );
  let weights: Float32Array;
  try {
    const named = readSafetensors(join(folder, 'model.safetensors')) as Map<string, NamedArray>;
    weights = fromNamed(layout, named).weights;
  } catch (error) {
    throw new StageError(
      `${folder}: ${(error as Error).message}`,
      'Make the model again with face-api-model.',
      {
        cause: error,
      },
    );
  }
  const describe = (scope: Scope, images: tf.Tensor4D) => describeFaces(weightOf(scope), chips(images));
  return {
    config,
    layout,
    weights,
    describe,
    forward: (scope, images) => normal(scope, describe(scope, images)),
    features: (scope, images) => earlyMap(weightOf(scope), chips(images)),
  };
}

/** Images computed together: one compiled size, whatever number is asked for. */
const batch = 16;

export function openFaceApi(folder: string, device: Device): Recogniser {
  const { config, layout, weights: values, describe } = openFaceApiNetwork(folder);
  const weights = tf.tensor1d(values);
  const center = centerOf(config, layout, values);
  // The network has no buffers: none is asked from the second vector.
  const run = device.compile((w: tf.Tensor1D, images: tf.Tensor4D) =>
    describe(bind(layout, w, w, false), centered(images)),
  );
  const dimension = embeddingSize;
  const describeBatch: Network['describe'] = async (images, width, height) => {
    const input = tf.tensor4d(images, [batch, height, width, 3]);
    const output = await run(weights, input);
    const rows = await valuesOf(output);
    tf.dispose([input, output]);
    return rows;
  };
  const finish = (rows: Float32Array) => {
    normaliseRows(rows, dimension);
    return center ? normaliseRows(subtract(rows, center), dimension) : rows;
  };
  return {
    dimension,
    batch,
    config,
    ...embedderOf({ dimension, batch, describe: describeBatch, finish }),
    dispose() {
      run.dispose();
      weights.dispose();
    },
  };
}

/** What is subtracted from unit embeddings, [128]. */
function centerOf({ center }: FaceApiConfig, layout: Layout, values: Float32Array): Float32Array | undefined {
  if (!center) return undefined;
  const { offset, size } = layout.weights.find(({ name }) => name === centerName)!;
  return values.slice(offset, offset + size).map((value) => value * center.share);
}

/** In place. */
function subtract(rows: Float32Array, center: Float32Array): Float32Array {
  for (let i = 0; i < rows.length; i++) rows[i] = rows[i]! - center[i % center.length]!;
  return rows;
}
