/** Declares the stage kind `similarity-bucketing`: groups of images by similarity to their identity's center. */
import {
  schema,
  type SimilarityBucketingSettings,
} from '../../schemas/generated/stages/similarity-bucketing.js';
import type { StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<SimilarityBucketingSettings> = {
  kind: 'similarity-bucketing',
  summary: "Splits each person's images into groups by similarity to the identity center",
  schema,
  inputs: {
    dataset: { types: ['images'], description: 'The faces the centers were computed of.' },
    centers: { types: ['centers'], description: 'Output of center-compute on the same faces.' },
  },
  outputs: {
    groups: {
      type: 'groups',
      description: 'The groups, as rows of the dataset; group 0 is the most similar.',
    },
  },
  seeded: false,
  device: false,
  load: () => import('./similarity-bucketing.js'),
};
