/**
 * Images from noise: the DDIM loop over one compiled denoising step of a fixed batch size.
 */
import * as tf from '@tensorflow/tfjs';
import type { Compiled, Device } from '../tensors/device.js';
import { bind, type Layout } from '../tensors/network.js';
import { valuesOf } from '../tensors/values.js';
import type { ConditionInputs } from './conditions.js';
import { ddimNumbers, ddimStep, ddimSteps, type DdimTensors, type Spacing } from './ddim.js';
import { type GeneratorConfig, predict } from './generator.js';
import { NoiseSchedule, timeEmbedding } from './schedule.js';

export interface SamplingSettings {
  /** DDIM steps. */
  steps: number;
  eta: number;
  spacing: Spacing;
}

/**
 * Bytes of a map of the first level that a thread of a processor takes at a time. Images are independent of each other, and a few at a time stay in its cache
 * from one layer to the next: at 32 px 16 images at a time are 6 % faster than 64.
 */
const CACHED_BYTES = 2 ** 21;

type Denoise = (
  weights: tf.Tensor1D,
  xt: tf.Tensor4D,
  time: tf.Tensor2D,
  at: DdimTensors,
  condition: ConditionInputs,
  z: { z?: tf.Tensor4D },
) => tf.Tensor4D;

export class Sampler {
  readonly #schedule: NoiseSchedule;
  readonly #steps: number[];
  readonly #weights: tf.Tensor1D;
  readonly #denoise: Compiled<Denoise>;
  /** Images that a step takes at a time. */
  readonly #most: number;
  /** What a call is given, kept from call to call: each would leave as much garbage. */
  #start: Float32Array = new Float32Array(0);
  #fresh: Float32Array = new Float32Array(0);

  constructor(
    device: Device,
    readonly config: Omit<GeneratorConfig, 'provenance'>,
    layout: Layout,
    weights: Float32Array,
    readonly settings: SamplingSettings,
  ) {
    this.#schedule = new NoiseSchedule(config.schedule);
    this.#steps = ddimSteps(config.schedule.steps, settings.steps, settings.spacing);
    this.#weights = tf.tensor1d(weights);
    const bytes = 4 * config.width * config.height * config.unet.base;
    this.#most =
      device.name === 'onnx' ? Math.max(1, Math.floor((CACHED_BYTES * device.threads) / bytes)) : Infinity;
    this.#denoise = device.compile<Denoise>(
      (flat, xt, time, at, condition, { z }) => {
        const scope = bind(layout, flat, tf.zeros([0]) as tf.Tensor1D, false);
        const rows = tf.tile(time, [xt.shape[0], 1]) as tf.Tensor2D;
        return ddimStep(config.prediction, xt, predict(scope, config, { xt, time: rows, condition }), at, z);
      },
      { donate: [1, 2, 3, 5], frozen: [0] },
    );
  }

  /**
   * @param start     x_T, standard normal, [B, H, W, 3], read before any of z; the same B at every call, or the step is compiled again
   * @param condition of each image; kept, not disposed
   * @param z         the fresh noise of the i-th DDIM step, as `start`, read before the next is asked for; called where eta > 0
   * @returns         uint8 [B, H, W, 3]
   */
  async sample(
    start: Float32Array,
    condition: ConditionInputs,
    options: { z?: (i: number) => Promise<Float32Array>; signal?: AbortSignal } = {},
  ): Promise<Uint8Array> {
    const { width, height } = this.config;
    const stride = width * height * 3;
    const count = start.length / stride;
    this.#start = copied(start, this.#start);
    const images = Math.ceil(count / Math.max(1, Math.ceil(count / this.#most)));
    const parts = Array.from({ length: Math.ceil(count / images) }, (_, i) => {
      const from = i * images;
      const size = Math.min(images, count - from);
      const tensorOf = (values: Float32Array): tf.Tensor4D =>
        tf.tensor4d(values.subarray(from * stride, (from + size) * stride), [size, height, width, 3]);
      return { x: tensorOf(this.#start), tensorOf, condition: rowsOf(condition, from, size) };
    });
    for (const [i, t] of this.#steps.entries()) {
      const numbers = ddimNumbers(this.#schedule, t, this.#steps[i + 1] ?? -1, this.settings.eta);
      const fresh = this.settings.eta > 0 ? await options.z?.(i) : undefined;
      if (fresh) this.#fresh = copied(fresh, this.#fresh);
      for (const part of parts) {
        options.signal?.throwIfAborted();
        const at = Object.fromEntries(
          Object.entries(numbers).map(([name, value]) => [name, tf.scalar(value as number)]),
        ) as DdimTensors;
        const z = fresh ? { z: part.tensorOf(this.#fresh) } : {};
        const time = tf.tensor2d(timeEmbedding([t]), [1, 128]);
        part.x = await this.#denoise(this.#weights, part.x, time, at, part.condition, z);
      }
    }
    // Rounds and clamps by itself. Not Uint8Array.from, which takes ten times as long.
    const pixels = new Uint8ClampedArray(count * stride);
    for (const [i, { x }] of parts.entries()) {
      const values = await valuesOf(x);
      const from = i * images * stride;
      for (let k = 0; k < values.length; k++) pixels[from + k] = (values[k]! + 1) * 127.5;
    }
    tf.dispose(parts.map(({ x, condition: told }) => [x, { ...told }]));
    return new Uint8Array(pixels.buffer);
  }

  dispose(): void {
    this.#weights.dispose();
    this.#denoise.dispose();
  }
}

/** A copy, in `memory` where that is as large. */
function copied(values: Float32Array, memory: Float32Array): Float32Array {
  if (memory.length !== values.length) return values.slice();
  memory.set(values);
  return memory;
}

/** The condition of some of the images, to be disposed. */
function rowsOf(condition: ConditionInputs, from: number, count: number): ConditionInputs {
  const rows = Object.entries(condition).map(([name, tensor]: [string, tf.Tensor]) => [
    name,
    tf.slice(tensor, [from, ...tensor.shape.slice(1).map(() => 0)], [count, ...tensor.shape.slice(1)]),
  ]);
  return Object.fromEntries(rows) as ConditionInputs;
}
