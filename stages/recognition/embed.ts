/**
 * Embeddings of images under any recogniser, in batches of one compiled size: what centers, similarity groups,
 * generation and evaluation measure with.
 */
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../contract.js';
import type { SetProvenance } from '../data/provenance.js';
import type { Device } from '../tensors/device.js';
import { bind } from '../tensors/network.js';
import { valuesOf } from '../tensors/values.js';
import { checkFrame } from './frame.js';
import { batchOfImages, type EmbedBatch } from './embed-batches.js';
import { iresnet } from './iresnet.js';
import {
  readRecogniserConfig,
  readRecognitionWeights,
  type RecogniserConfig,
  recogniserForward,
  type RecognitionConfig,
} from './model.js';

export interface EmbedOptions {
  /** Embeddings of the image and of its mirror summed, then normalised (insightface's protocol). Default false. */
  flip?: boolean;
}

export interface Recogniser {
  /** Length of an embedding. */
  dimension: number;
  /** Images it computes together; `embed` pads its last batch to as many. */
  batch: number;
  config: RecogniserConfig;
  /** Unit rows, [classes, dimension], where it was trained as a classifier here. */
  classifier?: Float32Array;
  /**
   * @param images uint8 [B, height, width, 3], RGB
   * @returns      unit rows, float32 [B, dimension]
   * @throws StageError where it takes images of another size
   */
  embed(images: Uint8Array, width: number, height: number, options?: EmbedOptions): Promise<Float32Array>;
  /** The same of a batch that is prepared (embed-batches.ts). @param size `count` of its images are real ones */
  embedBatch(batch: EmbedBatch, size: BatchSize): Promise<Float32Array>;
  /** Frees what it holds on the device. */
  dispose(): void;
}

export interface BatchSize {
  count: number;
  width: number;
  height: number;
}

/** What is a recogniser's own. */
export interface Network {
  dimension: number;
  batch: number;
  /**
   * @param images [batch, height, width, 3], RGB, 0..255
   * @returns      rows as the network gives them, [batch, dimension], for the caller to write to
   * @throws StageError where it takes images of another size
   */
  describe(images: Float32Array, width: number, height: number): Promise<Float32Array>;
  /** Unit rows of such rows, in place. */
  finish(rows: Float32Array): Float32Array;
}

/** The rest is alike for all. */
export function embedderOf({
  dimension,
  batch,
  describe,
  finish,
}: Network): Pick<Recogniser, 'embed' | 'embedBatch'> {
  const embedBatch = async ({ images, mirrored }: EmbedBatch, { count, width, height }: BatchSize) => {
    const rows = (await describe(images, width, height)).subarray(0, count * dimension);
    if (mirrored) {
      const others = await describe(mirrored, width, height);
      // Summed before normalisation, as insightface does: the longer, surer embedding counts more.
      for (let i = 0; i < rows.length; i++) rows[i] = rows[i]! + others[i]!;
    }
    return finish(rows);
  };
  /** Between calls, of the last size: a stage that embeds what it makes, batch by batch, would leave one a call as garbage. */
  let spare: EmbedBatch | undefined;
  return {
    embedBatch,
    async embed(images, width, height, { flip = false } = {}) {
      const stride = width * height * 3;
      const out = new Float32Array((images.length / stride) * dimension);
      let prepared = spare?.images.length === batch * stride ? spare : undefined;
      // Nobody else's while it is in use.
      spare = undefined;
      for (let from = 0; from < images.length; from += batch * stride) {
        const part = images.subarray(from, from + batch * stride);
        prepared = batchOfImages(part, { width, stride }, { batch, flip }, prepared);
        const count = part.length / stride;
        out.set(await embedBatch(prepared, { count, width, height }), (from / stride) * dimension);
      }
      spare = prepared;
      return out;
    },
  };
}

/**
 * @param sees where the faces it will be given come from
 * @throws StageError where the folder holds no model that gives embeddings, or one for faces framed otherwise
 */
export async function openRecogniser(
  folder: string,
  device: Device,
  sees: readonly (SetProvenance | undefined)[] = [],
): Promise<Recogniser> {
  const config = readRecogniserConfig(folder);
  checkFrame(config, sees);
  if (config.kind === 'face-api') {
    const { openFaceApi } = await import('./face-api/recogniser.js');
    return openFaceApi(folder, device);
  }
  return openTrained(folder, config, device);
}

function openTrained(folder: string, config: RecognitionConfig, device: Device): Recogniser {
  const { layout } = recogniserForward(config);
  const stored = readRecognitionWeights(folder, config, layout);
  const { inputSize: size, embeddingSize: dimension } = config.architecture;
  const batch = batchOf(size);
  const weights = tf.tensor1d(stored.weights);
  const buffers = tf.tensor1d(stored.buffers);
  const run = device.compile(
    (w: tf.Tensor1D, b: tf.Tensor1D, images: tf.Tensor4D) =>
      iresnet(bind(layout, w, b, false), config.architecture, centered(images)),
    { frozen: [0, 1] },
  );
  const describe: Network['describe'] = async (images, width, height) => {
    if (width !== size || height !== size)
      throw new StageError(
        `the recogniser takes images of ${size}x${size}; these are ${width}x${height}`,
        'Train it on images of that size, or make the images in its size.',
      );
    const input = tf.tensor4d(images, [batch, size, size, 3]);
    const output = await run(weights, buffers, input);
    const rows = await valuesOf(output);
    tf.dispose([input, output]);
    return rows;
  };
  const finish = (rows: Float32Array) => normaliseRows(rows, dimension);

  return {
    dimension,
    batch,
    config,
    classifier: normaliseRows(stored.classifier.slice(), dimension),
    ...embedderOf({ dimension, batch, describe, finish }),
    dispose() {
      run.dispose();
      tf.dispose([weights, buffers]);
    },
  };
}

/** 0..255 to [-1, 1]: the difference is exact, and one rounding remains. */
export function centered(images: tf.Tensor4D): tf.Tensor4D {
  const half = tf.scalar(127.5);
  return images.sub<tf.Tensor4D>(half).div(half);
}

/** About a million pixels a batch, within 8 to 256 images: enough to keep threads busy, little enough for any memory. */
export function batchOf(size: number): number {
  return Math.max(8, Math.min(256, Math.round(2 ** 18 / (size * size))));
}

/** Divides each row by its length, in place. A zero row stays zero. */
export function normaliseRows(rows: Float32Array, dimension: number): Float32Array {
  for (let from = 0; from < rows.length; from += dimension) {
    let squares = 0;
    for (let i = from; i < from + dimension; i++) squares += rows[i]! ** 2;
    const length = Math.sqrt(squares) || 1;
    for (let i = from; i < from + dimension; i++) rows[i] = rows[i]! / length;
  }
  return rows;
}

/** Cosine of unit row `i` of `a` and unit row `j` of `b`. */
export function cosineOf(a: Float32Array, i: number, b: Float32Array, j: number, dimension: number): number {
  let sum = 0;
  for (let k = 0; k < dimension; k++) sum += a[i * dimension + k]! * b[j * dimension + k]!;
  return sum;
}
