/**
 * Trains a face recognition network as a classifier of a data set's identities: loop, checkpoints, metrics. The
 * mathematics of a step is in train-step.ts, what goes into it in train-batches.ts.
 */
import * as tf from '@tensorflow/tfjs';
import type { FrTrainSettings } from '../../schemas/generated/stages/fr-train.js';
import { type JsonObject, type StageContext, StageError } from '../contract.js';
import { openDataset } from '../data/dataset.js';
import type { FaceDataset } from '../data/image-set.js';
import { type Device, openDevice } from '../tensors/device.js';
import { initialBuffers, initialWeights, toNamed } from '../tensors/network.js';
import { chanceAccuracy, nearestClassAccuracy, spread } from './collapse.js';
import { openRecogniser } from './embed.js';
import { describe, iresnetProblems } from './iresnet.js';
import { writeRecognition } from './model.js';
import { architectureOf, marginOf, rateAt, type TrainSettings } from './settings.js';
import { TrainBatches } from './train-batches.js';
import { readCheckpoint, saveCheckpoint } from './train-checkpoint.js';
import { reported, type StepSettings, trainLayout, trainStep, type TrainState } from './train-step.js';

const checkpointMilliseconds = 15_000;
const lossNames = { cosface: 'CosFace', arcface: 'ArcFace', adaface: 'AdaFace' };

export async function run(context: StageContext<FrTrainSettings>): Promise<void> {
  const settings = context.settings as TrainSettings;
  const { batch, augmentation } = settings;
  const dataset = openDataset(context, 'dataset', settings.group);
  checkDataset(dataset);
  const architecture = architectureOf(settings, dataset.width);
  for (const problem of iresnetProblems(architecture))
    throw new StageError(problem, 'Choose a smaller with.backbone, or larger images.');

  const device = await openDevice(context.device, { threads: context.threads });
  const classes = dataset.identities;
  const stepSettings: StepSettings = { ...settings, architecture, margin: marginOf(settings), classes };
  const layout = trainLayout(stepSettings);
  const total = settings.steps ?? Math.max(1, Math.round((settings.epochs * dataset.count) / batch));
  context.log(
    `${describe(architecture)}, ${classes} identities, ${dataset.count} images, ${total} steps of ${batch} on ${device.name}`,
  );

  const batches = new TrainBatches(dataset, { seed: context.seed, batch, augmentation });
  const step = device.compile(trainStep(stepSettings, layout), { donate: [0] });
  const resumed = readCheckpoint(context.checkpoint, {
    weights: layout.size,
    m: layout.size,
    buffers: layout.bufferSize,
    sums: reported.length,
  });
  if (resumed) context.log(`resuming at step ${resumed.step}`);
  let done = resumed?.step ?? 0;
  let state: TrainState = {
    weights: tf.tensor1d(resumed?.weights ?? initialWeights(layout, context.seed, 'recognition')),
    m: tf.tensor1d(resumed?.m ?? new Float32Array(layout.size)),
    buffers: tf.tensor1d(resumed?.buffers ?? initialBuffers(layout)),
    sums: tf.tensor1d(resumed?.sums ?? new Float32Array(reported.length)),
  };
  const save = async () => {
    const [weights, m, buffers, sums] = (await Promise.all([
      state.weights.data(),
      state.m.data(),
      state.buffers.data(),
      state.sums.data(),
    ])) as Float32Array[];
    saveCheckpoint(context.checkpoint, {
      step: done,
      weights: weights!,
      m: m!,
      buffers: buffers!,
      sums: sums!,
    });
  };

  const images: [number, number, number, number] = [batch, dataset.height, dataset.width, 3];
  const collapse = new CollapseWatch(settings, { total, classes, count: dataset.count });
  let saved = performance.now();
  let logged = { at: saved, step: done };
  let loss = NaN;
  while (done < total) {
    if (context.signal.aborted) {
      await save();
      throw context.signal.reason;
    }
    const next = batches.at(done);
    const lr = rateAt(settings, done, total);
    const given = [
      tf.tensor4d(next.images, images),
      tf.tensor1d(next.labels, 'int32'),
      tf.scalar(lr),
    ] as const;
    state = await step(state, ...given);
    tf.dispose(given as unknown as tf.TensorContainer);
    done++;

    const every = settings.metricsEvery;
    if (done % every === 0 || done === total) {
      const count = done % every === 0 ? every : done % every;
      const means = Array.from(await state.sums.data(), (sum) => sum / count);
      state.sums.dispose();
      state.sums = tf.zeros([reported.length]);
      [loss] = means as [number];
      if (!Number.isFinite(loss))
        throw new StageError(
          `the loss is no finite number (${loss}) at step ${done} of ${total}`,
          `Lower with.lr (now ${settings.lr}) or with.scale (now ${settings.scale}), or set with.warmup.`,
        );
      reported.forEach((name, i) =>
        context.metric(name === 'loss' ? name : `train/${name}`, means[i]!, done),
      );
      context.metric('lr', lr, done);
      const now = performance.now();
      context.metric('images_per_second', ((done - logged.step) * batch * 1000) / (now - logged.at), done);
      logged = { at: now, step: done };
      collapse.see(context, { done, window: count * batch, loss, accuracy: means[1]! });
    }
    context.progress(done, total, Number.isNaN(loss) ? '' : `loss ${loss.toFixed(3)}`);
    if (performance.now() - saved > checkpointMilliseconds) {
      await save();
      saved = performance.now();
    }
  }
  await save();

  const named = toNamed(
    layout,
    (await state.weights.data()) as Float32Array,
    (await state.buffers.data()) as Float32Array,
  );
  tf.dispose(state as unknown as tf.TensorContainer);
  step.dispose();
  const { width, height } = dataset;
  writeRecognition(
    context.output('model'),
    {
      format: 'cemiflow-model/1',
      kind: 'recognition',
      architecture,
      classes,
      input: { channels: 'RGB', range: [-1, 1], width, height },
      provenance: {
        kind: 'recognition',
        architecture: describe(architecture),
        loss: lossNames[settings.loss],
        training: {
          ...(settings as unknown as JsonObject),
          steps: total,
          seed: context.seed,
          images: dataset.count,
          classes,
        },
        data: dataset.info.provenance,
      },
    },
    named,
  );
  await examine(context, settings, device, dataset, total);
}

function checkDataset(dataset: FaceDataset): void {
  const { width, height, count, identities } = dataset;
  if (count === 0) throw new StageError('the dataset holds no images', 'Give it some.');
  if (identities < 2)
    throw new StageError(
      `the dataset has ${identities} identity: nothing can be told apart`,
      'Give images of two people at least.',
    );
  if (width !== height)
    throw new StageError(
      `the images are ${width}x${height}; an IResNet takes square ones`,
      'Align or crop them square.',
    );
}

function collapsed(context: Pick<StageContext, 'warn'>, settings: TrainSettings, what: string): void {
  const remedy = `Lower with.scale (now ${settings.scale}), with.margin (now ${settings.margin}) or with.lr (now ${settings.lr}), or train longer. with.onCollapse: warn keeps it all the same.`;
  if (settings.onCollapse === 'fail') throw new StageError(what, remedy);
  context.warn(`${what}. ${remedy}`);
}

/** Steps before which it is too early to speak of collapse: margin losses start slowly. */
function patience({ batch }: TrainSettings, { total, count }: { total: number; count: number }): number {
  return Math.max(200, total / 4, (2 * count) / batch);
}

/** Ends a training that gets nowhere before it has spent its time: three reports in a row of accuracy that guessing reaches. */
class CollapseWatch {
  #inARow = 0;
  readonly #from: number;

  constructor(
    readonly settings: TrainSettings,
    readonly training: { total: number; classes: number; count: number },
  ) {
    this.#from = patience(settings, training);
  }

  see(
    context: Pick<StageContext, 'warn'>,
    seen: { done: number; window: number; loss: number; accuracy: number },
  ): void {
    const { classes, count } = this.training;
    // Few images prove nothing, and an image seen again proves nothing new.
    if (seen.done < this.#from || seen.window < 1000) return;
    const atChance = seen.accuracy <= chanceAccuracy(classes, Math.min(seen.window, count));
    this.#inARow = atChance ? this.#inARow + 1 : 0;
    if (this.#inARow === 3)
      collapsed(
        context,
        this.settings,
        `training has collapsed: at step ${seen.done} the loss is ${seen.loss.toFixed(2)} and the accuracy ${seen.accuracy.toPrecision(2)}, what guessing among ${classes} identities gives (ln ${classes} = ${Math.log(classes).toFixed(2)})`,
      );
  }
}

/** Looks at the model as it was written: on training images, unaugmented, up to 1,024 of them spread over the set. */
async function examine(
  context: Pick<StageContext, 'output' | 'metric' | 'warn'>,
  settings: TrainSettings,
  device: Device,
  dataset: FaceDataset,
  steps: number,
): Promise<void> {
  const recogniser = await openRecogniser(context.output('model'), device);
  const count = Math.min(1024, dataset.count);
  const rows = Int32Array.from({ length: count }, (_, i) => Math.floor((i * dataset.count) / count));
  const embeddings = await recogniser.embed(dataset.read(rows), dataset.width, dataset.height);
  const labels = rows.map((row) => dataset.labels[row]!);
  const { dimension, classifier } = recogniser;
  recogniser.dispose();
  const accuracy = nearestClassAccuracy(embeddings, labels, classifier!, dimension);
  context.metric('accuracy', accuracy);
  const apart = spread(embeddings, dimension);
  if (!embeddings.every(Number.isFinite))
    throw new StageError(
      'the trained network gives embeddings that are no finite numbers',
      `Lower with.lr (now ${settings.lr}).`,
    );
  if (apart < 0.01)
    collapsed(
      context,
      settings,
      `training has collapsed: all embeddings are alike (mean squared distance to their mean ${apart.toPrecision(2)}; they are unit vectors)`,
    );
  if (accuracy > chanceAccuracy(dataset.identities, count)) return;
  const what = `${(100 * accuracy).toFixed(2)} % of ${count} training images are nearest to their own identity, what guessing among ${dataset.identities} gives`;
  if (steps < patience(settings, { total: 0, count: dataset.count }))
    context.warn(`the network has learnt nothing yet in ${steps} steps: ${what}`);
  else collapsed(context, settings, `training has collapsed: ${what}`);
}
