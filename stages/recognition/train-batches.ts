/**
 * What goes into FR training step s: which images, and how each is augmented. A pure function of (seed, step), so that a
 * resumed training sees the same batches.
 */
import type { FaceDataset } from '../data/image-set.js';
import { Epochs } from '../training/epochs.js';
import { type Augmentation, Augmenter, drawChange } from './augment.js';

export interface TrainBatch {
  /** [B, H, W, 3] in [-1, 1]; the same array every time */
  images: Float32Array;
  /** [B] */
  labels: Int32Array;
}

export class TrainBatches {
  readonly #epochs: Epochs;
  readonly #augmenter: Augmenter;
  readonly #pixels: Uint8Array;
  readonly #images: Float32Array;

  constructor(
    readonly dataset: FaceDataset,
    readonly settings: { seed: number; batch: number; augmentation: Augmentation },
  ) {
    const { width, height } = dataset;
    this.#epochs = new Epochs(settings.seed, dataset.count);
    this.#augmenter = new Augmenter(width, height);
    this.#pixels = new Uint8Array(settings.batch * width * height * 3);
    this.#images = new Float32Array(this.#pixels.length);
  }

  at(step: number): TrainBatch {
    const { dataset, settings } = this;
    const { seed, batch, augmentation } = settings;
    const shown = Int32Array.from({ length: batch }, (_, i) => this.#epochs.row(step * batch + i));
    dataset.read(shown, this.#pixels);
    const stride = this.#pixels.length / batch;
    for (let i = 0; i < batch; i++) {
      const epoch = this.#epochs.of(step * batch + i);
      this.#augmenter.apply(
        this.#pixels.subarray(i * stride, (i + 1) * stride),
        drawChange(augmentation, seed, epoch, shown[i]!),
        this.#images.subarray(i * stride, (i + 1) * stride),
      );
    }
    return { images: this.#images, labels: shown.map((row) => dataset.labels[row]!) };
  }
}
