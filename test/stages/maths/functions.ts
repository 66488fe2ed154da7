/**
 * Every layer, loss and optimiser as a case: inputs of reproducible random numbers, and what is computed of them. The cases are checked
 * against PyTorch on every device (functions.test.ts) and against finite differences in double precision (derivatives.test.ts).
 *
 * test/reference/maths_reference.py has a function of the same name for each case and makes the same numbers from the same names.
 */
import * as tf from '@tensorflow/tfjs';
import * as conditions from '../../../stages/diffusion/conditions.js';
import * as ddim from '../../../stages/diffusion/ddim.js';
import * as losses from '../../../stages/diffusion/losses.js';
import * as schedule from '../../../stages/diffusion/schedule.js';
import * as framing from '../../../stages/recognition/face-api/framing.js';
import { residualBlock } from '../../../stages/recognition/face-api/network.js';
import * as margins from '../../../stages/recognition/margins.js';
import * as layers from '../../../stages/tensors/layers.js';
import type { Scope } from '../../../stages/tensors/network.js';
import * as optimisers from '../../../stages/tensors/optimisers.js';

/** The modules whose every exported function must be in some case. */
export const covered = {
  'stages/tensors/layers.ts': layers,
  'stages/tensors/optimisers.ts': optimisers,
  'stages/recognition/margins.ts': margins,
  'stages/recognition/face-api/framing.ts': framing,
  'stages/diffusion/losses.ts': losses,
  'stages/diffusion/conditions.ts': conditions,
  'stages/diffusion/ddim.ts': ddim,
  'stages/diffusion/schedule.ts': schedule,
};

type Exported = (...args: never[]) => unknown;

export interface Case {
  /** The function of the reference script. */
  name: string;
  /** The exported functions it checks. */
  covers: readonly Exported[];
  /** What is differentiated. */
  inputs: Record<string, Numbers>;
  /** What is not: labels, masks, running statistics, coefficients. */
  given?: Record<string, Numbers>;
  /** Inputs whose gradient is by design not the derivative, with the reason. PyTorch, told to stop there too, still has a say. */
  stopped?: Record<string, string>;
  run(at: Tensors): { value: tf.Tensor; aside?: Tensors };
}

export interface Numbers {
  shape: number[];
  lo: number;
  hi: number;
}
export type Tensors = Record<string, tf.Tensor>;

/** Uniform in [lo, hi). */
function u(shape: number[], lo = -1, hi = 1): Numbers {
  return { shape, lo, hi };
}

/** The numbers of an input, rounded to float32: mulberry32 seeded by FNV-1a of its name. */
export function numbersOf(name: string, input: string, { shape, lo, hi }: Numbers): number[] {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(`${name}/${input}`)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  return Array.from({ length: tf.util.sizeFromShape(shape) }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.fround(lo + ((hi - lo) * ((t ^ (t >>> 14)) >>> 0)) / 2 ** 32);
  });
}

/** A scope that takes weights and buffers from the case's inputs, and puts updated buffers into `aside`. */
function scopeOf(at: Tensors, training = true, aside: Tensors = {}): Scope {
  const named = (name: string, shape: number[]): tf.Tensor => {
    tf.util.assertShapesMatch(at[name]!.shape, shape);
    return at[name]!;
  };
  return {
    training,
    weight: named,
    buffer: named,
    updateBuffer: (name, value) => void (aside[name] = value),
  };
}

/** Several results as one vector. */
function flat(...tensors: tf.Tensor[]): tf.Tensor {
  return tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1])));
}

function convolution(name: string, x: number[], out: number, options: layers.ConvolutionOptions = {}): Case {
  const { kernel = 3, bias = true } = options;
  return {
    name,
    covers: [layers.conv2d],
    inputs: {
      x: u(x),
      'l.weight': u([out, kernel, kernel, x[3]!]),
      ...(bias ? { 'l.bias': u([out]) } : {}),
    },
    run: (at) => ({ value: layers.conv2d(scopeOf(at), 'l', at['x']!, out, options) }),
  };
}

const unary = (
  name: string,
  shape: number[],
  f: (x: tf.Tensor) => tf.Tensor,
  covers: readonly Exported[],
  [lo, hi]: [number, number] = [-2, 2],
): Case => ({ name, covers, inputs: { x: u(shape, lo, hi) }, run: ({ x }) => ({ value: f(x!) }) });

const layerCases: Case[] = [
  convolution('conv2d', [2, 5, 4, 2], 3),
  convolution('conv2d_stride_2', [2, 6, 6, 2], 3, { stride: 2, bias: false }),
  convolution('conv2d_stride_2_odd', [2, 5, 7, 2], 2, { stride: 2 }),
  convolution('conv2d_1x1', [2, 3, 3, 4], 3, { kernel: 1 }),
  convolution('conv2d_1x1_stride_2', [2, 6, 6, 2], 3, { kernel: 1, stride: 2 }),
  convolution('conv2d_7x7_stride_2', [1, 8, 8, 2], 2, { kernel: 7, stride: 2 }),
  convolution('conv2d_one_image', [1, 6, 5, 3], 4),
  {
    name: 'linear',
    covers: [layers.linear],
    inputs: { x: u([2, 3, 4]), 'l.weight': u([3, 4]), 'l.bias': u([3]) },
    run: (at) => ({ value: layers.linear(scopeOf(at), 'l', at['x']!, 3) }),
  },
  {
    name: 'linear_without_bias',
    covers: [layers.linear],
    inputs: { x: u([5, 4]), 'l.weight': u([2, 4]) },
    run: (at) => ({ value: layers.linear(scopeOf(at), 'l', at['x']!, 2, { bias: false }) }),
  },
  {
    name: 'group_norm',
    covers: [layers.groupNorm],
    inputs: { x: u([2, 5, 4, 4], -2, 2), gain: u([2, 1, 1, 4]), offset: u([2, 1, 1, 4]) },
    run: (at) => ({ value: layers.groupNorm(at['x']!, 2, at['gain']!, at['offset']!) }),
  },
  {
    name: 'group_norm_affine',
    covers: [layers.groupNormAffine],
    inputs: { x: u([2, 3, 2, 6]), 'l.weight': u([6]), 'l.bias': u([6]) },
    run: (at) => ({ value: layers.groupNormAffine(scopeOf(at), 'l', at['x']!, 3) }),
  },
  {
    name: 'batch_norm_training',
    covers: [layers.batchNorm],
    inputs: { x: u([3, 2, 3, 2]), 'l.weight': u([2]), 'l.bias': u([2]) },
    given: { 'l.running_mean': u([2]), 'l.running_var': u([2], 0.5, 2) },
    run: (at) => {
      const aside: Tensors = {};
      return { value: layers.batchNorm(scopeOf(at, true, aside), 'l', at['x']!), aside };
    },
  },
  {
    name: 'batch_norm_in_use',
    covers: [layers.batchNorm],
    inputs: { x: u([3, 2, 3, 2]), 'l.weight': u([2]), 'l.bias': u([2]) },
    given: { 'l.running_mean': u([2]), 'l.running_var': u([2], 0.5, 2) },
    run: (at) => ({ value: layers.batchNorm(scopeOf(at, false), 'l', at['x']!) }),
  },
  {
    name: 'batch_norm_of_rows_without_gain',
    covers: [layers.batchNorm],
    inputs: { x: u([5, 3]), 'l.bias': u([3]) },
    given: { 'l.running_mean': u([3]), 'l.running_var': u([3], 0.5, 2) },
    run: (at) => {
      const aside: Tensors = {};
      const options = { gain: false, momentum: 0.3, eps: 1e-3 };
      return { value: layers.batchNorm(scopeOf(at, true, aside), 'l', at['x']!, options), aside };
    },
  },
  {
    name: 'prelu',
    covers: [layers.prelu],
    inputs: { x: u([3, 2, 2, 3]), 'l.weight': u([3]) },
    run: (at) => ({ value: layers.prelu(scopeOf(at), 'l', at['x']!) }),
  },
  unary('silu', [3, 7], layers.swish, [layers.swish], [-6, 6]),
  unary('upsample2', [3, 2, 3, 2], layers.upsample2, [layers.upsample2]),
  {
    name: 'attention',
    covers: [layers.attention],
    inputs: { q: u([2, 3, 4], -2, 2), k: u([2, 5, 4], -2, 2), v: u([2, 5, 4]) },
    run: ({ q, k, v }) => ({ value: layers.attention(q!, k!, v!, 2) }),
  },
  unary('l2_normalise', [3, 4], (x) => layers.l2normalise(x), [layers.l2normalise]),
  unary('l2_normalise_first_axis', [3, 4], (x) => layers.l2normalise(x, 0), [layers.l2normalise]),
  {
    name: 'dropout',
    covers: [layers.dropout],
    inputs: { x: u([4, 3]) },
    given: { chance: u([4, 3], 0, 1) },
    run: ({ x, chance }) => ({
      value: layers.dropout(x!, tf.cast(tf.greater(chance!, 0.3), 'float32'), 0.7),
    }),
  },
  {
    ...unary('clip_straight_through', [12], (x) => layers.clipStraightThrough(x, -1, 1), [
      layers.clipStraightThrough,
    ]),
    stopped: { x: 'the clip passes the gradient through' },
  },
  unary('safe_sqrt', [6], (x) => layers.safeSqrt(x), [layers.safeSqrt], [0.1, 2]),
  // What tfjs has and the networks use as it is.
  unary('max_pool_3x3_stride_2', [2, 7, 7, 2], (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 'valid'), []),
  unary('average_pool_2x2', [2, 4, 6, 2], (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'), []),
  unary('relu', [3, 7], tf.relu, [tf.relu]),
  unary('gather_rows', [3, 4], (x) => tf.gather(x, tf.tensor1d([2, 0, 2], 'int32')), []),
];

/** dlib's network, frozen, through which gradients go back to the images. */
const frozenCases: Case[] = [
  dlibBlock('dlib_block', [2, 4, 5, 3], 3, false),
  dlibBlock('dlib_block_down', [2, 7, 6, 3], 5, true),
  unary(
    'face_chips',
    [1, 3, 4, 3],
    (x) => tf.avgPool(framing.faceChips(x as tf.Tensor4D, 0.1), 15, 15, 'valid'),
    [framing.faceChips, framing.resampling],
    [-1, 1],
  ),
];

function dlibBlock(name: string, shape: number[], channels: number, down: boolean): Case {
  return {
    name,
    covers: [residualBlock],
    inputs: {
      x: u(shape, -2, 2),
      'b/conv1/filters': u([3, 3, shape[3]!, channels]),
      'b/conv1/bias': u([channels]),
      'b/conv2/filters': u([3, 3, channels, channels]),
      'b/conv2/bias': u([channels]),
    },
    run: (at) => ({
      value: residualBlock((weight) => at[weight]!, 'b', channels, down, at['x'] as tf.Tensor4D),
    }),
  };
}

const labels = [2, 0, 3];
const oneHot = () => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), 4), 'float32') as tf.Tensor2D;

function classification(margin: margins.Margin, more: Partial<Case> = {}): Case {
  return {
    name: margin.loss,
    covers: [margins.classify, margins.crossEntropy],
    inputs: { embeddings: u([3, 5], -3, 3), 'classifier.weight': u([4, 5]) },
    run: (at) => {
      const aside: Tensors = {};
      const { logits, cosines, own } = margins.classify(
        scopeOf(at, true, aside),
        margin,
        at['embeddings'] as tf.Tensor2D,
        oneHot(),
      );
      return { value: margins.crossEntropy(logits, oneHot()), aside: { ...aside, logits, cosines, own } };
    },
    ...more,
  };
}
const adafaceBuffers = { 'adaface.batch_mean': u([1], 3, 4), 'adaface.batch_std': u([1], 0.5, 1) };

const predictions: schedule.Prediction[] = ['eps', 'v', 'x0'];
const T = 1000;
const noiseSchedule = new schedule.NoiseSchedule({ steps: T, betaStart: 1e-4, betaEnd: 0.02 });
const picture = [2, 2, 3, 3];

const lossCases: Case[] = [
  classification({ loss: 'cosface', margin: 0.4, scale: 16 }),
  classification({ loss: 'arcface', margin: 0.5, scale: 16 }),
  classification(
    { loss: 'adaface', margin: 0.4, scale: 16, h: 0.333, tAlpha: 0.5 },
    {
      given: adafaceBuffers,
      stopped: { embeddings: 'no gradient goes through their length, AdaFace section 3.3' },
    },
  ),
  {
    name: 'arcface_target',
    covers: [margins.arcfaceTarget],
    inputs: { cosine: u([24, 1], -0.99, 0.95) },
    run: ({ cosine }) => ({ value: margins.arcfaceTarget(cosine!, 0.5) }),
  },
  {
    name: 'adaface_target',
    covers: [margins.adafaceTarget],
    inputs: { cosine: u([24, 1], -0.99, 0.95) },
    given: { z: u([24, 1]) },
    run: ({ cosine, z }) => ({ value: margins.adafaceTarget(cosine!, z!, 0.4) }),
  },
  {
    name: 'quality_indicator',
    covers: [margins.qualityIndicator],
    inputs: {},
    given: { embeddings: u([4, 5], -3, 3), ...adafaceBuffers },
    run: (at) => {
      const aside: Tensors = {};
      const options = { h: 0.333, tAlpha: 0.5 };
      const scope = scopeOf(at, true, aside);
      return { value: margins.qualityIndicator(scope, options, at['embeddings'] as tf.Tensor2D), aside };
    },
  },
  {
    name: 'cross_entropy',
    covers: [margins.crossEntropy],
    inputs: { logits: u([3, 4], -5, 5) },
    run: ({ logits }) => ({ value: margins.crossEntropy(logits as tf.Tensor2D, oneHot()) }),
  },
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

const threeGradients = { weights: u([8]), g1: u([8]), g2: u([8]), g3: u([8]) };
const gradientsOf = ({ g1, g2, g3 }: Tensors) => [g1, g2, g3] as tf.Tensor1D[];
/** Every other weight decays, where not all do. */
const half = () => tf.tensor1d([1, 0, 1, 0, 1, 0, 1, 0]);

function adam(name: string, settings: Partial<optimisers.AdamSettings>, masked = false): Case {
  return {
    name,
    covers: [optimisers.adamw, optimisers.biasCorrections],
    inputs: {},
    given: threeGradients,
    run: (at) => {
      let state = {
        weights: at['weights'] as tf.Tensor1D,
        m: tf.zeros([8]),
        v: tf.zeros([8]),
      } as optimisers.AdamState;
      gradientsOf(at).forEach((gradient, i) => {
        const { c1, c2 } = optimisers.biasCorrections(i + 1, settings.beta1, settings.beta2);
        const scalars = { lr: tf.scalar(0.1), c1: tf.scalar(c1), c2: tf.scalar(c2) };
        const decayMask = masked ? { decayMask: half() } : {};
        state = optimisers.adamw(state, gradient, { ...settings, ...scalars, ...decayMask });
      });
      return { value: state.weights, aside: { m: state.m, v: state.v } };
    },
  };
}

function sgd(name: string, settings: Partial<optimisers.MomentumSettings>, masked = false): Case {
  return {
    name,
    covers: [optimisers.sgdMomentum],
    inputs: {},
    given: threeGradients,
    run: (at) => {
      let state = { weights: at['weights'] as tf.Tensor1D, m: tf.zeros([8]) } as optimisers.MomentumState;
      for (const gradient of gradientsOf(at)) {
        const decayMask = masked ? { decayMask: half() } : {};
        state = optimisers.sgdMomentum(state, gradient, { lr: tf.scalar(0.1), ...settings, ...decayMask });
      }
      return { value: state.weights, aside: { m: state.m } };
    },
  };
}

const clipped = (name: string, max: number): Case => ({
  name,
  covers: [optimisers.clipByGlobalNorm, optimisers.globalNorm],
  inputs: { gradient: u([8]) },
  run: ({ gradient }) => ({
    value: optimisers.clipByGlobalNorm(gradient as tf.Tensor1D, max),
    aside: { norm: optimisers.globalNorm(gradient as tf.Tensor1D) },
  }),
});

const optimiserCases: Case[] = [
  adam('adam', {}),
  adam('adamw', { weightDecay: 0.3, beta1: 0.8, beta2: 0.95, epsilon: 1e-3 }),
  adam('adamw_masked', { weightDecay: 0.3 }, true),
  sgd('sgd', { momentum: 0 }),
  sgd('sgd_momentum', { momentum: 0.9, weightDecay: 0.3 }),
  sgd('sgd_masked', { weightDecay: 0.3 }, true),
  clipped('clip_longer', 0.7),
  clipped('clip_shorter', 70),
  {
    name: 'ema',
    covers: [optimisers.ema],
    inputs: { average: u([8]), weights: u([8]) },
    run: ({ average, weights }) => ({
      value: optimisers.ema(average as tf.Tensor1D, weights as tf.Tensor1D, tf.scalar(0.9)),
    }),
  },
];

export const cases: readonly Case[] = [...layerCases, ...frozenCases, ...lossCases, ...optimiserCases];

/**
 * What a case gives on its inputs: its results, and the gradient of one number made of them, sum_i cos(1.7 i) y_i: a plain sum would
 * be blind to what norms do.
 */
export function evaluate(
  { run }: Case,
  inputs: Tensors,
  given: Tensors,
): { value: tf.Tensor; aside: Tensors; gradients: Tensors } {
  const names = Object.keys(inputs);
  const { value, aside = {} } = run({ ...inputs, ...given });
  if (names.length === 0) return { value, aside, gradients: {} };
  const total = (...tensors: tf.Tensor[]): tf.Scalar => {
    const at = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
    return weighted(run({ ...at, ...given }).value);
  };
  const grads = tf.grads(total)(Object.values(inputs));
  return { value, aside, gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) };
}

/** sum_i cos(1.7 i) y_i */
export function weighted(y: tf.Tensor): tf.Scalar {
  const ramp = tf.tensor(
    Array.from({ length: y.size }, (_, i) => Math.cos(1.7 * i)),
    [y.size],
  );
  return tf.sum(tf.mul(tf.reshape(y, [-1]), ramp)) as tf.Scalar;
}
