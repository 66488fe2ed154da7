/** Declares the stage kind `diffusion-train`: trains a generator. */
import { type DiffusionTrainSettings, schema } from '../../schemas/generated/stages/diffusion-train.js';
import type { StageDeclaration } from '../contract.js';
import type { TrainSettings } from './settings.js';
import { similaritiesOf } from './similarities.js';

export const stage: StageDeclaration<DiffusionTrainSettings> = {
  kind: 'diffusion-train',
  summary: 'Trains the UNet of a face generator: CemiFace, DCFace, or without a condition (pretraining)',
  schema,
  inputs: {
    dataset: { types: ['images', 'groups'], description: 'Faces to train on.' },
    model: {
      types: ['model'],
      optional: true,
      description: 'E_id, the frozen FR network; not for method unconditional.',
    },
    init: {
      types: ['model', 'files'],
      optional: true,
      description:
        'A generator whose weights to start from, with init: input. A folder with config.json and model.safetensors.',
    },
  },
  outputs: { model: { type: 'model', description: 'The generator, its averaged weights.' } },
  seeded: true,
  device: true,
  check(settings) {
    const { unet, m, betaStart, betaEnd } = settings as TrainSettings;
    const problems: { path: string; message: string }[] = [];
    if (similaritiesOf(m).length === 0)
      problems.push({ path: 'm', message: 'the range is empty: from is above to' });
    if (betaStart > betaEnd)
      problems.push({ path: 'betaStart', message: `${betaStart} is above betaEnd (${betaEnd})` });
    unet.multipliers.forEach((multiplier, level) => {
      const width = unet.base * multiplier;
      const level1 = `level ${level} has base x multiplier = ${width} channels`;
      if (width % unet.groups !== 0)
        problems.push({
          path: 'unet.groups',
          message: `${level1}, which ${unet.groups} groups do not divide`,
        });
      const middle = unet.decoder === 'full' && level === unet.multipliers.length - 1;
      const attends = unet.attentionAt.includes(2 ** level) || middle;
      if (attends && width > unet.headChannels && width % unet.headChannels !== 0)
        problems.push({
          path: 'unet.headChannels',
          message: `${level1} and attends, which heads of ${unet.headChannels} do not divide`,
        });
    });
    for (const fraction of unet.attentionAt) {
      if (!unet.multipliers.some((_, level) => 2 ** level === fraction))
        problems.push({
          path: 'unet.attentionAt',
          message: `there is no level at 1/${fraction}: ${unet.multipliers.length} levels reach 1/${2 ** (unet.multipliers.length - 1)}, by halves`,
        });
    }
    return problems;
  },
  load: () => import('./diffusion-train.js'),
};
