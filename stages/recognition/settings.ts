/** Settings of fr-train as its code sees them, defaults filled in, and what they mean for network and loss. */
import type { FrTrainSettings } from '../../schemas/generated/stages/fr-train.js';
import type { Augmentation } from './augment.js';
import { type IResNetConfig, presets } from './iresnet.js';
import type { Margin } from './margins.js';

type Filled<T, Absent extends keyof T> = Required<Omit<T, Absent>> & Pick<T, Absent>;

export type TrainSettings = Filled<FrTrainSettings, 'group' | 'steps' | 'network' | 'augmentation'> & {
  network?: Required<NonNullable<FrTrainSettings['network']>>;
  augmentation: Augmentation;
};

/** @param inputSize edge of the training images, pixels */
export function architectureOf({ backbone, network }: TrainSettings, inputSize: number): IResNetConfig {
  if (backbone !== 'custom') return { ...presets[backbone], inputSize };
  if (!network) throw new Error('backbone custom without a network got past the check of the settings');
  return { ...network, inputSize };
}

export function marginOf({ loss, margin, scale, h, tAlpha }: TrainSettings): Margin {
  return loss === 'adaface' ? { loss, margin, scale, h, tAlpha } : { loss, margin, scale };
}

/** lr at step 0, 1, ... of `total`: linear warm-up, then divided by 10 at each milestone, or half a cosine down to 0. */
export function rateAt(
  { lr, warmup, schedule, milestones }: Pick<TrainSettings, 'lr' | 'warmup' | 'schedule' | 'milestones'>,
  step: number,
  total: number,
): number {
  const rise = warmup > 0 ? Math.min(1, (step + 1) / warmup) : 1;
  if (schedule === 'cosine') return lr * rise * 0.5 * (1 + Math.cos((Math.PI * step) / total));
  const passed = milestones.filter((part) => step >= part * total).length;
  return (lr * rise) / 10 ** passed;
}
