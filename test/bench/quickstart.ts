/** The quickstart's settings, defaults filled in: what is timed is what `npm start` runs. Its E_id, with weights as before training. */
import { join } from 'node:path';
import { packageRoot } from '../../engine/cli/invocation.js';
import type { JsonObject } from '../../engine/experiment/experiment.js';
import { loadExperiment } from '../../engine/experiment/load.js';
import { registry } from '../../stages/registry.js';
import { writeRecognition } from '../../stages/recognition/model.js';
import { architectureOf, marginOf, type TrainSettings } from '../../stages/recognition/settings.js';
import { type StepSettings, trainLayout } from '../../stages/recognition/train-step.js';
import { initialBuffers, initialWeights, type Layout, toNamed } from '../../stages/tensors/network.js';
import { makeScratch } from './scratch.js';

const file = join(packageRoot, 'experiments/quickstart.yaml');

/**
 * @param names of stages; of one with a matrix the first point is taken
 * @returns     the settings of each, in their order
 */
export async function quickstartSettings(...names: readonly string[]): Promise<JsonObject[]> {
  const loaded = await loadExperiment(file, { profiles: [], set: [] }, registry);
  if (!loaded.ok) throw new Error(`${file}: ${loaded.diagnostics[0].message}`);
  return names.map((name) => {
    const instance = loaded.experiment.stages.find(({ stage }) => stage === name);
    if (!instance) throw new Error(`${file}: it has no stage '${name}', whose settings the benchmark takes`);
    return instance.settings;
  });
}

export interface QuickstartRecogniser {
  /** A model artifact. */
  folder: string;
  settings: StepSettings;
  layout: Layout;
  batch: number;
  /** Edge of its images, pixels. */
  size: number;
}

/** Makes the model artifact in a temporary folder, which stays until the process ends. */
export async function quickstartRecogniser(): Promise<QuickstartRecogniser> {
  const [faces, oracle] = await quickstartSettings('faces', 'oracle');
  const { size, identities: classes } = faces as { size: number; identities: number };
  const training = oracle as unknown as TrainSettings;
  const architecture = architectureOf(training, size);
  const settings: StepSettings = { ...training, architecture, margin: marginOf(training), classes };
  const layout = trainLayout(settings);
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
    toNamed(layout, initialWeights(layout, 1, 'recognition'), initialBuffers(layout)),
  );
  return { folder, settings, layout, batch: training.batch, size };
}
