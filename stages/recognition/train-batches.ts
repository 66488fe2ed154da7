/**
 * What goes into FR training step s: which images, and how each is augmented. A pure function of (seed, step), so that a
 * resumed training sees the same batches.
 */
import type { FaceDataset } from '../data/image-set.js';
import type { BatchMaker } from '../batches/batch-server.js';
import { Epochs } from '../training/epochs.js';
import { type Augmentation, Augmenter, drawChange } from './augment.js';

/** A type and no interface, so that it counts as arrays by name. */
export type TrainBatch = {
  /** [B, H, W, 3] in [-1, 1] */
  images: Float32Array<ArrayBuffer>;
  /** [B] */
  labels: Int32Array<ArrayBuffer>;
};

export interface BatchSettings {
  seed: number;
  batch: number;
  augmentation: Augmentation;
}

export class TrainBatches implements BatchMaker<TrainBatch> {
  readonly #epochs: Epochs;
  readonly #augmenter: Augmenter;
  readonly #pixels: Uint8Array;

  constructor(
    readonly dataset: FaceDataset,
    readonly settings: BatchSettings,
  ) {
    const { width, height } = dataset;
    this.#epochs = new Epochs(settings.seed, dataset.count);
    this.#augmenter = new Augmenter(width, height);
    this.#pixels = new Uint8Array(settings.batch * width * height * 3);
  }

  at(step: number, into?: TrainBatch): TrainBatch {
    const { dataset, settings } = this;
    const { seed, batch, augmentation } = settings;
    const shown = Int32Array.from({ length: batch }, (_, i) => this.#epochs.row(step * batch + i));
    dataset.read(shown, this.#pixels);
    const images = into?.images ?? new Float32Array(this.#pixels.length);
    const labels = into?.labels ?? new Int32Array(batch);
    const stride = this.#pixels.length / batch;
    for (let i = 0; i < batch; i++) {
      const epoch = this.#epochs.of(step * batch + i);
      this.#augmenter.apply(
        this.#pixels.subarray(i * stride, (i + 1) * stride),
        drawChange(augmentation, seed, epoch, shown[i]!),
        images.subarray(i * stride, (i + 1) * stride),
      );
      labels[i] = dataset.labels[shown[i]!]!;
    }
    return { images, labels };
  }
}
