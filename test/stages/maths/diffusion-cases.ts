/** A generator's losses and conditions, its noise schedule, and DDIM. */
import * as tf from '@tensorflow/tfjs';
import * as conditions from '../../../stages/diffusion/conditions.js';
import * as ddim from '../../../stages/diffusion/ddim.js';
import * as losses from '../../../stages/diffusion/losses.js';
import * as schedule from '../../../stages/diffusion/schedule.js';
import { type Case, flat, scopeOf, u } from './case.js';

const predictions: schedule.Prediction[] = ['eps', 'v', 'x0'];
const T = 1000;
const noiseSchedule = new schedule.NoiseSchedule({ steps: T, betaStart: 1e-4, betaEnd: 0.02 });
const picture = [2, 2, 3, 3];

export const diffusionCases: Case[] = [
  ...(['cosine', 'euclidean'] as const).map((measure): Case => ({
    name: `similarity_${measure}`,
    covers: [losses.similarityOf],
    inputs: { a: u([4, 5]), b: u([4, 5]) },
    run: ({ a, b }) => ({ value: losses.similarityOf(measure, a as tf.Tensor2D, b as tf.Tensor2D) }),
  })),
  {
    name: 'similarity_matching_loss',
    covers: [losses.similarityMatchingLoss],
    inputs: { similarity: u([6]), m: u([6]), g: u([6], 0, 1) },
    run: ({ similarity, m, g }) => {
      const parts = losses.similarityMatchingLoss(
        similarity as tf.Tensor1D,
        m as tf.Tensor1D,
        g as tf.Tensor1D,
      );
      return { value: parts.loss, aside: { rec: parts.rec, sim: parts.sim } };
    },
  },
  {
    name: 'dual_condition_loss',
    covers: [losses.dualConditionLoss],
    inputs: { identity: u([6]), style: u([6]), g: u([6], 0, 1) },
    run: ({ identity, style, g }) => ({
      value: losses.dualConditionLoss(identity as tf.Tensor1D, style as tf.Tensor1D, g as tf.Tensor1D).loss,
    }),
  },
  ...predictions.map((prediction): Case => ({
    // x_t, the target and the estimate of the image, weighted as the mean squared error weighs them.
    name: `diffusion_${prediction}`,
    covers: [schedule.qSample, schedule.targetOf, schedule.estimateX0],
    inputs: { x0: u(picture), eps: u(picture, -2, 2), output: u(picture, -2, 2) },
    given: { abar: u([2, 1, 1, 1], 0.1, 0.9) },
    run: (at) => {
      const [x0, eps, output, abar] = [at['x0'], at['eps'], at['output'], at['abar']] as tf.Tensor4D[];
      const coefficients = { signal: tf.sqrt(abar!), noise: tf.sqrt(tf.sub<tf.Tensor4D>(1, abar!)) };
      const xt = schedule.qSample(x0!, eps!, coefficients);
      const target = schedule.targetOf(prediction, x0!, eps!, coefficients);
      const error = tf.square(tf.sub(output!, target));
      return { value: flat(error, xt, schedule.estimateX0(prediction, xt, output!, coefficients)) };
    },
  })),
  ...predictions.map((prediction, i): Case => ({
    name: `ddim_step_${prediction}`,
    covers: [ddim.ddimStep, ddim.ddimNumbers],
    inputs: {
      xt: u(picture, -2, 2),
      output: u(picture),
      ...(prediction === 'v' ? {} : { z: u(picture, -2, 2) }),
    },
    run: (at) => {
      const [t, previous, eta] = [
        [700, 650, 1],
        [400, -1, 0],
        [300, 100, 0.5],
      ][i] as [number, number, number];
      const numbers = ddim.ddimNumbers(noiseSchedule, t, previous, eta);
      const scalars = Object.fromEntries(
        Object.entries(numbers).map(([key, value]) => [key, tf.scalar(value as number)]),
      ) as ddim.DdimTensors;
      const z = at['z'] as tf.Tensor4D | undefined;
      const [xt, output] = [at['xt'], at['output']] as [tf.Tensor4D, tf.Tensor4D];
      return { value: ddim.ddimStep(prediction, xt, output, scalars, z) };
    },
  })),
  {
    name: 'ddim_steps',
    covers: [ddim.ddimSteps],
    inputs: {},
    run: () => ({
      value: tf.tensor1d(
        (['linspace', 'leading', 'trailing'] as const).flatMap((spacing) => ddim.ddimSteps(T, 8, spacing)),
      ),
    }),
  },
  {
    name: 'time_embedding',
    covers: [schedule.timeEmbedding],
    inputs: {},
    run: () => ({ value: tf.tensor1d(schedule.timeEmbedding([0, 1, 731])) }),
  },
  {
    name: 'style_statistics',
    covers: [conditions.styleStatistics],
    inputs: { map: u([2, 5, 6, 2]) },
    run: ({ map }) => ({ value: conditions.styleStatistics(map as tf.Tensor4D, 2) }),
  },
  {
    name: 'condition_unconditional',
    covers: [conditions.conditionOf],
    inputs: { 'condition.tokens.bias': u([6]) },
    run: (at) => ({
      value: conditions.conditionOf(
        scopeOf(at),
        'unconditional',
        { tokens: 2, channels: 3, embedding: 0 },
        {},
        2,
        4,
      ).tokens,
    }),
  },
  {
    name: 'condition_cemiface',
    covers: [conditions.conditionOf],
    inputs: {
      identity: u([2, 5]),
      m: u([2]),
      'condition.similarity.weight': u([5, 1]),
      'condition.similarity.bias': u([5]),
      'condition.tokens.weight': u([6, 10]),
      'condition.tokens.bias': u([6]),
      'condition.modulation.weight': u([4, 10]),
      'condition.modulation.bias': u([4]),
    },
    run: (at) => {
      const { tokens, modulation } = conditions.conditionOf(
        scopeOf(at),
        'cemiface',
        { tokens: 2, channels: 3, embedding: 5, modulation: true },
        { identity: at['identity'] as tf.Tensor2D, m: at['m'] as tf.Tensor1D },
        2,
        4,
      );
      return { value: flat(tokens, modulation!) };
    },
  },
  {
    name: 'condition_dcface',
    covers: [conditions.conditionOf],
    inputs: {
      identity: u([2, 5]),
      style: u([2, 5, 6]),
      'condition.style.weight': u([3, 6]),
      'condition.style.bias': u([3]),
      'condition.position': u([1, 5, 3]),
      'condition.tokens.weight': u([6, 5]),
      'condition.tokens.bias': u([6]),
      'condition.modulation.weight': u([4, 5]),
      'condition.modulation.bias': u([4]),
      'condition.modulation.scale': u([1]),
    },
    given: { chance: u([2, 5, 3], 0, 1) },
    run: (at) => {
      const { tokens, modulation } = conditions.conditionOf(
        scopeOf(at),
        'dcface',
        { tokens: 2, channels: 3, embedding: 5, style: { grid: 2, features: 3, dropout: 0.3 } },
        {
          identity: at['identity'] as tf.Tensor2D,
          style: at['style'] as tf.Tensor3D,
          keep: tf.cast(tf.greater(at['chance']!, 0.3), 'float32') as tf.Tensor3D,
        },
        2,
        4,
      );
      return { value: flat(tokens, modulation!) };
    },
  },
];
