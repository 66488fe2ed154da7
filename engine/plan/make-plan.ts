/**
 * Experiment + cache -> what happens to each stage. One pass in topological order, no recursion: a chain of 10,000
 * stages is planned as it comes.
 */
import { dirname, resolve } from 'node:path';
import { type Cache, isDamaged } from '../cache/cache.js';
import { CacheError } from '../cache/trouble.js';
import type { Digest } from '../digest.js';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import { codeDigest } from './code-digest.js';
import { decide } from './decide.js';
import { keyOf } from './key.js';
import type { Decision, KeyComponents } from './plan.js';
import { selectStages } from './select.js';

export interface PlanOptions {
  /** Names of stages or instances that run whether or not there is a result. */
  force?: ReadonlySet<string>;
  /** Only this stage or instance and all it depends on. */
  until?: string;
  /** Only this stage or instance; what it depends on must be cached, or it is 'maybe'. */
  only?: string;
}

/** The digests of an instance's outputs, or undefined while it runs or may run. */
export type OutputsOf = (instance: string) => Readonly<Record<string, Digest>> | undefined;

/**
 * The decision for every stage asked for, in topological order.
 * Throws a CacheError where an outside input cannot be read, a SelectionError where an option names no stage.
 */
export async function planAll(
  experiment: Experiment,
  cache: Cache,
  options: PlanOptions = {},
): Promise<Map<string, Decision>> {
  const { wanted, needed, forced } = selectStages(experiment, options);
  const decisions = new Map<string, Decision>();
  const outputs: OutputsOf = (name) => {
    const decision = decisions.get(name);
    return decision?.act === 'reuse' ? digestsOf(decision.result.outputs) : undefined;
  };
  await cache.foresee(new Set(needed.map(({ name }) => name)));
  for (const instance of needed) {
    const decision = await decideStage(instance, {
      cache,
      experimentFile: experiment.file,
      outputs,
      forced: forced.has(instance.name),
    });
    decisions.set(instance.name, decision);
  }
  await cache.flush();
  for (const { name } of needed) if (!wanted.has(name)) decisions.delete(name);
  return decisions;
}

export interface Surroundings {
  cache: Cache;
  experimentFile: string;
  outputs: OutputsOf;
  forced: boolean;
}

/** The decision for one instance: what `planAll` asks for each, and a run again when the stages above have ended. */
export async function decideStage(instance: StageInstance, around: Surroundings): Promise<Decision> {
  const { cache, forced } = around;
  const { components, upstream, unknownInputs } = await componentsOf(instance, around);
  if (upstream.length > 0) {
    const nearest = await cache.nearest(components, instance.name, unknownInputs);
    return decide(instance.name, { upstream, components, unknownInputs, nearest, forced });
  }
  const key = keyOf(components);
  const found = await cache.lookup(key, components);
  const nearest =
    found && !isDamaged(found) ? undefined : await cache.nearest(components, instance.name, unknownInputs);
  return decide(instance.name, { upstream, components, unknownInputs, key, found, nearest, forced });
}

async function componentsOf(instance: StageInstance, { cache, experimentFile, outputs }: Surroundings) {
  const code = await codeDigest(instance.kind, instance.module);
  const inputs: Record<string, Digest[]> = {};
  const upstream = new Set<string>();
  const unknownInputs = new Set<string>();
  for (const [name, sources] of Object.entries(instance.inputs)) {
    const digests: Digest[] = [];
    for (const source of sources) {
      if (source.from === 'path') {
        digests.push(await digestOutside(cache, source.path, instance, `input ${name}`));
        continue;
      }
      const digest = outputs(source.stage)?.[source.output];
      if (digest === undefined) upstream.add(source.stage);
      else digests.push(digest);
    }
    // Part of a list of artifacts would look like a shorter list.
    if (digests.length === sources.length) inputs[name] = digests;
    else unknownInputs.add(name);
  }
  for (const file of programFiles(instance)) {
    const path = resolve(dirname(experimentFile), file);
    inputs[`code:${file}`] = [await digestOutside(cache, path, instance, 'with.code')];
  }
  const components: KeyComponents = {
    kind: instance.kind,
    code: code.digest,
    codeParts: code.parts,
    settings: instance.settings,
    inputs,
    seed: instance.declaration.seeded ? instance.seed : null,
    cpus: instance.resources.cpus,
  };
  return { components, upstream: [...upstream], unknownInputs };
}

/** The files whose content is the code of a `command` stage, as its settings list them. */
function programFiles({ kind, settings }: StageInstance): string[] {
  if (kind !== 'command' || !Array.isArray(settings['code'])) return [];
  return settings['code'].filter((file): file is string => typeof file === 'string');
}

async function digestOutside(cache: Cache, path: string, instance: StageInstance, what: string) {
  try {
    return await cache.digestPath(path);
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    const { file, line, column } = instance.place;
    const message = `${file}:${line}:${column}: ${what} of ${instance.name}: ${error.message}`;
    throw new CacheError(message, error.remedy, { cause: error });
  }
}

function digestsOf(outputs: Readonly<Record<string, { digest: Digest }>>): Record<string, Digest> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { digest }]) => [name, digest]));
}
