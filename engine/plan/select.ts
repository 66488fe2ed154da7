/** Which stages the options of a command line mean: --force, --until, --only. */
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import { instancesNamed } from '../experiment/reference.js';
import { nearestName } from '../nearest-name.js';

/** An option names a stage that the file does not have. */
export class SelectionError extends Error {
  override readonly name = 'SelectionError';
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

export interface Selection {
  /** Names of the instances asked for. */
  wanted: ReadonlySet<string>;
  /** These and all that they depend on, in topological order. */
  needed: readonly StageInstance[];
  forced: ReadonlySet<string>;
}

/** A name is a stage's (all its points), one instance's, or that of several: `samples@m=0` with all its seeds. */
export function selectStages(
  experiment: Experiment,
  {
    force = new Set<string>(),
    until,
    only,
  }: { force?: ReadonlySet<string>; until?: string | undefined; only?: string | undefined },
): Selection {
  const named = (word: string, option: string) => namesOf(experiment, word, `${option} ${word}`);
  const forced = new Set([...force].flatMap((word) => named(word, '--force')));
  if (until === undefined && only === undefined) {
    return {
      wanted: new Set(experiment.stages.map(({ name }) => name)),
      needed: experiment.stages,
      forced,
    };
  }
  const ends = only === undefined ? named(until!, '--until') : named(only, '--only');
  const needed = withAncestors(experiment, ends);
  const wanted = new Set(only === undefined ? needed.map(({ name }) => name) : ends);
  return { wanted, needed, forced };
}

/**
 * The instances that a word means.
 * @param said what the user typed, for the message
 * @throws SelectionError where it means none
 */
export function namesOf(experiment: Experiment, word: string, said: string): string[] {
  const found = instancesNamed(word, experiment.stages);
  if (found.length === 0) throw unknownStage(experiment, word, said);
  return found.map(({ name }) => name);
}

/** Instances whose outputs or end this one waits for. */
export function dependencies(instance: StageInstance): string[] {
  const names = new Set(instance.after);
  for (const sources of Object.values(instance.inputs)) {
    for (const source of sources) if (source.from === 'stage') names.add(source.stage);
  }
  return [...names];
}

function withAncestors(experiment: Experiment, ends: readonly string[]): StageInstance[] {
  const marked = new Set(ends);
  // From the last to the first, so that a stage is marked before its own dependencies are looked at.
  for (const instance of [...experiment.stages].reverse()) {
    if (marked.has(instance.name)) for (const name of dependencies(instance)) marked.add(name);
  }
  return experiment.stages.filter(({ name }) => marked.has(name));
}

function unknownStage(experiment: Experiment, word: string, said: string): SelectionError {
  const names = [...new Set(experiment.stages.flatMap(({ name, stage }) => [stage, name]))];
  const nearest = nearestName(word, names);
  return new SelectionError(
    `${said}: ${experiment.file} has no stage of that name`,
    nearest !== undefined
      ? `Did you mean '${nearest}'?`
      : `Its stages: ${[...new Set(experiment.stages.map(({ stage }) => stage))].join(', ')}.`,
  );
}
