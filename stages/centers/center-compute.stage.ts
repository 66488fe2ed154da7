/** Declares the stage kind `center-compute`: identity centers of a data set. */
import { type CenterComputeSettings, schema } from '../../schemas/generated/stages/center-compute.js';
import type { StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<CenterComputeSettings> = {
  kind: 'center-compute',
  summary: 'Computes the identity center of each person and how similar each image is to its own',
  schema,
  inputs: {
    dataset: { types: ['images'], description: 'Faces with identities.' },
    model: {
      types: ['model'],
      description: 'A recogniser; for from: classifier, one trained on this data set.',
    },
  },
  outputs: {
    centers: {
      type: 'centers',
      description: 'A unit vector an identity, and the similarity of each image to its own.',
    },
  },
  seeded: false,
  device: true,
  load: () => import('./center-compute.js'),
};
