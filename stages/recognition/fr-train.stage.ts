/** Declares the stage kind `fr-train`: trains a face recognition network. */
import { type FrTrainSettings, schema } from '../../schemas/generated/stages/fr-train.js';
import type { StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<FrTrainSettings> = {
  kind: 'fr-train',
  summary: 'Trains a face recognition network (IResNet with CosFace, ArcFace or AdaFace) on a data set',
  schema,
  inputs: {
    dataset: {
      types: ['images', 'groups'],
      description: 'Faces with identities; for similarity groups, set with.group.',
    },
  },
  outputs: { model: { type: 'model', description: 'The network with its classifier rows.' } },
  seeded: true,
  device: true,
  check(settings) {
    const problems: { path: string; message: string }[] = [];
    const { backbone, network, augmentation } = settings;
    if (backbone === 'custom' && !network)
      problems.push({
        path: 'network',
        message: 'backbone: custom needs network: { widths: [..], blocks: [..] }',
      });
    if (backbone !== 'custom' && network)
      problems.push({
        path: 'network',
        message: `is used with backbone: custom only; backbone is ${backbone}`,
      });
    if (network && network.widths.length !== network.blocks.length)
      problems.push({
        path: 'network.blocks',
        message: `${network.widths.length} widths and ${network.blocks.length} blocks: give one number of blocks a stage`,
      });
    for (const name of ['crop', 'erasingArea'] as const) {
      const [low, high] = augmentation?.[name] ?? [0, 0];
      if (low > high) problems.push({ path: `augmentation.${name}`, message: `${low} is above ${high}` });
    }
    return problems;
  },
  load: () => import('./fr-train.js'),
};
