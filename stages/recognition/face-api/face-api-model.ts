/** Writes the pretrained network as a model artifact that needs nothing else: weights as floats, and what they are. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaceApiModelSettings } from '../../../schemas/generated/stages/face-api-model.js';
import type { StageContext } from '../../contract.js';
import type { SetProvenance } from '../../data/provenance.js';
import { writeSafetensors } from '../../data/safetensors.js';
import { embeddingSize, foldRecognitionWeights, inputSize } from './network.js';
import type { FaceApiConfig } from './recogniser.js';
import { faceApiVersion, readFaceApiWeights } from './weights.js';

/** What its author says of the training data (davisking/dlib-models); people of LFW were left out on purpose. */
const trainingData: SetProvenance = {
  kind: 'faces-import',
  asked: { identities: 7485, images: 3_000_000 },
  delivered: { identities: 7485, images: 3_000_000 },
  alignment: "dlib's face chips, 150x150, padding 0.25",
  realData: ['FaceScrub', 'VGG Face', "photographs from the web (dlib's author)"],
  settings: {},
  seed: 0,
};

export async function run(context: StageContext<FaceApiModelSettings>): Promise<void> {
  const { margin = 0 } = context.settings;
  const folder = context.output('model');
  const file = join(folder, 'model.safetensors');
  writeSafetensors(file, foldRecognitionWeights(await readFaceApiWeights('face_recognition_model')));
  const config: FaceApiConfig = {
    format: 'cemiflow-model/1',
    kind: 'face-api',
    embeddingSize,
    inputSize,
    alignment: { template: 'arcface', margin },
    provenance: {
      kind: 'face-api',
      architecture: `dlib ResNet, 29 convolutions, ${embeddingSize}-d, 8-bit weights`,
      loss: 'metric loss of dlib',
      weights: createHash('sha256').update(readFileSync(file)).digest('hex'),
      training: { package: `@vladmandic/face-api ${faceApiVersion()}` },
      data: trainingData,
    },
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 1));
  context.progress(1, 1);
}
