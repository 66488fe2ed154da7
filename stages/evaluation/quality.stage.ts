/** Declares the stage kind `quality`: a set of faces against reference faces, under a judge. */
import { type QualitySettings, schema } from '../../schemas/generated/stages/quality.js';
import type { StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<QualitySettings> = {
  kind: 'quality',
  summary:
    'Measures a set of faces under an independent judge: likeness, variety, Frechet distance, sharpness',
  schema,
  inputs: {
    dataset: {
      types: ['images'],
      description: 'The faces to measure; of a generated set, the generated ones only.',
    },
    reference: { types: ['images'], description: 'Faces it is compared with, of the same size.' },
    judge: { types: ['model'], description: 'A recogniser that took no part in making the set.' },
    inquiry: {
      types: ['images'],
      optional: true,
      description:
        'The inquiry image of each identity (the first of its label). A set from generate brings its own.',
    },
  },
  outputs: { result: { type: 'result', description: 'result.json and similarity.npy.' } },
  seeded: false,
  device: true,
  load: () => import('./quality.js'),
};
