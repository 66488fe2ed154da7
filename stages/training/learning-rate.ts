/** The learning rate of a training, step by step. */

export interface RateSettings {
  /** At its highest. */
  lr: number;
  /** Steps over which it rises linearly. */
  warmup: number;
  /** constant; step: divided by 10 at each of `milestones`; cosine: half a cosine down to the share `lrFinal`. */
  schedule: 'constant' | 'step' | 'cosine';
  /** In parts of the whole training. */
  milestones?: readonly number[];
  lrFinal?: number;
}

/** @param step 0, 1, ... of `total` */
export function rateAt(settings: RateSettings, step: number, total: number): number {
  const { lr, warmup, schedule, milestones = [], lrFinal = 0 } = settings;
  const risen = lr * (warmup > 0 ? Math.min(1, (step + 1) / warmup) : 1);
  switch (schedule) {
    case 'constant':
      return risen;
    case 'step':
      return risen / 10 ** milestones.filter((part) => step >= part * total).length;
    case 'cosine':
      return risen * (lrFinal + (1 - lrFinal) * 0.5 * (1 + Math.cos((Math.PI * step) / total)));
  }
}
