/**
 * Trains a face recognition network as a classifier of a data set's identities: loop, checkpoints, metrics. The
 * mathematics of a step is in train-step.ts, what goes into it in train-batches.ts.
 */
import * as tf from '@tensorflow/tfjs';
import type { FrTrainSettings } from '../../schemas/generated/stages/fr-train.js';
import { Cadence } from '../checkpoint/cadence.js';
import { deviceFolder } from '../checkpoint/device-folder.js';
import { TrainingCheckpoint } from '../checkpoint/training-state.js';
import { type JsonObject, type StageContext, StageError } from '../contract.js';
import { firstOf, openDataset } from '../data/dataset.js';
import type { FaceDataset } from '../data/image-set.js';
import { openDevice } from '../tensors/device.js';
import { toNamed } from '../tensors/named-arrays.js';
import { initialBuffers, initialWeights } from '../tensors/network.js';
import type { BatchRecipe } from '../training/serve.js';
import { DataWait } from '../batches/data-wait.js';
import { rateAt } from '../training/learning-rate.js';
import { Prefetch } from '../batches/prefetch.js';
import { type Told, tell } from '../training/told.js';
import { CollapseWatch, examine } from './collapse-watch.js';
import { describe, iresnetProblems } from './iresnet.js';
import { writeRecognition } from './model.js';
import { architectureOf, marginOf, type TrainSettings } from './settings.js';
import type { BatchSettings, TrainBatch } from './train-batches.js';
import { reported, type StepSettings, trainLayout, trainStep, type TrainState } from './train-step.js';

const lossNames = { cosface: 'CosFace', arcface: 'ArcFace', adaface: 'AdaFace' };

export async function run(context: StageContext<FrTrainSettings>): Promise<void> {
  const settings = context.settings as TrainSettings;
  const { batch, augmentation } = settings;
  const whole = openDataset(context, 'dataset', settings.group);
  const dataset = settings.subset ? firstOf(whole, settings.subset) : whole;
  checkDataset(dataset);
  const architecture = architectureOf(settings, dataset.width);
  for (const problem of iresnetProblems(architecture))
    throw new StageError(problem, 'Choose a smaller with.backbone, or larger images.');

  const recipe: BatchRecipe<BatchSettings> = {
    dataset: dataset.place,
    settings: { seed: context.seed, batch, augmentation },
  };
  // Its thread starts while the device is opened.
  const program = new URL('./batch-worker.js', import.meta.url);
  await using batches = new Prefetch<TrainBatch>(program, recipe, { threads: context.threads });
  const device = await openDevice(context.device, { threads: context.threads });
  const classes = dataset.identities;
  const stepSettings: StepSettings = { ...settings, architecture, margin: marginOf(settings), classes };
  const layout = trainLayout(stepSettings);
  const total = settings.steps ?? Math.max(1, Math.round((settings.epochs * dataset.count) / batch));
  context.log(
    `${describe(architecture)}, ${classes} identities, ${dataset.count} images, ${total} steps of ${batch} on ${device.name}`,
  );

  const step = device.compile(trainStep(stepSettings, layout), { donate: [0] });
  const checkpoint = new TrainingCheckpoint(deviceFolder(context, device), {
    weights: layout.size,
    m: layout.size,
    buffers: layout.bufferSize,
    sums: reported.length,
  });
  const resumed = checkpoint.read(context);
  if (resumed) context.log(`resuming at step ${resumed.step}`);
  let done = resumed?.step ?? 0;
  let state: TrainState = {
    weights: tf.tensor1d(resumed?.vectors.weights ?? initialWeights(layout, context.seed, 'recognition')),
    m: tf.tensor1d(resumed?.vectors.m ?? new Float32Array(layout.size)),
    buffers: tf.tensor1d(resumed?.vectors.buffers ?? initialBuffers(layout)),
    sums: tf.tensor1d(resumed?.vectors.sums ?? new Float32Array(reported.length)),
  };
  batches.begin(done, total);
  const notes = (resumed?.notes ?? { bad: 0 }) as { bad: number; told?: Told };
  tell(context, notes.told);
  const save = async () => {
    const [weights, m, buffers, sums] = (await Promise.all([
      state.weights.data(),
      state.m.data(),
      state.buffers.data(),
      state.sums.data(),
    ])) as [Float32Array, Float32Array, Float32Array, Float32Array];
    checkpoint.save({
      step: done,
      vectors: { weights, m, buffers, sums },
      notes: { ...notes, bad: collapse.streak.length },
    });
  };

  const images: [number, number, number, number] = [batch, dataset.height, dataset.width, 3];
  const collapse = new CollapseWatch(settings, { total, classes, count: dataset.count }, notes.bad);
  const cadence = new Cadence();
  let logged = { at: performance.now(), step: done };
  const wait = new DataWait();
  let loss = NaN;
  context.progress(done, total);
  while (done < total) {
    if (context.signal.aborted) {
      await save();
      throw context.signal.reason;
    }
    const begun = performance.now();
    const next = await batches.take();
    const lr = rateAt(settings, done, total);
    const given = [
      tf.tensor4d(next.images, images),
      tf.tensor1d(next.labels, 'int32'),
      tf.scalar(lr),
    ] as const;
    wait.add(performance.now() - begun);
    state = await step(state, ...given);
    tf.dispose(given as unknown as tf.TensorContainer);
    batches.giveBack(next);
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
      const told = reported.map((name, i) => [name === 'loss' ? name : `train/${name}`, means[i]!] as const);
      notes.told = { step: done, values: Object.fromEntries([...told, ['lr', lr]]) };
      tell(context, notes.told);
      const now = performance.now();
      context.metric('images_per_second', ((done - logged.step) * batch * 1000) / (now - logged.at), done);
      context.metric('data_wait', wait.share, done);
      logged = { at: now, step: done };
      const [, accuracy, own] = means as [number, number, number];
      collapse.see(context, { done, window: count * batch, loss, accuracy, own });
    }
    context.progress(done, total, Number.isNaN(loss) ? '' : `loss ${loss.toFixed(3)}`);
    if (cadence.due) await cadence.save(save);
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
