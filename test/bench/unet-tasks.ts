/** The CemiFace generator in training and use, as diffusion-train and generate run it. */
import * as tf from '@tensorflow/tfjs';
import { openFrozenRecogniser } from '../../stages/diffusion/frozen-recogniser.js';
import { type GeneratorConfig, generatorLayout } from '../../stages/diffusion/generator.js';
import { Sampler } from '../../stages/diffusion/sampler.js';
import { NoiseSchedule, timeChannels, timeEmbedding } from '../../stages/diffusion/schedule.js';
import type { SampleSettings, TrainSettings } from '../../stages/diffusion/settings.js';
import { type BatchTensors, trainStep, type TrainState } from '../../stages/diffusion/train-step.js';
import { decayMaskOf, initialWeights } from '../../stages/tensors/network.js';
import { Random } from '../../stages/tensors/random.js';
import type { Task } from './compute.js';
import { quickstartRecogniser, quickstartSettings } from './quickstart.js';

/** Forward, similarity loss through the frozen E_id, backward, AdamW and moving average on one batch. */
export async function generatorTraining(): Promise<Task> {
  const { settings, folder, size, config } = await quickstartGenerator();
  const { batch } = settings;
  const layout = generatorLayout(config);
  const schedule = new NoiseSchedule(config.schedule);
  return {
    what: `training step of ${batch}`,
    images: batch,
    open(device) {
      const recogniser = openFrozenRecogniser(folder, { width: size, height: size });
      const stepSettings = { ...settings, network: config, layout, recogniser };
      const step = device.compile(trainStep(stepSettings), { donate: [0, 1, 2] });
      const fixed = { decayMask: tf.tensor1d(decayMaskOf(layout)), recogniser: recogniser.tensors };
      const weights = initialWeights(layout, 1, 'unet');
      let state: TrainState = {
        weights: tf.tensor1d(weights.slice()),
        m: tf.zeros([layout.size]),
        v: tf.zeros([layout.size]),
        average: tf.tensor1d(weights.slice()),
      };
      return {
        async turn() {
          const scalars = {
            lr: tf.scalar(1e-4),
            c1: tf.scalar(0.1),
            c2: tf.scalar(1e-3),
            decay: tf.scalar(0.9),
          };
          const out = await step(state, trainingBatch(batch, size, schedule), scalars, fixed);
          state = out.state;
          await out.reported.data();
          out.reported.dispose();
        },
        close() {
          step.dispose();
          tf.dispose([{ ...state }, fixed.decayMask, { ...fixed.recogniser }]);
        },
      };
    },
  };
}

/** The UNet and the DDIM update on one batch, from noise in memory to bytes. */
export async function denoising(): Promise<Task> {
  const { samples, size, config } = await quickstartGenerator();
  const { batch } = samples;
  const layout = generatorLayout(config);
  const noise = new Random(1, 'bench').fillNormal(new Float32Array(batch * size * size * 3));
  return {
    what: `DDIM step of ${batch}`,
    images: batch,
    open(device) {
      const sampler = new Sampler(device, config, layout, initialWeights(layout, 1, 'unet'), {
        ...samples,
        steps: 1,
      });
      const condition = {
        identity: unitRows(batch, config.condition.embedding),
        m: tf.zeros<tf.Rank.R1>([batch]),
      };
      return {
        async turn() {
          await sampler.sample(noise, condition);
        },
        close() {
          sampler.dispose();
          tf.dispose(condition);
        },
      };
    },
  };
}

async function quickstartGenerator() {
  const recogniser = await quickstartRecogniser();
  const { folder, size } = recogniser;
  const [cemiface, samples] = await quickstartSettings('cemiface', 'samples');
  const settings = cemiface as unknown as TrainSettings;
  const { tokens, channels } = settings.condition;
  const config: Omit<GeneratorConfig, 'provenance'> = {
    format: 'cemiflow-model/1',
    kind: 'unet',
    method: 'cemiface',
    prediction: settings.prediction,
    schedule: { steps: settings.T, betaStart: settings.betaStart, betaEnd: settings.betaEnd },
    width: size,
    height: size,
    unet: settings.unet,
    condition: { tokens, channels, embedding: recogniser.settings.architecture.embeddingSize },
    similarity: settings.similarity,
  };
  return { folder, size, settings, samples: samples as unknown as SampleSettings, config };
}

/** Made anew for each step, which disposes it. */
function trainingBatch(count: number, size: number, schedule: NoiseSchedule): BatchTensors {
  const random = new Random(1, 'bench');
  const normal = () => random.fillNormal(new Float32Array(count * size * size * 3));
  const images: [number, number, number, number] = [count, size, size, 3];
  const each: [number, number, number, number] = [count, 1, 1, 1];
  const t = Array.from({ length: count }, () => random.int(schedule.steps));
  return {
    images: tf.tensor4d(normal(), images),
    noise: tf.tensor4d(normal(), images),
    time: tf.tensor2d(timeEmbedding(t), [count, timeChannels]),
    signal: tf.tensor4d(
      t.map((step) => schedule.signal(step)),
      each,
    ),
    noiseScale: tf.tensor4d(
      t.map((step) => schedule.noise(step)),
      each,
    ),
    g: tf.tensor1d(t.map((step) => step / schedule.steps)),
    m: tf.tensor1d(t.map(() => 2 * random.uniform() - 1)),
  };
}

function unitRows(rows: number, dimension: number): tf.Tensor2D {
  return tf.tidy(() => {
    const values = new Random(1, 'identities').fillNormal(new Float32Array(rows * dimension));
    const x = tf.tensor2d(values, [rows, dimension]);
    return tf.div(x, tf.norm(x, 2, 1, true));
  });
}
