/** The points of a stage's matrix: these are known only once the whole file is loaded. */
import { loadExperiment } from '../../experiment/load.js';
import { registry } from '../../../stages/registry.js';
import type { Candidate } from './candidates.js';

export async function pointsOf(
  file: string,
  stage: string,
  profiles: readonly string[],
  set: readonly string[],
): Promise<Candidate[]> {
  const loaded = await loadExperiment(file, { profiles, set }, registry);
  if (!loaded.ok) return [];
  return loaded.experiment.stages
    .filter((instance) => instance.stage === stage)
    .map(({ name, kind }) => ({ text: name, description: kind }));
}
