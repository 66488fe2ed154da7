/**
 * Embeddings of images under any recogniser, in batches of one compiled size: what centers, similarity groups,
 * generation and evaluation measure with.
 */
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../contract.js';
import type { SetProvenance } from '../data/provenance.js';
import type { Device } from '../tensors/device.js';
import { bind } from '../tensors/network.js';
import { checkFrame } from './frame.js';
import { iresnet } from './iresnet.js';
import { mirror } from './mirror.js';
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
  /** Frees what it holds on the device. */
  dispose(): void;
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

/** Of each byte, in [-1, 1]. */
const brightness = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1);

function openTrained(folder: string, config: RecognitionConfig, device: Device): Recogniser {
  const { layout } = recogniserForward(config);
  const stored = readRecognitionWeights(folder, config, layout);
  const { inputSize: size, embeddingSize: dimension } = config.architecture;
  const batch = batchOf(size);
  const stride = size * size * 3;
  const weights = tf.tensor1d(stored.weights);
  const buffers = tf.tensor1d(stored.buffers);
  const run = device.compile(
    (w: tf.Tensor1D, b: tf.Tensor1D, images: tf.Tensor4D) =>
      iresnet(bind(layout, w, b, false), config.architecture, images),
    { frozen: [0, 1] },
  );
  // Padded to whole batches: every new shape would be compiled anew.
  const pixels = new Float32Array(batch * stride);
  let turned: Uint8Array | undefined;

  const embedBatch = async (images: Uint8Array): Promise<Float32Array> => {
    for (let i = 0; i < images.length; i++) pixels[i] = brightness[images[i]!]!;
    pixels.fill(0, images.length);
    const input = tf.tensor4d(pixels, [batch, size, size, 3]);
    const output = await run(weights, buffers, input);
    const rows = (await output.data()) as Float32Array;
    tf.dispose([input, output]);
    return rows.slice(0, (images.length / stride) * dimension);
  };

  return {
    dimension,
    batch,
    config,
    classifier: normaliseRows(stored.classifier.slice(), dimension),
    async embed(images, width, height, { flip = false } = {}) {
      if (width !== size || height !== size)
        throw new StageError(
          `the recogniser takes images of ${size}x${size}; these are ${width}x${height}`,
          'Train it on images of that size, or make the images in its size.',
        );
      const out = new Float32Array((images.length / stride) * dimension);
      for (let from = 0; from < images.length; from += batch * stride) {
        const part = images.subarray(from, from + batch * stride);
        const rows = await embedBatch(part);
        if (flip) {
          turned ??= new Uint8Array(batch * stride);
          const mirrored = await embedBatch(mirror(part, size, turned));
          // Summed before normalisation, as insightface does: the longer, surer embedding counts more.
          for (let i = 0; i < rows.length; i++) rows[i] = rows[i]! + mirrored[i]!;
        }
        out.set(rows, (from / stride) * dimension);
      }
      return normaliseRows(out, dimension);
    },
    dispose() {
      run.dispose();
      tf.dispose([weights, buffers]);
    },
  };
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
