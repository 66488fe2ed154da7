/** Declares the stage kind `verification-pairs`: pairs of imported faces, given in a file or drawn. */
import { schema, type VerificationPairsSettings } from '../../schemas/generated/stages/verification-pairs.js';
import type { StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<VerificationPairsSettings> = {
  kind: 'verification-pairs',
  summary: 'Makes verification pairs of faces that were imported: read from a file, or drawn',
  schema,
  inputs: {
    dataset: { types: ['images'], description: 'The faces.' },
    ledger: {
      types: ['result'],
      description: 'The ledger of their import: which face is of which file. Wanted with pairs.',
      optional: true,
    },
    pairs: {
      types: ['files'],
      description:
        "Pairs in the format of LFW's pairs.txt, or as lines 'path path 1' and 'path path 0'. Without, they are drawn.",
      optional: true,
    },
  },
  outputs: {
    verification: { type: 'verification', description: 'One protocol: the pairs in folds.' },
    others: {
      type: 'groups',
      description:
        'As group 0, the faces of people in no pair: what a network may be trained on that the pairs judge.',
    },
  },
  seeded: true,
  device: false,
  load: () => import('./verification-pairs.js'),
};
