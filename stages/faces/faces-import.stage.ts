/** Declares the stage kind `faces-import`: photographs, a folder a person, as a data set. */
import { type FacesImportSettings, schema } from '../../schemas/generated/stages/faces-import.js';
import type { OutputDeclaration, StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<FacesImportSettings> = {
  kind: 'faces-import',
  summary:
    'Makes a data set and verification pairs of photographs, one folder per person, with detection and alignment',
  schema,
  inputs: {
    photos: {
      types: ['files'],
      description: 'FOLDER/<person>/<photograph>; JPEG, PNG, WebP, TIFF, AVIF, GIF, PGM or PPM.',
    },
  },
  outputs: ({ split }) => {
    const outputs: Record<string, OutputDeclaration> = {
      images: { type: 'images', description: 'The faces, labelled by person.' },
      verification: {
        type: 'verification',
        description:
          'Drawn pairs in folds; none where split.verification is 0. For given pairs: verification-pairs.',
      },
      ledger: { type: 'result', description: 'What became of every file, with the reason.' },
    };
    if (split?.inquiry)
      outputs['inquiry'] = { type: 'images', description: 'One picture each of people of their own.' };
    return outputs;
  },
  seeded: true,
  device: true,
  check({ split }) {
    const { verification = 0.3, inquiry = 0 } = split ?? {};
    return verification + inquiry > 1
      ? [
          {
            path: 'split',
            message: `verification ${verification} and inquiry ${inquiry} are more than all people`,
          },
        ]
      : [];
  },
  load: () => import('./faces-import.js'),
};
