/**
 * What goes into training step s: which images, flips, times, noise and similarities. A pure function of (seed, step), so a
 * resumed training sees the same batches without any random state being saved.
 */
import type { FaceDataset } from '../data/image-set.js';
import { RowsByLabel } from '../data/rows-by-label.js';
import { Random } from '../tensors/random.js';
import type { BatchMaker } from '../batches/batch-server.js';
import { Epochs } from '../training/epochs.js';

/** A type and no interface, so that it counts as arrays by name. */
export type TrainBatch = {
  /** Training images, [B, H, W, 3] in [-1, 1]; DCFace's style images. */
  images: Float32Array<ArrayBuffer>;
  /** DCFace: images of the same people, for the identity, as `images`. */
  identityImages?: Float32Array<ArrayBuffer>;
  /** eps, as `images`. */
  noise: Float32Array<ArrayBuffer>;
  /** Diffusion steps, integers in [0, T). */
  t: Int32Array<ArrayBuffer>;
  /** CemiFace: wanted similarities. */
  m?: Float32Array<ArrayBuffer>;
  /** DCFace: which components of the style tokens stay, 1 or 0, [B, ...]. */
  keep?: Float32Array<ArrayBuffer>;
};

export interface BatchSettings {
  seed: number;
  batch: number;
  /** T */
  steps: number;
  flip: boolean;
  /** CemiFace: the grid m is drawn from. */
  similarities?: readonly number[];
  /** DCFace. */
  pairs?: { /** Components of an image's style tokens. */ components: number; dropout: number };
}

export class TrainBatches implements BatchMaker<TrainBatch> {
  readonly #epochs: Epochs;
  readonly #pixels: Uint8Array;
  #byIdentity: RowsByLabel | undefined;

  constructor(
    readonly dataset: FaceDataset,
    readonly settings: BatchSettings,
  ) {
    this.#epochs = new Epochs(settings.seed, dataset.count);
    this.#pixels = new Uint8Array(settings.batch * dataset.width * dataset.height * 3);
    if (settings.pairs) this.#byIdentity = new RowsByLabel(dataset.labels, dataset.identities);
  }

  at(step: number, into?: TrainBatch): TrainBatch {
    const { seed, batch, steps, flip, similarities, pairs } = this.settings;
    const rows = Int32Array.from({ length: batch }, (_, i) => this.#epochs.row(step * batch + i));
    const random = (purpose: string) => new Random(seed, purpose, step);

    const choice = random('t');
    const t = into?.t ?? new Int32Array(batch);
    for (let i = 0; i < batch; i++) t[i] = choice.int(steps);
    const images = this.#images(rows, flip ? random('flip') : undefined, into?.images);
    const result: TrainBatch = {
      images,
      noise: into?.noise ?? new Float32Array(images.length),
      t,
    };
    random('noise').fillNormal(result.noise);
    if (similarities) {
      const m = random('m');
      result.m = into?.m ?? new Float32Array(batch);
      for (let i = 0; i < batch; i++) result.m[i] = similarities[m.int(similarities.length)]!;
    }
    if (pairs) {
      const partner = random('pair');
      const identityRows = rows.map((row) => this.#partner(row, partner));
      result.identityImages = this.#images(
        identityRows,
        flip ? random('flip-identity') : undefined,
        into?.identityImages,
      );
      const drop = random('dropout');
      const keep = into?.keep ?? new Float32Array(batch * pairs.components);
      for (let i = 0; i < keep.length; i++) keep[i] = drop.uniform() < pairs.dropout ? 0 : 1;
      result.keep = keep;
    }
    return result;
  }

  /** Another image of the same person; the image itself where the person has only one. */
  #partner(row: number, random: Random): number {
    const others = this.#byIdentity!.of(this.dataset.labels[row]!);
    if (others.length === 1) return row;
    const choice = random.int(others.length - 1);
    return others[choice] === row ? others[others.length - 1]! : others[choice]!;
  }

  #images(
    rows: Int32Array,
    mirror: Random | undefined,
    into: Float32Array<ArrayBuffer> | undefined,
  ): Float32Array<ArrayBuffer> {
    const { width, height } = this.dataset;
    const pixels = this.dataset.read(rows, this.#pixels);
    const out = into ?? new Float32Array(pixels.length);
    const line = width * 3;
    for (let i = 0; i < rows.length; i++) {
      const mirrored = mirror !== undefined && mirror.uniform() < 0.5;
      for (let y = 0; y < height; y++) {
        const start = (i * height + y) * line;
        for (let x = 0; x < width; x++) {
          const from = start + 3 * (mirrored ? width - 1 - x : x);
          const to = start + 3 * x;
          for (let c = 0; c < 3; c++) out[to + c] = pixels[from + c]! / 127.5 - 1;
        }
      }
    }
    return out;
  }
}
