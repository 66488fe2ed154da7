/** The CemiFace generator in training and use, as diffusion-train and generate run it. */
import * as tf from '@tensorflow/tfjs';
import type { JsonObject } from '../../engine/experiment/experiment.js';
import type { NamedTensor } from '../../stages/data/safetensors.js';
import { ddimNumbers, ddimSteps } from '../../stages/diffusion/ddim.js';
import { openFrozenRecogniser } from '../../stages/diffusion/frozen-recogniser.js';
import { type GeneratorConfig, generatorLayout } from '../../stages/diffusion/generator.js';
import { Sampler } from '../../stages/diffusion/sampler.js';
import { NoiseSchedule, timeChannels, timeEmbedding } from '../../stages/diffusion/schedule.js';
import type { SampleSettings, TrainSettings } from '../../stages/diffusion/settings.js';
import { trainStep, type TrainState } from '../../stages/diffusion/train-step.js';
import { toNamed } from '../../stages/tensors/named-arrays.js';
import { decayMaskOf, initialBuffers, type Layout } from '../../stages/tensors/network.js';
import { biasCorrections } from '../../stages/tensors/optimisers.js';
import { Random } from '../../stages/tensors/random.js';
import type { Task } from './compute.js';
import { prefixed, randomWeights, settingsOf, type TimedRecogniser } from './networks.js';

const lr = 1e-4;
const decay = 0.9;
const noBuffers = new Float32Array(0);

export interface TimedGenerator {
  recogniser: TimedRecogniser;
  settings: TrainSettings;
  samples: SampleSettings;
  config: Omit<GeneratorConfig, 'provenance'>;
  layout: Layout;
  weights: Float32Array;
}

/** The CemiFace generator of an experiment, told by its E_id. */
export async function timedGenerator(file: string, recogniser: TimedRecogniser): Promise<TimedGenerator> {
  const [cemiface, samples] = await settingsOf(file, 'cemiface', 'samples');
  const settings = cemiface as unknown as TrainSettings;
  const { tokens, channels, modulation } = settings.condition;
  const embedding = recogniser.settings.architecture.embeddingSize;
  const config: Omit<GeneratorConfig, 'provenance'> = {
    format: 'cemiflow-model/1',
    kind: 'unet',
    method: 'cemiface',
    prediction: settings.prediction,
    schedule: { steps: settings.T, betaStart: settings.betaStart, betaEnd: settings.betaEnd },
    width: recogniser.size,
    height: recogniser.size,
    unet: settings.unet,
    condition: { tokens, channels, embedding, ...(modulation ? { modulation } : {}) },
    similarity: settings.similarity,
  };
  const layout = generatorLayout(config);
  const weights = randomWeights(layout);
  return { recogniser, settings, samples: samples as unknown as SampleSettings, config, layout, weights };
}

/** Forward, similarity loss through the frozen E_id, backward, AdamW and moving average on one batch. */
export function generatorTraining(generator: TimedGenerator): Task {
  const { recogniser, settings, config, layout, weights } = generator;
  const { folder, size } = recogniser;
  const { batch } = settings;
  const inputs = trainingBatch(batch, size, new NoiseSchedule(config.schedule));
  return {
    what: `training step of ${batch}`,
    images: batch,
    open(device) {
      const frozen = openFrozenRecogniser(folder, { width: size, height: size });
      const stepSettings = { ...settings, network: config, layout, recogniser: frozen };
      const step = device.compile(trainStep(stepSettings), { donate: [0, 1, 2] });
      const fixed = { decayMask: tf.tensor1d(decayMaskOf(layout)), recogniser: frozen.tensors };
      let state: TrainState = {
        weights: tf.tensor1d(weights.slice()),
        m: tf.zeros([layout.size]),
        v: tf.zeros([layout.size]),
        average: tf.tensor1d(weights.slice()),
      };
      let steps = 0;
      return {
        async turn() {
          const { c1, c2 } = biasCorrections(++steps);
          const scalars = {
            lr: tf.scalar(lr),
            c1: tf.scalar(c1),
            c2: tf.scalar(c2),
            decay: tf.scalar(decay),
          };
          const given = Object.fromEntries(
            Object.entries(inputs).map(([name, { shape, data }]) => [name, tf.tensor(data, shape)]),
          );
          const out = await step(state, given as unknown as Parameters<typeof step>[1], scalars, fixed);
          state = out.state;
          const [loss] = (await out.reported.data()) as Float32Array;
          out.reported.dispose();
          return loss!;
        },
        close() {
          step.dispose();
          tf.dispose([{ ...state }, fixed.decayMask, { ...fixed.recogniser }]);
        },
      };
    },
    torch: () => ({
      settings: {
        kind: 'train-generator',
        network: { unet: config.unet, condition: conditionOf(config) } as unknown as JsonObject,
        recogniser: recogniser.settings.architecture as unknown as JsonObject,
        prediction: settings.prediction,
        lambda: settings.lambda,
        lr,
        weightDecay: settings.weightDecay,
        clip: settings.clip,
        decay,
      },
      tensors: new Map([
        ...prefixed('network/', toNamed(layout, weights, noBuffers)),
        ...prefixed('recogniser/', weightsOf(recogniser)),
        ...prefixed('input/', new Map(Object.entries(inputs))),
      ]),
    }),
  };
}

/** The UNet and the DDIM update on one batch, from noise in memory to bytes. */
export function denoising({ recogniser, samples, config, layout, weights }: TimedGenerator): Task {
  const { size } = recogniser;
  const { batch, eta, spacing } = samples;
  const random = new Random(1, 'bench');
  const noise = random.fillNormal(new Float32Array(batch * size * size * 3));
  const dimension = config.condition.embedding;
  const identities = unitRows(batch, dimension);
  const m = new Float32Array(batch);
  const schedule = new NoiseSchedule(config.schedule);
  const [t] = ddimSteps(config.schedule.steps, 1, spacing);
  return {
    what: `DDIM step of ${batch}`,
    images: batch,
    open(device) {
      const sampler = new Sampler(device, config, layout, weights, { eta, spacing, steps: 1 });
      const condition = { identity: tf.tensor2d(identities, [batch, dimension]), m: tf.tensor1d(m) };
      return {
        async turn() {
          const bytes = await sampler.sample(noise, condition);
          return bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
        },
        close() {
          sampler.dispose();
          tf.dispose(condition);
        },
      };
    },
    torch: () => ({
      settings: {
        kind: 'sample',
        network: { unet: config.unet, condition: conditionOf(config) } as unknown as JsonObject,
        prediction: config.prediction,
        at: ddimNumbers(schedule, t!, -1, eta) as unknown as JsonObject,
      },
      tensors: new Map<string, NamedTensor>([
        ...prefixed('network/', toNamed(layout, weights, noBuffers)),
        ['input/start', { shape: [batch, size, size, 3], data: noise }],
        ['input/time', { shape: [1, timeChannels], data: timeEmbedding([t!]) }],
        ['input/identity', { shape: [batch, dimension], data: identities }],
        ['input/m', { shape: [batch], data: m }],
      ]),
    }),
  };
}

function conditionOf({ condition }: Pick<GeneratorConfig, 'condition'>): JsonObject {
  return { ...condition, modulation: condition.modulation === true } as unknown as JsonObject;
}

function weightsOf({ layout, weights }: TimedRecogniser): ReadonlyMap<string, NamedTensor> {
  const named = toNamed(layout, weights, initialBuffers(layout));
  named.delete('classifier.weight');
  return named;
}

/** One batch, by the names of `BatchTensors`. */
function trainingBatch(count: number, size: number, schedule: NoiseSchedule): Record<string, NamedTensor> {
  const random = new Random(1, 'bench');
  const normal = () => ({
    shape: [count, size, size, 3],
    data: random.fillNormal(new Float32Array(count * size * size * 3)),
  });
  const [images, noise] = [normal(), normal()];
  const t = Array.from({ length: count }, () => random.int(schedule.steps));
  const each = (value: (step: number) => number, ...rest: number[]) => ({
    shape: [count, ...rest],
    data: Float32Array.from(t, value),
  });
  return {
    images,
    noise,
    time: { shape: [count, timeChannels], data: timeEmbedding(t) },
    signal: each((step) => schedule.signal(step), 1, 1, 1),
    noiseScale: each((step) => schedule.noise(step), 1, 1, 1),
    g: each((step) => step / schedule.steps),
    m: each(() => 2 * random.uniform() - 1),
  };
}

function unitRows(rows: number, dimension: number): Float32Array {
  const values = new Random(1, 'identities').fillNormal(new Float32Array(rows * dimension));
  for (let from = 0; from < values.length; from += dimension) {
    const row = values.subarray(from, from + dimension);
    const length = Math.hypot(...row);
    row.forEach((value, i) => (row[i] = value / length));
  }
  return values;
}
