/**
 * The noise that generate samples from, in the order in which it is used: of each batch its start, then, where eta > 0, what each DDIM step
 * adds. An image's depends on (seed, identity, k) alone.
 */
import type { BatchMaker } from '../batches/batch-server.js';
import { Random } from '../tensors/random.js';

/** Which image: the k-th of an identity. */
export interface Place {
  identity: number;
  k: number;
}

/** Of the images from `from` on; padded to a whole batch by repeating the last image: another size would be compiled anew. */
export function placesOf(
  from: number,
  { batch, total, perIdentity }: Pick<NoiseRecipe, 'batch' | 'total' | 'perIdentity'>,
): Place[] {
  return Array.from({ length: batch }, (_, i) => {
    const at = Math.min(from + i, total - 1);
    return { identity: Math.floor(at / perIdentity), k: at % perIdentity };
  });
}

/** A type and no interface, so that it counts as arrays by name. */
export type NoiseBatch = {
  /** Standard normal, [B, H, W, 3] */
  noise: Float32Array<ArrayBuffer>;
};

export interface NoiseRecipe {
  seed: number;
  /** Numbers of an image. */
  stride: number;
  batch: number;
  /** Images in all, and of each identity. */
  total: number;
  perIdentity: number;
  /** The first image that is wanted. */
  first: number;
  /** DDIM steps that add noise. */
  steps: number;
}

export class NoiseBatches implements BatchMaker<NoiseBatch> {
  constructor(readonly recipe: NoiseRecipe) {}

  /** Arrays in all. */
  get count(): number {
    const { total, first, batch, steps } = this.recipe;
    return Math.ceil((total - first) / batch) * (1 + steps);
  }

  at(number: number, into?: NoiseBatch): NoiseBatch {
    const { seed, stride, batch, first, steps } = this.recipe;
    const step = (number % (1 + steps)) - 1;
    const from = first + Math.floor(number / (1 + steps)) * batch;
    const noise = into?.noise ?? new Float32Array(batch * stride);
    placesOf(from, this.recipe).forEach(({ identity, k }, i) => {
      const random =
        step < 0 ? new Random(seed, 'start', identity, k, 0) : new Random(seed, 'z', identity, k, step);
      random.fillNormal(noise.subarray(i * stride, (i + 1) * stride));
    });
    return { noise };
  }
}
