/**
 * Trains a generator: loop, checkpoints, metrics. The mathematics of a step is in train-step.ts, what goes into it in
 * train-batches.ts.
 */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { DiffusionTrainSettings } from '../../schemas/generated/stages/diffusion-train.js';
import { Cadence } from '../checkpoint/cadence.js';
import { deviceFolder } from '../checkpoint/device-folder.js';
import { TrainingCheckpoint } from '../checkpoint/training-state.js';
import { type JsonObject, type StageContext, StageError } from '../contract.js';
import { openDataset } from '../data/dataset.js';
import { type Device, openDevice } from '../tensors/device.js';
import { decayMaskOf, initialWeights, type Layout } from '../tensors/network.js';
import { biasCorrections } from '../tensors/optimisers.js';
import { leaves } from '../tensors/pytree.js';
import { Random } from '../tensors/random.js';
import { valuesOf } from '../tensors/values.js';
import type { BatchRecipe } from '../training/serve.js';
import { DataWait } from '../batches/data-wait.js';
import { rateAt } from '../training/learning-rate.js';
import { Prefetch } from '../batches/prefetch.js';
import { tell, type Told } from '../training/told.js';
import { costOfZeros, GeneratorWatch } from './collapse.js';
import { openFrozenRecogniser } from './frozen-recogniser.js';
import {
  type GeneratorConfig,
  generatorLayout,
  type GeneratorNetwork,
  startFrom,
  type Start,
  writeGenerator,
} from './generator.js';
import { writeSheet } from './sample-sheet.js';
import { Sampler } from './sampler.js';
import { NoiseSchedule, timeEmbedding } from './schedule.js';
import type { TrainSettings } from './settings.js';
import { similaritiesOf } from './similarities.js';
import type { BatchSettings, TrainBatch } from './train-batches.js';
import { type BatchTensors, reportedBy, type StepScalars, trainStep, type TrainState } from './train-step.js';

/** What a resumed training has to know besides its vectors. */
type Notes = {
  /** Expected cost of predicting zeros, summed since the last report. */
  zeros: number;
  stuck: number;
  exploded: number;
  told?: Told;
};

export async function run(context: StageContext<DiffusionTrainSettings>): Promise<void> {
  const settings = context.settings as TrainSettings;
  const { method } = settings;
  const dataset = openDataset(context, 'dataset', settings.group);
  if (dataset.count === 0) throw new StageError('the dataset holds no images', 'Give it some.');
  const { width, height } = dataset;

  const { tokens, channels, modulation, grid, dropout } = settings.condition;
  const recipe: BatchRecipe<BatchSettings> = {
    dataset: dataset.place,
    settings: {
      seed: context.seed,
      batch: settings.batch,
      steps: settings.T,
      flip: settings.flip,
      ...(method === 'cemiface' ? { similarities: similaritiesOf(settings.m) } : {}),
      ...(method === 'dcface' ? { pairs: { components: (grid ** 2 + 1) * channels, dropout } } : {}),
    },
  };
  // Its thread starts while the device is opened.
  const program = new URL('./batch-worker.js', import.meta.url);
  await using batches = new Prefetch<TrainBatch>(program, recipe, { threads: context.threads });
  const device = await openDevice(context.device, { threads: context.threads });
  if (method !== 'unconditional' && !context.has('model'))
    throw new StageError(`method ${method} needs E_id`, 'Add an input `model`, the output of fr-train.');
  const recogniser =
    method === 'unconditional'
      ? undefined
      : openFrozenRecogniser(context.input('model').path, { width, height }, dataset.info.provenance);

  const style =
    method === 'dcface' && recogniser ? { grid, features: recogniser.features, dropout } : undefined;
  const network: GeneratorNetwork = {
    method,
    width,
    height,
    unet: settings.unet,
    condition: {
      tokens,
      channels,
      embedding: recogniser?.dimension ?? 0,
      ...(method === 'cemiface' && modulation ? { modulation } : {}),
      ...(style ? { style } : {}),
    },
  };
  const { prediction, similarity } = settings;
  const config: Omit<GeneratorConfig, 'provenance'> = {
    format: 'cemiflow-model/1',
    kind: 'unet',
    prediction,
    schedule: { steps: settings.T, betaStart: settings.betaStart, betaEnd: settings.betaEnd },
    ...network,
    ...(method === 'cemiface' ? { similarity } : {}),
  };
  const layout = generatorLayout(network);
  const begin = beginning(context, layout, config);
  const total = settings.steps ?? Math.max(1, Math.round((settings.epochs * dataset.count) / settings.batch));
  context.log(
    `${method} generator of ${layout.size} weights, ${total} steps of ${settings.batch} images on ${device.name}`,
  );

  const schedule = new NoiseSchedule(config.schedule);
  const stepSettings = { ...settings, network, layout, recogniser };
  const names = reportedBy(stepSettings);
  const step = device.compile(trainStep(stepSettings), { donate: [0, 1, 2] });
  const fixed = {
    decayMask: tf.tensor1d(decayMaskOf(layout)),
    ...(recogniser ? { recogniser: recogniser.tensors } : {}),
  };

  const checkpoint = new TrainingCheckpoint(deviceFolder(context, device), {
    weights: layout.size,
    m: layout.size,
    v: layout.size,
    average: layout.size,
    sums: names.length,
  });
  const resumed = checkpoint.read(context);
  if (resumed) context.log(`resuming at step ${resumed.step}`);
  let done = resumed?.step ?? 0;
  batches.begin(done, total);
  const sums = resumed?.vectors.sums ?? new Float32Array(names.length);
  let state: TrainState = {
    weights: tf.tensor1d((resumed?.vectors.weights ?? begin.weights).slice()),
    m: tf.tensor1d(resumed?.vectors.m ?? new Float32Array(layout.size)),
    v: tf.tensor1d(resumed?.vectors.v ?? new Float32Array(layout.size)),
    average: tf.tensor1d((resumed?.vectors.average ?? begin.weights).slice()),
  };
  const notes = (resumed?.notes ?? { zeros: 0, stuck: 0, exploded: 0 }) as Notes;
  const watch = new GeneratorWatch(settings, total, notes);
  tell(context, notes.told);
  const save = async () => {
    const [weights, m, v, average] = (await Promise.all([
      state.weights.data(),
      state.m.data(),
      state.v.data(),
      state.average.data(),
    ])) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const { stuck, exploded } = watch;
    checkpoint.save({
      step: done,
      vectors: { weights, m, v, average, sums },
      notes: { ...notes, stuck: stuck.length, exploded: exploded.length },
    });
  };

  const cadence = new Cadence();
  let logged = { at: performance.now(), step: done };
  const wait = new DataWait();
  context.progress(done, total);
  while (done < total) {
    if (context.signal.aborted) {
      await save();
      throw context.signal.reason;
    }
    const lr = rateAt(settings, done, total);
    const scalars = scalarsOf(lr, done, settings);
    const begun = performance.now();
    const batch = await batches.take();
    const tensors = tensorsOf(batch, schedule, network);
    wait.add(performance.now() - begun);
    const out = await step(state, tensors, scalars, fixed);
    state = out.state;
    const reported = await valuesOf(out.reported);
    out.reported.dispose();
    if (!reported.every(Number.isFinite))
      throw new StageError(
        `the ${names[reported.findIndex((value) => !Number.isFinite(value))]} is no finite number at step ${done}`,
        `Lower with.lr (now ${settings.lr}), or set with.clip.`,
      );
    reported.forEach((value, i) => (sums[i] = sums[i]! + value));
    notes.zeros += costOfZeros(prediction, batch, schedule);
    batches.giveBack(batch);
    done++;

    const every = settings.metricsEvery;
    if (done % every === 0 || done === total) {
      const count = done % every === 0 ? every : done % every;
      const means = names.map((name, i): [string, number] => [name, sums[i]! / count]);
      notes.told = { step: done, values: Object.fromEntries([...means, ['lr', lr]]) };
      tell(context, notes.told);
      const seconds = (performance.now() - logged.at) / 1000;
      context.metric('images_per_second', ((done - logged.step) * settings.batch) / seconds, done);
      context.metric('data_wait', wait.share, done);
      logged = { at: performance.now(), step: done };
      watch.see(context, { done, mse: notes.told.values['loss/mse']!, zeros: notes.zeros / count });
      sums.fill(0);
      notes.zeros = 0;
    }
    context.progress(done, total, `loss ${reported[0]!.toFixed(4)}`);
    if (cadence.due) await cadence.save(save);
  }
  await save();

  const average = Float32Array.from(await state.average.data());
  for (const { tensor } of leaves([state, fixed])) tensor.dispose();
  step.dispose();
  // What is done about a collapse has no part in a model.
  const { onCollapse: _, ...making } = settings;
  const training: JsonObject = {
    ...(making as unknown as JsonObject),
    steps: total,
    seed: context.seed,
    images: dataset.count,
  };
  writeGenerator(
    context.output('model'),
    {
      ...config,
      provenance: {
        kind: 'unet',
        architecture: describe(settings, layout),
        loss: method,
        training,
        data: dataset.info.provenance,
        ...(begin.from ? { init: begin.from.provenance } : {}),
        ...(recogniser ? { recogniser: recogniser.provenance } : {}),
      },
    },
    layout,
    average,
  );
  if (method === 'unconditional') await showSamples(context, device, config, layout, average);
}

/** The weights it starts from: those of the input `init` where they fit, random ones elsewhere. */
function beginning(
  context: StageContext<DiffusionTrainSettings>,
  layout: Layout,
  config: Omit<GeneratorConfig, 'provenance'>,
): Pick<Start, 'weights'> & Partial<Start> {
  const weights = initialWeights(layout, context.seed, 'unet');
  if (context.settings.init !== 'input') {
    if (context.has('init')) context.log('the input init is not used: with.init is none');
    return { weights };
  }
  if (!context.has('init'))
    throw new StageError(
      'with.init is input, but the stage has no input init',
      'Add `init` to its inputs, or set with.init to none.',
    );
  const start = startFrom(context.input('init').path, layout, weights, config);
  const count = layout.weights.length;
  context.log(
    `${start.loaded.length} of ${count} weights start from the input init (${start.from.provenance.architecture}, sha256 ${start.from.provenance.weights.slice(0, 12)}); ` +
      `afresh: ${start.fresh.join(', ') || 'none'}`,
  );
  return start;
}

function scalarsOf(lr: number, step: number, { ema, emaPower }: TrainSettings): StepScalars {
  const { c1, c2 } = biasCorrections(step + 1);
  const decay = Math.min(ema, 1 - (1 + step) ** -emaPower);
  return { lr: tf.scalar(lr), c1: tf.scalar(c1), c2: tf.scalar(c2), decay: tf.scalar(decay) };
}

function tensorsOf(
  batch: TrainBatch,
  schedule: NoiseSchedule,
  { width, height, condition }: GeneratorNetwork,
): BatchTensors {
  const count = batch.t.length;
  const images: [number, number, number, number] = [count, height, width, 3];
  const perImage = (value: (t: number) => number) => Float32Array.from(batch.t, value);
  return {
    images: tf.tensor4d(batch.images, images),
    noise: tf.tensor4d(batch.noise, images),
    time: tf.tensor2d(timeEmbedding(batch.t), [count, 128]),
    signal: tf.tensor4d(
      perImage((t) => schedule.signal(t)),
      [count, 1, 1, 1],
    ),
    noiseScale: tf.tensor4d(
      perImage((t) => schedule.noise(t)),
      [count, 1, 1, 1],
    ),
    g: tf.tensor1d(perImage((t) => t / schedule.steps)),
    ...(batch.identityImages ? { identityImages: tf.tensor4d(batch.identityImages, images) } : {}),
    ...(batch.m ? { m: tf.tensor1d(batch.m) } : {}),
    ...(batch.keep
      ? {
          keep: tf.tensor3d(batch.keep, [
            count,
            batch.keep.length / count / condition.channels,
            condition.channels,
          ]),
        }
      : {}),
  };
}

function describe({ unet, prediction }: TrainSettings, layout: Layout): string {
  const widths = unet.multipliers.map((multiplier) => unet.base * multiplier).join('/');
  return `UNet ${widths}, ${(layout.size / 1e6).toFixed(2)}M weights, ${prediction}-prediction`;
}

/** What an unconditional generator makes, as a sheet beside its weights: nothing else in a pipeline would show it. */
async function showSamples(
  context: StageContext<DiffusionTrainSettings>,
  device: Device,
  config: Omit<GeneratorConfig, 'provenance'>,
  layout: Layout,
  weights: Float32Array,
): Promise<void> {
  const count = 24;
  const { width, height } = config;
  const steps = Math.min(25, config.schedule.steps);
  const sampler = new Sampler(device, config, layout, weights, { steps, eta: 0, spacing: 'linspace' });
  const noise = new Random(context.seed, 'samples').fillNormal(new Float32Array(count * width * height * 3));
  const pixels = await sampler.sample(noise, {}, { signal: context.signal });
  sampler.dispose();
  const stride = width * height * 3;
  const images = Array.from({ length: count }, (_, i) => pixels.subarray(i * stride, (i + 1) * stride));
  await writeSheet(join(context.output('model'), 'sample.png'), images, { width, height }, 8);
}
