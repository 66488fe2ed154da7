/** Loads the experiment file that a verb was given, or says everything that is wrong with it. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Diagnostic, Experiment, Loaded } from '../experiment/experiment.js';
import { wantsColor } from './output.js';
import { type ExperimentOptions, loadOptionsOf } from './options.js';
import { Exit, exitCodes, UsageError } from './trouble.js';

/** What `init` writes, and what a verb without FILE reads. */
export const defaultFile = 'experiment.yaml';

export function fileOrDefault(file: string | undefined): string {
  if (file !== undefined) return resolve(file);
  if (!existsSync(defaultFile))
    throw new UsageError(
      `name an experiment file: there is no ${defaultFile} here`,
      'For instance: cemiflow run experiments/quickstart.yaml. `cemiflow init` writes a small one to begin with.',
    );
  return resolve(defaultFile);
}

export async function loadFile(file: string, options: ExperimentOptions): Promise<Loaded> {
  const [{ loadExperiment }, { registry }] = await Promise.all([
    import('../experiment/load.js'),
    import('../../stages/registry.js'),
  ]);
  return loadExperiment(file, loadOptionsOf(options), registry);
}

/** @throws Exit, once the diagnostics are printed */
export async function openExperiment(
  file: string | undefined,
  options: ExperimentOptions & { color: boolean },
): Promise<Experiment> {
  const loaded = await loadFile(fileOrDefault(file), options);
  if (loaded.ok) return loaded.experiment;
  await sayDiagnostics(loaded.diagnostics, options.color);
  throw new Exit(exitCodes.badUsage);
}

export async function sayDiagnostics(diagnostics: readonly Diagnostic[], color: boolean): Promise<void> {
  const { printDiagnostics } = await import('../experiment/print-diagnostics.js');
  process.stderr.write(printDiagnostics(diagnostics, { color: wantsColor(process.stderr, color) }));
}
