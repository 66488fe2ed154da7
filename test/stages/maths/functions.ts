/**
 * Every layer, loss and optimiser, as cases (case.ts). They are checked against PyTorch on every device (functions.test.ts) and against
 * finite differences in double precision (derivatives.test.ts).
 */
import * as tf from '@tensorflow/tfjs';
import * as conditions from '../../../stages/diffusion/conditions.js';
import * as ddim from '../../../stages/diffusion/ddim.js';
import * as losses from '../../../stages/diffusion/losses.js';
import * as schedule from '../../../stages/diffusion/schedule.js';
import * as framing from '../../../stages/recognition/face-api/framing.js';
import * as margins from '../../../stages/recognition/margins.js';
import * as functional from '../../../stages/tensors/functional.js';
import * as layers from '../../../stages/tensors/layers.js';
import * as optimisers from '../../../stages/tensors/optimisers.js';
import type { Case, Tensors } from './case.js';
import { diffusionCases } from './diffusion-cases.js';
import { frozenCases, layerCases } from './layer-cases.js';
import { marginCases, optimiserCases } from './training-cases.js';

/** The modules whose every exported function must be in some case. */
export const covered = {
  'stages/tensors/layers.ts': layers,
  'stages/tensors/functional.ts': functional,
  'stages/tensors/optimisers.ts': optimisers,
  'stages/recognition/margins.ts': margins,
  'stages/recognition/face-api/framing.ts': framing,
  'stages/diffusion/losses.ts': losses,
  'stages/diffusion/conditions.ts': conditions,
  'stages/diffusion/ddim.ts': ddim,
  'stages/diffusion/schedule.ts': schedule,
};

export const cases: readonly Case[] = [
  ...layerCases,
  ...frozenCases,
  ...marginCases,
  ...diffusionCases,
  ...optimiserCases,
];

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
