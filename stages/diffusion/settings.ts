/**
 * Settings as the stages of this folder see them: defaults are filled in, so only what has none may be absent.
 */
import type { DiffusionTrainSettings } from '../../schemas/generated/stages/diffusion-train.js';
import type { GenerateSettings } from '../../schemas/generated/stages/generate.js';

type Filled<T, Absent extends keyof T> = Required<Omit<T, Absent>> & Pick<T, Absent>;

export type TrainSettings = Filled<DiffusionTrainSettings, 'group' | 'steps' | 'unet' | 'condition'> & {
  unet: Required<NonNullable<DiffusionTrainSettings['unet']>>;
  condition: Required<NonNullable<DiffusionTrainSettings['condition']>>;
};
export type SampleSettings = Filled<GenerateSettings, 'identities'>;
