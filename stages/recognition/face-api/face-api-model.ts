/**
 * Writes the pretrained network as a model artifact that needs nothing else: weights as floats, and what they are; with a reference, the
 * mean embedding of faces, too.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaceApiModelSettings } from '../../../schemas/generated/stages/face-api-model.js';
import { deviceFolder } from '../../checkpoint/device-folder.js';
import { type StageContext, StageError } from '../../contract.js';
import { subset } from '../../data/dataset.js';
import { ImageSet } from '../../data/image-set.js';
import { realDataBehind, type SetProvenance } from '../../data/provenance.js';
import { type NamedTensor, writeSafetensors } from '../../data/safetensors.js';
import { openDevice } from '../../tensors/device.js';
import { openRecogniser } from '../embed.js';
import { embedAll, piecesOf } from '../embeddings.js';
import { embeddingSize, foldRecognitionWeights, inputSize } from './network.js';
import { centerName, type FaceApiConfig } from './recogniser.js';
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

/** Faces enough to know a mean of 128 numbers. */
const mostReferences = 2000;
/** With fewer people, the mean is theirs and not that of faces. */
const fewPeople = 30;

type Context = StageContext<FaceApiModelSettings>;

export async function run(context: Context): Promise<void> {
  const { margin = 0, center = 0 } = context.settings;
  const folder = context.output('model');
  const weights = foldRecognitionWeights(await readFaceApiWeights('face_recognition_model'));
  const config: Omit<FaceApiConfig, 'provenance'> = {
    format: 'cemiflow-model/1',
    kind: 'face-api',
    embeddingSize,
    inputSize,
    alignment: { template: 'arcface', margin },
  };
  writeModel(folder, config, weights, trainingData);
  if (context.has('reference') && center > 0) {
    const reference = ImageSet.open(context.input('reference').path);
    const mean = await meanEmbedding(context, folder, reference);
    const of = realDataBehind(reference.info.provenance);
    const { count: images, identities } = reference;
    writeModel(
      folder,
      { ...config, center: { share: center, images, identities, of } },
      weights.set(centerName, { shape: [embeddingSize], data: mean }),
      { ...trainingData, realData: [...new Set([...trainingData.realData, ...of])].sort() },
    );
  }
  context.progress(1, 1);
}

function writeModel(
  folder: string,
  config: Omit<FaceApiConfig, 'provenance'>,
  weights: Map<string, NamedTensor>,
  data: SetProvenance,
): void {
  const file = join(folder, 'model.safetensors');
  writeSafetensors(file, weights);
  const whole: FaceApiConfig = {
    ...config,
    provenance: {
      kind: 'face-api',
      architecture: `dlib ResNet, 29 convolutions, ${embeddingSize}-d, 8-bit weights`,
      loss: 'metric loss of dlib',
      weights: createHash('sha256').update(readFileSync(file)).digest('hex'),
      training: {
        package: `@vladmandic/face-api ${faceApiVersion()}`,
        ...(config.center ? { center: config.center } : {}),
      },
      data,
    },
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(whole, null, 1));
}

/** The mean of the reference's unit embeddings, of each face and its mirror image, [128]; of evenly taken ones where there are many. */
async function meanEmbedding(context: Context, model: string, reference: ImageSet): Promise<Float32Array> {
  const { count, identities } = reference;
  if (count < 2)
    throw new StageError(
      `the reference holds ${count} face${count === 1 ? '' : 's'}`,
      'Give faces of many people.',
    );
  if (identities < fewPeople)
    context.warn(
      `the mean embedding is of ${identities} people: it is theirs rather than that of faces (give ${fewPeople} or more as reference)`,
    );
  const device = await openDevice(context.device, { threads: context.threads });
  const recogniser = await openRecogniser(model, device, [reference.info.provenance]);
  const used = Math.min(count, mostReferences);
  const rows = Int32Array.from({ length: used }, (_, i) => Math.floor((i * count) / used));
  using embedded = await embedAll(
    recogniser,
    { reference: subset(reference, rows) },
    {
      flip: true,
      folder: deviceFolder(context, device),
      signal: context.signal,
      log: context.log,
      progress: (done, total) => context.progress(done, total),
    },
  );
  recogniser.dispose();
  const sums = new Float64Array(embeddingSize);
  for (const { rows } of piecesOf(embedded.reference))
    rows.forEach((value, i) => (sums[i % embeddingSize] = sums[i % embeddingSize]! + value));
  return Float32Array.from(sums, (sum) => sum / used);
}
