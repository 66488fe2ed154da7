/**
 * A generator as a model artifact: config.json says the method, schedule, UNet and condition, model.safetensors holds the
 * averaged weights. Also: starting one generator from another's weights.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../contract.js';
import type { ModelProvenance } from '../data/provenance.js';
import { readSafetensors, writeSafetensors } from '../data/safetensors.js';
import { fromNamed, toNamed } from '../tensors/named-arrays.js';
import { type Layout, layoutOf, type Scope } from '../tensors/network.js';
import { conditionOf, type ConditionInputs, type ConditionSettings, type Method } from './conditions.js';
import type { Similarity } from './losses.js';
import { type Prediction, type ScheduleSettings, timeChannels } from './schedule.js';
import { unet, type UNetSettings } from './unet.js';

export interface GeneratorConfig {
  format: 'cemiflow-model/1';
  kind: 'unet';
  method: Method;
  prediction: Prediction;
  schedule: ScheduleSettings;
  width: number;
  height: number;
  unet: UNetSettings;
  condition: ConditionSettings;
  /** What m measures. cemiface. */
  similarity?: Similarity;
  provenance: ModelProvenance;
}

/** The part of the configuration that the network's shape and arithmetic depend on. */
export type GeneratorNetwork = Pick<GeneratorConfig, 'method' | 'unet' | 'condition' | 'width' | 'height'>;

export interface GeneratorInputs {
  /** x_t, [B, H, W, 3] */
  xt: tf.Tensor4D;
  /** `timeEmbedding` of t, [B, 128] */
  time: tf.Tensor2D;
  condition: ConditionInputs;
}

/** The network: the prediction [B, H, W, 3] for x_t under its condition. */
export function predict(
  scope: Scope,
  network: GeneratorNetwork,
  { xt, time, condition }: GeneratorInputs,
): tf.Tensor4D {
  const { method, unet: settings } = network;
  const told = conditionOf(scope, method, network.condition, condition, xt.shape[0], settings.timeWidth);
  return unet(scope, settings, { xt, time, ...told });
}

export function generatorLayout(network: GeneratorNetwork): Layout {
  const { embedding, style } = network.condition;
  return layoutOf((scope) =>
    predict(scope, network, {
      xt: tf.zeros([1, network.height, network.width, 3]),
      time: tf.zeros([1, timeChannels]),
      condition: {
        identity: tf.zeros([1, embedding]),
        m: tf.zeros([1]),
        ...(style ? { style: tf.zeros([1, style.grid ** 2 + 1, 2 * style.features]) } : {}),
      },
    }),
  );
}

/** Writes config.json and model.safetensors; the digest of the weights goes into the provenance. */
export function writeGenerator(
  folder: string,
  config: Omit<GeneratorConfig, 'provenance'> & { provenance: Omit<ModelProvenance, 'weights'> },
  layout: Layout,
  weights: Float32Array,
): GeneratorConfig {
  const file = join(folder, 'model.safetensors');
  writeSafetensors(file, toNamed(layout, weights, new Float32Array(0)), { format: 'pt' });
  const provenance: ModelProvenance = { ...config.provenance, weights: sha256(file) };
  const complete: GeneratorConfig = { ...config, provenance };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(complete, null, 1));
  return complete;
}

export interface Generator {
  config: GeneratorConfig;
  layout: Layout;
  weights: Float32Array;
}

/** @throws StageError where the folder holds no generator, or its weights are not those its config.json (and record.json) names */
export function readGenerator(folder: string): Generator {
  const config = readConfig(folder);
  checkDigest(folder, config);
  const layout = generatorLayout(config);
  try {
    return {
      config,
      layout,
      weights: fromNamed(layout, readSafetensors(join(folder, 'model.safetensors'))).weights,
    };
  } catch (error) {
    throw new StageError(`${folder}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

/** Which weights a new generator took from another, by name, and which start afresh. */
export interface Start {
  weights: Float32Array;
  loaded: string[];
  fresh: string[];
  from: GeneratorConfig;
}

/**
 * Copies the weights of another generator that have the same name and shape; the rest keep `initial`.
 * @throws StageError where the other is no generator, damaged, of another prediction, or shares no body with this one
 */
export function startFrom(
  folder: string,
  layout: Layout,
  initial: Float32Array,
  wanted: Pick<GeneratorConfig, 'prediction' | 'schedule' | 'unet'>,
): Start {
  const from = readConfig(folder);
  checkDigest(folder, from);
  if (from.prediction !== wanted.prediction)
    throw new StageError(
      `the initial generator predicts ${from.prediction}, this one ${wanted.prediction}`,
      `Set with.prediction to ${from.prediction}, or with.init to none.`,
    );
  if (JSON.stringify(from.schedule) !== JSON.stringify(wanted.schedule))
    throw new StageError(
      `the initial generator has another noise schedule: ${JSON.stringify(from.schedule)}`,
      'Set with.T, with.betaStart and with.betaEnd to these, or with.init to none.',
    );
  const named = readSafetensors(join(folder, 'model.safetensors'));
  const weights = initial.slice();
  const loaded: string[] = [];
  const fresh: string[] = [];
  const misfits: string[] = [];
  for (const { name, shape, size, offset } of layout.weights) {
    const found = named.get(name);
    if (found && found.shape.join() === shape.join() && found.data instanceof Float32Array) {
      weights.set(found.data.subarray(0, size), offset);
      loaded.push(name);
    } else {
      fresh.push(name);
      // New condition layers are expected; a body that differs is another network.
      if (!name.startsWith('condition.')) {
        const has = found ? `has [${found.shape.join(', ')}]` : 'lacks it';
        misfits.push(`${name} [${shape.join(', ')}] (the file ${has})`);
      }
    }
  }
  if (misfits.length > 0)
    throw new StageError(
      `the initial generator is another UNet: ${misfits.length} of ${layout.weights.length} weights do not fit, first ${misfits.slice(0, 3).join('; ')}`,
      `Set with.unet and with.condition to the initial generator's, ${JSON.stringify(from.unet)}, or with.init to none.`,
    );
  return { weights, loaded, fresh, from };
}

function readConfig(folder: string): GeneratorConfig {
  let config: GeneratorConfig;
  try {
    config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as GeneratorConfig;
  } catch (error) {
    throw new StageError(
      `${folder}: no generator: ${(error as Error).message}`,
      'Give the output of diffusion-train.',
    );
  }
  if (config.kind !== 'unet')
    throw new StageError(
      `${folder}: a model of kind '${config.kind}', not a generator`,
      'Give the output of diffusion-train.',
    );
  return config;
}

/** Weights are compared with the digests written beside them: those of the run that made them. */
function checkDigest(folder: string, config: GeneratorConfig): void {
  const file = join(folder, 'model.safetensors');
  if (!existsSync(file)) throw new StageError(`${folder}: it has a config.json but no model.safetensors`);
  const found = sha256(file);
  const record = join(folder, 'record.json');
  const expected: [string, string][] = [['config.json', config.provenance.weights]];
  if (existsSync(record))
    expected.push([
      'record.json',
      String((JSON.parse(readFileSync(record, 'utf8')) as { digest?: unknown }).digest),
    ]);
  for (const [name, digest] of expected) {
    if (digest !== found)
      throw new StageError(
        `${file}: its sha256 is ${found}, but ${name} beside it says ${digest}: these are not the recorded weights`,
        'Restore the file (git checkout), or train it again.',
      );
  }
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
