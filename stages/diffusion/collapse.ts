/**
 * Notices the training of a generator that goes wrong: its loss explodes, or it predicts no better than zeros would. (A loss that
 * is no finite number ends the training at once, in diffusion-train.ts.)
 */
import type { StageContext } from '../contract.js';
import { collapsed, Streak } from '../training/collapse.js';
import type { NoiseSchedule, Prediction } from './schedule.js';
import type { TrainSettings } from './settings.js';
import type { TrainBatch } from './train-batches.js';

/**
 * What the MSE of a network that predicts zeros is expected to be: the mean square of the target.
 *   eps: 1    x0: E[x^2]    v: abar_t + (1 - abar_t) E[x^2]
 */
export function costOfZeros(
  prediction: Prediction,
  { images, t }: Pick<TrainBatch, 'images' | 't'>,
  schedule: NoiseSchedule,
): number {
  if (prediction === 'eps') return 1;
  const stride = images.length / t.length;
  let sum = 0;
  for (let i = 0; i < t.length; i++) {
    let square = 0;
    for (let k = i * stride; k < (i + 1) * stride; k++) square += images[k]! ** 2 / stride;
    sum += prediction === 'x0' ? square : schedule.signal(t[i]!) ** 2 + schedule.noise(t[i]!) ** 2 * square;
  }
  return sum / t.length;
}

/** This times the cost of zeros is an explosion: no network begins there, and zero-initialised outputs begin at 1. */
const explosion = 10;
/** Zeros cost this much on average; a mean over some thousand numbers is so near to it. */
const noBetter = 0.98;
/** Of images that are gray all over zeros are a good prediction, and nothing is learnt from them either. */
const leastCost = 0.01;

/** Means over the steps since the last report. */
export interface Seen {
  /** Steps done. */
  done: number;
  mse: number;
  zeros: number;
}

export class GeneratorWatch {
  readonly stuck: Streak;
  readonly exploded: Streak;
  readonly #from: number;

  /** @param bad reports in a row so far, where the training resumes */
  constructor(
    private readonly settings: Pick<TrainSettings, 'onCollapse' | 'lr' | 'warmup' | 'clip'>,
    private readonly total: number,
    bad: { stuck: number; exploded: number },
  ) {
    this.stuck = new Streak(bad.stuck);
    this.exploded = new Streak(bad.exploded);
    // Small learning rates start slowly.
    this.#from = Math.max(200, total / 4);
  }

  /** @throws StageError where it has collapsed, and settings say so */
  see(context: Pick<StageContext, 'warn'>, { done, mse, ...seen }: Seen): void {
    const zeros = Math.max(seen.zeros, leastCost);
    const { onCollapse, lr, warmup, clip } = this.settings;
    const last = done === this.total;
    const fail = (what: string) =>
      collapsed(
        context,
        onCollapse,
        `training has collapsed: at step ${done} of ${this.total} the mean squared error is ${mse.toPrecision(3)}, ${what}`,
        `Lower with.lr (now ${lr}), raise with.warmup (now ${warmup}), or set with.clip (now ${clip}); look at the data set's images, too.`,
      );
    const explodes = mse > explosion * zeros;
    if (this.exploded.see(explodes) || (explodes && last)) {
      fail(`${(mse / zeros).toPrecision(2)} times what predicting zeros costs (${zeros.toPrecision(3)})`);
      return;
    }
    const stuck = done >= this.#from && mse >= noBetter * zeros;
    if (this.stuck.see(stuck) || (stuck && last))
      fail(`no better than predicting zeros (${zeros.toPrecision(3)})`);
  }
}
