/**
 * Images from noise: the DDIM loop over one compiled denoising step of a fixed batch size.
 */
import * as tf from '@tensorflow/tfjs';
import type { Compiled, Device } from '../tensors/device.js';
import { bind, type Layout } from '../tensors/network.js';
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
   * @param start     x_T, standard normal, [B, H, W, 3]; the same B at every call, or the step is compiled again
   * @param condition of each image; kept, not disposed
   * @param z         fills the fresh noise of the i-th DDIM step, as `start`; called where eta > 0
   * @returns         uint8 [B, H, W, 3]
   */
  async sample(
    start: Float32Array,
    condition: ConditionInputs,
    options: { z?: (i: number, into: Float32Array) => void; signal?: AbortSignal } = {},
  ): Promise<Uint8Array> {
    const { width, height } = this.config;
    const shape: [number, number, number, number] = [start.length / (width * height * 3), height, width, 3];
    const fresh = new Float32Array(this.settings.eta > 0 ? start.length : 0);
    let x = tf.tensor4d(start.slice(), shape);
    for (const [i, t] of this.#steps.entries()) {
      options.signal?.throwIfAborted();
      const numbers = ddimNumbers(this.#schedule, t, this.#steps[i + 1] ?? -1, this.settings.eta);
      const at = Object.fromEntries(
        Object.entries(numbers).map(([name, value]) => [name, tf.scalar(value as number)]),
      ) as DdimTensors;
      if (this.settings.eta > 0) options.z?.(i, fresh);
      const z = this.settings.eta > 0 ? { z: tf.tensor4d(fresh.slice(), shape) } : {};
      x = await this.#denoise(this.#weights, x, tf.tensor2d(timeEmbedding([t]), [1, 128]), at, condition, z);
    }
    const values = await x.data();
    // Not Uint8Array.from, which takes ten times as long.
    const pixels = new Uint8Array(values.length);
    for (let i = 0; i < values.length; i++)
      pixels[i] = Math.round((Math.min(1, Math.max(-1, values[i]!)) + 1) * 127.5);
    x.dispose();
    return pixels;
  }

  dispose(): void {
    this.#weights.dispose();
    this.#denoise.dispose();
  }
}
