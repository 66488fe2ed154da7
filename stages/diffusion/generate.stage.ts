/** Declares the stage kind `generate`: a face set from a generator. */
import { type GenerateSettings, schema } from '../../schemas/generated/stages/generate.js';
import type { StageDeclaration } from '../contract.js';
import type { SampleSettings } from './settings.js';
import { similaritiesOf } from './similarities.js';

export const stage: StageDeclaration<GenerateSettings> = {
  kind: 'generate',
  summary: 'Generates a labelled face set: one identity an inquiry image, at given similarities m',
  schema,
  inputs: {
    generator: { types: ['model'], description: 'The output of diffusion-train, method cemiface or dcface.' },
    inquiry: {
      types: ['images'],
      description: 'Inquiry images; each that passes the filter is an identity.',
    },
    model: { types: ['model'], description: 'E_id: the network that the generator was trained under.' },
    style: {
      types: ['images', 'groups'],
      optional: true,
      description: 'dcface: the style bank, images drawn at random; the training set in DCFace.',
    },
  },
  outputs: {
    images: {
      type: 'images',
      description:
        'The set: each identity starts with its inquiry image, `oversample` times. Beside it inquiry.npy, generated.npy, m.npy, similarity.npy, sample.png.',
    },
  },
  seeded: true,
  device: true,
  check(settings) {
    const values = similaritiesOf((settings as SampleSettings).m);
    return values.length === 0 ? [{ path: 'm', message: 'the range is empty: from is above to' }] : [];
  },
  load: () => import('./generate.js'),
};
