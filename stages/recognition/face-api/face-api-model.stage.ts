/** Declares the stage kind `face-api-model`: a pretrained recogniser, made of what npm installed. */
import { type FaceApiModelSettings, schema } from '../../../schemas/generated/stages/face-api-model.js';
import type { StageDeclaration } from '../../contract.js';

export const stage: StageDeclaration<FaceApiModelSettings> = {
  kind: 'face-api-model',
  summary: "A pretrained recogniser of real faces: dlib's 128-d network as @vladmandic/face-api ships it",
  schema,
  inputs: {
    reference: {
      types: ['images'],
      description:
        'Faces whose mean embedding is subtracted (center), so that strangers have similarities about 0. Without, nothing is.',
      optional: true,
    },
  },
  outputs: {
    model: {
      type: 'model',
      description: "A recogniser for faces aligned to ArcFace's template, of any size.",
    },
  },
  seeded: false,
  device: true,
  load: () => import('./face-api-model.js'),
};
