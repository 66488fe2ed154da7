/**
 * What goes into training step s: which images, flips, times, noise and similarities. A pure function of (seed, step), so a
 * resumed training sees the same batches without any random state being saved.
 */
import type { FaceDataset } from '../data/image-set.js';
import { Random } from '../tensors/random.js';
import { Epochs } from '../training/epochs.js';

export interface TrainBatch {
  /** Training images, [B, H, W, 3] in [-1, 1]; DCFace's style images. */
  images: Float32Array;
  /** DCFace: images of the same people, for the identity, as `images`. */
  identityImages?: Float32Array;
  /** eps, as `images`. */
  noise: Float32Array;
  /** Diffusion steps, integers in [0, T). */
  t: Int32Array;
  /** CemiFace: wanted similarities. */
  m?: Float32Array;
  /** DCFace: which components of the style tokens stay, 1 or 0, [B, ...]. */
  keep?: Float32Array;
}

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

export class TrainBatches {
  readonly #epochs: Epochs;
  #byIdentity: number[][] = [];

  constructor(
    readonly dataset: FaceDataset,
    readonly settings: BatchSettings,
  ) {
    this.#epochs = new Epochs(settings.seed, dataset.count);
    if (settings.pairs) {
      this.#byIdentity = Array.from({ length: dataset.identities }, () => []);
      dataset.labels.forEach((label, row) => this.#byIdentity[label]!.push(row));
    }
  }

  at(step: number): TrainBatch {
    const { seed, batch, steps, flip, similarities, pairs } = this.settings;
    const rows = Int32Array.from({ length: batch }, (_, i) => this.#epochs.row(step * batch + i));
    const random = (purpose: string) => new Random(seed, purpose, step);

    const choice = random('t');
    const t = Int32Array.from({ length: batch }, () => choice.int(steps));
    const images = this.#images(rows, flip ? random('flip') : undefined);
    const result: TrainBatch = {
      images,
      noise: random('noise').fillNormal(new Float32Array(images.length)),
      t,
    };
    if (similarities) {
      const m = random('m');
      result.m = Float32Array.from({ length: batch }, () => similarities[m.int(similarities.length)]!);
    }
    if (pairs) {
      const partner = random('pair');
      const identityRows = rows.map((row) => this.#partner(row, partner));
      result.identityImages = this.#images(identityRows, flip ? random('flip-identity') : undefined);
      const drop = random('dropout');
      result.keep = Float32Array.from({ length: batch * pairs.components }, () =>
        drop.uniform() < pairs.dropout ? 0 : 1,
      );
    }
    return result;
  }

  /** Another image of the same person; the image itself where the person has only one. */
  #partner(row: number, random: Random): number {
    const others = this.#byIdentity[this.dataset.labels[row]!]!;
    if (others.length === 1) return row;
    const choice = random.int(others.length - 1);
    return others[choice] === row ? others[others.length - 1]! : others[choice]!;
  }

  #images(rows: Int32Array, mirror: Random | undefined): Float32Array {
    const { width, height } = this.dataset;
    const pixels = this.dataset.read(rows);
    const out = new Float32Array(pixels.length);
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
