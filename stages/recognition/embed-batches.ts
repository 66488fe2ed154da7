/** What a recogniser is given: images of one or several sets, one after the other, as numbers, a batch at a time. */
import type { BatchMaker } from '../batches/batch-server.js';
import type { ImageRows } from '../data/image-set.js';
import { mirror } from './mirror.js';

/** A type and no interface, so that it counts as arrays by name. */
export type EmbedBatch = {
  /** [B, H, W, 3] in [-1, 1], zeros after the last image: another B would be compiled anew. */
  images: Float32Array<ArrayBuffer>;
  /** Their mirror images, where asked for. */
  mirrored?: Float32Array<ArrayBuffer>;
};

export interface EmbedBatchSettings {
  /** B */
  batch: number;
  flip: boolean;
}

/** Of each byte, in [-1, 1]. */
const brightness = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1);

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
  // Four at a time, which is twice as fast.
  const whole = pixels.length - (pixels.length % 4);
  for (let i = 0; i < whole; i += 4) {
    images[i] = brightness[pixels[i]!]!;
    images[i + 1] = brightness[pixels[i + 1]!]!;
    images[i + 2] = brightness[pixels[i + 2]!]!;
    images[i + 3] = brightness[pixels[i + 3]!]!;
  }
  for (let i = whole; i < pixels.length; i++) images[i] = brightness[pixels[i]!]!;
  images.fill(0, pixels.length);
  if (!flip) return { images };
  const mirrored = into?.mirrored ?? new Float32Array(images.length);
  mirror(images, width, mirrored);
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
