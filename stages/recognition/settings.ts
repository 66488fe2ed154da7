/** Settings of fr-train as its code sees them, defaults filled in, and what they mean for network and loss. */
import type { FrTrainSettings } from '../../schemas/generated/stages/fr-train.js';
import type { Augmentation } from './augment.js';
import type { IResNetConfig } from './iresnet.js';
import type { Margin } from './margins.js';
import { presets } from './presets.js';

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
