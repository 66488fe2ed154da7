/** The smallest trainings of both kinds, of images of 8 px: what takes many steps in tests. */
import type { StageDeclaration } from '../../../stages/contract.js';
import { stage as diffusionTrain } from '../../../stages/diffusion/diffusion-train.stage.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';

const network = { widths: [4], blocks: [1], stemStride: 2, embeddingSize: 8 };
const unet = {
  base: 4, multipliers: [1, 1], attentionAt: [2], headChannels: 4, groups: 2, timeWidth: 8, decoder: 'light', learnedVariance: false,
}; // prettier-ignore

export const tinyTrainings = [
  {
    stage: frTrain as StageDeclaration<never>,
    settings: { backbone: 'custom', network, batch: 8, scale: 8 },
  },
  {
    stage: diffusionTrain as StageDeclaration<never>,
    settings: { method: 'unconditional', unet, batch: 4 },
  },
];
