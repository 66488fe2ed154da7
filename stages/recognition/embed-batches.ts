/** What a recogniser is given: images of one or several sets, one after the other, as numbers, a batch at a time. */
import type { BatchMaker } from '../batches/batch-server.js';
import type { ImageRows } from '../data/image-set.js';
import { mirror } from './mirror.js';

/** A type and no interface, so that it counts as arrays by name. */
export type EmbedBatch = {
  /** [B, H, W, 3], RGB, 0..255, zeros after the last image: another B would be compiled anew. */
  images: Float32Array<ArrayBuffer>;
  /** Their mirror images, where asked for. */
  mirrored?: Float32Array<ArrayBuffer>;
};

export interface EmbedBatchSettings {
  /** B */
  batch: number;
  flip: boolean;
}

/**
 * @param pixels uint8 [n, H, W, 3], RGB, n <= B
 * @param stride H W 3
 */
export function batchOfImages(
  pixels: Uint8Array,
  { width, stride }: { width: number; stride: number },
  { batch, flip }: EmbedBatchSettings,
  into?: EmbedBatch,
): EmbedBatch {
  const images = into?.images ?? new Float32Array(batch * stride);
  // A plain copy, ten times as fast as a loop: bringing bytes to [-1, 1] is left to the device.
  images.set(pixels);
  images.fill(0, pixels.length);
  if (!flip) return { images };
  const mirrored = into?.mirrored ?? new Float32Array(images.length);
  // Bytes are mirrored faster than floats.
  const image = new Uint8Array(stride);
  for (let from = 0; from < pixels.length; from += stride)
    mirrored.set(mirror(pixels.subarray(from, from + stride), width, image), from);
  mirrored.fill(0, pixels.length);
  return { images, mirrored };
}

/** A set whose images from `first` on are wanted. */
export interface EmbedPart<Images> {
  images: Images;
  first: number;
}

/** What a thread makes batches from, as structured clone takes it. */
export interface EmbedRecipe {
  sets: EmbedPart<ImageRows['place']>[];
  settings: EmbedBatchSettings;
}

/** Batches that a set takes; none has images of two sets. */
export const batchesOf = ({ images, first }: EmbedPart<ImageRows>, batch: number): number =>
  Math.ceil((images.count - first) / batch);

export class EmbedBatches implements BatchMaker<EmbedBatch> {
  /** The step after the last one of each set. */
  readonly #ends: number[] = [];
  #pixels = new Uint8Array(0);

  constructor(
    readonly sets: readonly EmbedPart<ImageRows>[],
    readonly settings: EmbedBatchSettings,
  ) {
    for (const set of sets) this.#ends.push((this.#ends.at(-1) ?? 0) + batchesOf(set, settings.batch));
  }

  /** Of all sets. */
  get steps(): number {
    return this.#ends.at(-1) ?? 0;
  }

  at(step: number, into?: EmbedBatch): EmbedBatch {
    const which = this.#ends.findIndex((end) => step < end);
    const { images, first } = this.sets[which]!;
    const { count, width, height } = images;
    const stride = width * height * 3;
    const { batch } = this.settings;
    const from = first + (step - (this.#ends[which - 1] ?? 0)) * batch;
    const rows = Int32Array.from({ length: Math.min(batch, count - from) }, (_, i) => from + i);
    if (this.#pixels.length < rows.length * stride) this.#pixels = new Uint8Array(batch * stride);
    const pixels = images.read(rows, this.#pixels.subarray(0, rows.length * stride));
    // Of sets of another size the arrays do not fit.
    const fitting = into?.images.length === batch * stride ? into : undefined;
    return batchOfImages(pixels, { width, stride }, this.settings, fitting);
  }
}
