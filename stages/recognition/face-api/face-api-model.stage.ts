/** Declares the stage kind `face-api-model`: a pretrained recogniser, made of what npm installed. */
import { type FaceApiModelSettings, schema } from '../../../schemas/generated/stages/face-api-model.js';
import type { StageDeclaration } from '../../contract.js';

export const stage: StageDeclaration<FaceApiModelSettings> = {
  kind: 'face-api-model',
  summary: "A pretrained recogniser of real faces: dlib's 128-d network as @vladmandic/face-api ships it",
  schema,
  inputs: {},
  outputs: {
    model: {
      type: 'model',
      description: "A recogniser for faces aligned to ArcFace's template, of any size.",
    },
  },
  seeded: false,
  device: false,
  load: () => import('./face-api-model.js'),
};
