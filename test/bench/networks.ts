/** Networks to be timed, by an experiment file's settings with defaults filled in, and random weights for them. */
import { join } from 'node:path';
import { packageRoot } from '../../engine/cli/invocation.js';
import type { JsonObject } from '../../engine/experiment/experiment.js';
import { loadExperiment } from '../../engine/experiment/load.js';
import { registry } from '../../stages/registry.js';
import type { NamedTensor } from '../../stages/data/safetensors.js';
import { writeRecognition } from '../../stages/recognition/model.js';
import { architectureOf, marginOf, type TrainSettings } from '../../stages/recognition/settings.js';
import { type StepSettings, trainLayout } from '../../stages/recognition/train-step.js';
import { toNamed } from '../../stages/tensors/named-arrays.js';
import { initialBuffers, initialWeights, type Layout } from '../../stages/tensors/network.js';
import { Random } from '../../stages/tensors/random.js';
import { makeScratch } from './scratch.js';

/** What `npm start` runs: 32 px. */
export const quickstart = join(packageRoot, 'experiments/quickstart.yaml');
/** The paper's networks: 112 px. */
export const paper = join(packageRoot, 'test/bench/paper.yaml');

/**
 * @param names of stages; of one with a matrix the first point is taken
 * @returns     the settings of each, in their order
 */
export async function settingsOf(file: string, ...names: readonly string[]): Promise<JsonObject[]> {
  const loaded = await loadExperiment(file, { profiles: [], set: [] }, registry);
  if (!loaded.ok) throw new Error(`${file}: ${loaded.diagnostics[0].message}`);
  return names.map((name) => {
    const instance = loaded.experiment.stages.find(({ stage }) => stage === name);
    if (!instance) throw new Error(`${file}: it has no stage '${name}', whose settings the benchmark takes`);
    return instance.settings;
  });
}

export interface TimedRecogniser {
  /** A model artifact. */
  folder: string;
  settings: StepSettings;
  layout: Layout;
  weights: Float32Array;
  batch: number;
  /** Edge of its images, pixels. */
  size: number;
}

/** E_id of an experiment, its model artifact in a temporary folder, which stays until the process ends. */
export async function timedRecogniser(file: string): Promise<TimedRecogniser> {
  const [faces, oracle] = await settingsOf(file, 'faces', 'oracle');
  const { size, identities: classes } = faces as { size: number; identities: number };
  const training = oracle as unknown as TrainSettings;
  const architecture = architectureOf(training, size);
  const settings: StepSettings = { ...training, architecture, margin: marginOf(training), classes };
  const layout = trainLayout(settings);
  const weights = randomWeights(layout);
  const folder = makeScratch();
  writeRecognition(
    folder,
    {
      format: 'cemiflow-model/1',
      kind: 'recognition',
      architecture,
      classes,
      input: { channels: 'RGB', range: [-1, 1], width: size, height: size },
      provenance: { kind: 'recognition', architecture: 'untrained, for a benchmark' },
    },
    toNamed(layout, weights, initialBuffers(layout)),
  );
  return { folder, settings, layout, weights, batch: training.batch, size };
}

/**
 * Random also where training starts from zeros, so that what comes out depends on the whole network; matrices of a size that keeps
 * activations near 1 without the statistics of a trained network.
 */
export function randomWeights(layout: Layout): Float32Array {
  const weights = initialWeights(layout, 1, 'bench');
  for (const { name, shape, size, offset, init } of layout.weights) {
    if (shape.length === 1 && init.kind !== 'zeros') continue;
    const slot = new Random(1, 'bench', name).fillNormal(weights.subarray(offset, offset + size));
    const deviation = shape.length === 1 ? 0.02 : Math.sqrt(shape[0]! / size);
    for (let i = 0; i < size; i++) slot[i] = slot[i]! * deviation;
  }
  return weights;
}

/** Named arrays with a word before their names. */
export function prefixed(
  prefix: string,
  tensors: ReadonlyMap<string, NamedTensor>,
): [name: string, tensor: NamedTensor][] {
  return [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
}
