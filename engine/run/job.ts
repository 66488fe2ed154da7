/** What an attempt is given, put together from the instance, the results above it and its folders in the cache. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { InputArtifact } from '../../stages/contract.js';
import type { Attempt } from '../cache/attempt.js';
import type { Cache } from '../cache/cache.js';
import { REFERENCES } from '../cache/objects.js';
import type { Experiment, InputSource, StageInstance } from '../experiment/experiment.js';
import type { OutputRecord } from '../plan/plan.js';
import type { Job } from './messages.js';

export interface JobParts {
  experiment: Experiment;
  cache: Cache;
  attempt: Attempt;
  device: string;
  /** The outputs of an instance that has ended well. */
  outputsOf(instance: string): Readonly<Record<string, OutputRecord>>;
}

/** Makes the output folders fresh and empty: call it once for each attempt. */
export async function makeJob(instance: StageInstance, parts: JobParts): Promise<Job> {
  const { experiment, cache, attempt, device } = parts;
  const inputs: Record<string, InputArtifact[]> = {};
  for (const [name, sources] of Object.entries(instance.inputs)) {
    inputs[name] = await Promise.all(sources.map((source) => artifactOf(source, parts)));
  }
  const outputs: Record<string, string> = {};
  for (const name of Object.keys(instance.outputs)) outputs[name] = await attempt.outputFolder(name);
  return {
    stage: instance.name,
    kind: instance.kind,
    ...(instance.module === undefined ? {} : { module: instance.module }),
    settings: instance.settings,
    inputs,
    outputs,
    artifacts: referredTo(
      Object.values(inputs)
        .flat()
        // An outside folder may hold a file of that name by chance.
        .filter((input) => input.from !== input.path)
        .map((input) => input.path),
      cache,
    ),
    checkpoint: attempt.checkpoint,
    seed: instance.seed,
    device: instance.device ?? device,
    threads: instance.resources.cpus,
    experimentFolder: dirname(experiment.file),
  };
}

async function artifactOf(source: InputSource, { cache, outputsOf }: JobParts): Promise<InputArtifact> {
  if (source.from === 'path') {
    const digest = await cache.digestPath(source.path);
    return { type: 'files', path: source.path, digest, from: source.path };
  }
  const record = outputsOf(source.stage)[source.output];
  if (!record) throw new TypeError(`${source.stage} has no output ${source.output}`);
  return {
    type: source.type,
    path: cache.objectPath(record.digest),
    digest: record.digest,
    from: source.stage,
  };
}

/** Folders of all artifacts that these folders refer to, through however many references, by digest. */
function referredTo(folders: readonly string[], cache: Cache): Record<string, string> {
  const found: Record<string, string> = {};
  const open = [...folders];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    for (const digest of referencesIn(folder)) {
      if (digest in found) continue;
      open.push((found[digest] = cache.objectPath(digest)));
    }
  }
  return found;
}

/** The file is optional, and sound where it is there: the artifact was checked when it was looked up. */
function referencesIn(folder: string): string[] {
  const file = join(folder, REFERENCES);
  // Most have none, and an error costs more than a look.
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as string[]) : [];
}
