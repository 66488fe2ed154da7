/**
 * A trained FR network as a model artifact: config.json says what it is and what made it, model.safetensors holds its
 * weights, its running statistics and one classifier row an identity.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../contract.js';
import type { ModelProvenance } from '../data/provenance.js';
import { type NamedTensor, readSafetensors, writeSafetensors } from '../data/safetensors.js';
import { l2normalise } from '../tensors/functional.js';
import { fromNamed } from '../tensors/named-arrays.js';
import { type Layout, layoutOf, type Scope } from '../tensors/network.js';
import type { FaceApiConfig } from './face-api/recogniser.js';
import { earlyFeatures, iresnet, type IResNetConfig } from './iresnet.js';

export const classifierName = 'classifier.weight';

/** config.json of a network trained here. */
export interface RecognitionConfig {
  format: 'cemiflow-model/1';
  kind: 'recognition';
  architecture: IResNetConfig;
  /** Identities it was trained to tell apart: rows of `classifier.weight`. */
  classes: number;
  /** What its images must be. */
  input: { channels: 'RGB'; range: [-1, 1]; width: number; height: number };
  provenance: ModelProvenance;
}

/** config.json of any model that gives embeddings. */
export type RecogniserConfig = RecognitionConfig | FaceApiConfig;

/** @throws StageError where the folder holds no model that gives embeddings */
export function readRecogniserConfig(folder: string): RecogniserConfig {
  let config: { format?: unknown; kind?: unknown };
  try {
    config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as typeof config;
  } catch (error) {
    throw new StageError(
      `${folder}: no model: ${(error as Error).message}`,
      'Give the output of fr-train or face-api-model.',
      { cause: error },
    );
  }
  if (config.format !== 'cemiflow-model/1')
    throw new StageError(`${folder}: the model's format is '${String(config.format)}', not cemiflow-model/1`);
  if (config.kind !== 'recognition' && config.kind !== 'face-api')
    throw new StageError(
      `${folder}: a model of kind '${String(config.kind)}' gives no embeddings`,
      'Give the output of fr-train or face-api-model.',
    );
  return config as RecogniserConfig;
}

/** The network as pure functions, for use inside a compiled step with its weights passed in as frozen flat vectors. */
export interface RecogniserForward {
  layout: Layout;
  /**
   * @param images [B, inputSize, inputSize, 3], RGB in [-1, 1]
   * @returns      unit rows, [B, D]
   */
  forward(scope: Scope, images: tf.Tensor4D): tf.Tensor2D;
  /** An early feature map, [B, h, w, C], for DCFace's style statistics. */
  features(scope: Scope, images: tf.Tensor4D): tf.Tensor4D;
}

export function recogniserForward({
  architecture,
}: Pick<RecognitionConfig, 'architecture'>): RecogniserForward {
  const size = architecture.inputSize;
  const forward = (scope: Scope, images: tf.Tensor4D) => l2normalise(iresnet(scope, architecture, images));
  return {
    layout: layoutOf((scope) => forward(scope, tf.zeros([2, size, size, 3]))),
    forward,
    features: (scope, images) => earlyFeatures(scope, architecture, images),
  };
}

export interface RecognitionWeights {
  weights: Float32Array;
  buffers: Float32Array;
  /** [classes, D], as trained (not normalised) */
  classifier: Float32Array;
}

/** The flat vectors of the network and its classifier rows. @throws StageError where they do not fit config.json */
export function readRecognitionWeights(
  folder: string,
  config: RecognitionConfig,
  layout: Layout,
): RecognitionWeights {
  const named = readSafetensors(join(folder, 'model.safetensors'));
  const classifier = named.get(classifierName);
  const shape = [config.classes, config.architecture.embeddingSize];
  if (!(classifier?.data instanceof Float32Array) || classifier.shape.join() !== shape.join())
    throw new StageError(`${folder}: ${classifierName} should be float32 [${shape.join(', ')}]`);
  named.delete(classifierName);
  for (const name of named.keys()) if (name.startsWith('adaface.')) named.delete(name); // wanted for training only
  try {
    return {
      ...fromNamed(layout, named as Map<string, { shape: number[]; data: Float32Array }>),
      classifier: classifier.data,
    };
  } catch (error) {
    throw new StageError(
      `${folder}: ${(error as Error).message}`,
      'The model is damaged or of another version: train it again.',
      {
        cause: error,
      },
    );
  }
}

/** Writes both files; `provenance.weights` is taken of the bytes written. */
export function writeRecognition(
  folder: string,
  config: Omit<RecognitionConfig, 'provenance'> & { provenance: Omit<ModelProvenance, 'weights'> },
  tensors: ReadonlyMap<string, NamedTensor>,
): void {
  const file = join(folder, 'model.safetensors');
  writeSafetensors(file, tensors);
  const weights = createHash('sha256').update(readFileSync(file)).digest('hex');
  const provenance: ModelProvenance = { ...config.provenance, weights };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, provenance }, null, 1));
}
