/** What must be true of a runs folder when a run that was killed many times has at last ended well. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCache } from '../../engine/cache/cache.js';
import { verify } from '../../engine/cache/verify.js';
import { listRuns, readJournal } from '../../engine/journal/reader.js';
import { cacheRoot } from '../../engine/journal/run-folder.js';
import type { StageResult } from '../../engine/plan/plan.js';
import type { RunSummary } from '../../engine/run/summary.js';
import type { Attempt } from './attempts.js';
import { startCemiflow } from './processes.js';

/** Metrics that say how fast it was, and what it waited for. */
const ofTime = /images_per_second$|^data_wait$/;

/** @returns what is wrong, a sentence each; [] where all is well */
export async function inspect(
  runsDir: string,
  { summary, reference }: { summary: RunSummary; reference: RunSummary },
  attempts: readonly Attempt[],
): Promise<string[]> {
  return [
    ...differences(summary, reference),
    ...ranTwice(runsDir),
    ...resumedFromNothing(attempts),
    ...leftOver(runsDir),
    ...(await stillRunning(runsDir)),
    ...(await damaged(runsDir)),
  ];
}

/** Artifacts and metrics, stage by stage. */
function differences(summary: RunSummary, reference: RunSummary): string[] {
  const wrong: string[] = [];
  for (const expected of reference.stages) {
    const found = summary.stages.find(({ name }) => name === expected.name);
    if (!found || !['ok', 'cached'].includes(found.status)) {
      wrong.push(`${expected.name} ended as ${found?.status ?? 'nothing'}`);
      continue;
    }
    for (const [output, { digest }] of Object.entries(expected.outputs)) {
      const now = found.outputs[output]?.digest;
      if (now !== digest)
        wrong.push(`${expected.name}.${output} has other bytes: ${now}, undisturbed ${digest}`);
    }
    for (const [metric, value] of Object.entries(expected.metrics)) {
      if (!ofTime.test(metric) && found.metrics[metric] !== value)
        wrong.push(`${expected.name}: metric ${metric} is ${found.metrics[metric]}, undisturbed ${value}`);
    }
  }
  return wrong;
}

/** By the journals and the results: no attempt at a key begins, or ends well, after its result was made. */
function ranTwice(runsDir: string): string[] {
  const folder = join(cacheRoot(runsDir), 'results');
  const results = new Map<string, StageResult>();
  for (const part of readdirSync(folder))
    for (const name of readdirSync(join(folder, part))) {
      const { result } = JSON.parse(readFileSync(join(folder, part, name), 'utf8')) as {
        result: StageResult;
      };
      results.set(result.key, result);
    }
  const wrong: string[] = [];
  for (const { folder: run, started } of listRuns(runsDir)) {
    for (const event of readJournal(run)) {
      if (event.type !== 'stage-started') continue;
      const made = results.get(event.key)?.by;
      if (made && event.at > made.at)
        wrong.push(
          `${event.stage} was finished in run ${made.run}, and was begun again in run ${started.run}`,
        );
    }
  }
  return wrong;
}

/** A checkpoint that was there when an attempt died must be where the next one goes on. */
function resumedFromNothing(attempts: readonly Attempt[]): string[] {
  const furthest = new Map<string, number>();
  const wrong: string[] = [];
  for (const { key, stage, first, log } of attempts) {
    const before = furthest.get(key);
    if (before !== undefined && first && first.done < before)
      wrong.push(`${stage} had gone on at ${before} once, and later began at ${first.done}`);
    if (first) furthest.set(key, Math.max(before ?? 0, first.done));
    const trouble = log.find((line) => /damaged/.test(line));
    if (trouble) wrong.push(`${stage}: ${trouble}`);
  }
  return wrong;
}

/** What a cache is when nobody is at work; all else there must be an empty folder. */
const kept: readonly string[] = ['objects', 'results', 'code', 'index', 'reserve'];

/** Locks, folders of dead processes, notes of what engines use, checkpoints of finished stages. */
function leftOver(runsDir: string): string[] {
  const root = cacheRoot(runsDir);
  return readdirSync(root)
    .filter((name) => !kept.includes(name))
    .flatMap((name) => readdirSync(join(root, name)).map((entry) => `left over: cache/${name}/${entry}`));
}

async function stillRunning(runsDir: string): Promise<string[]> {
  const { code, stdout, stderr } = await startCemiflow(['list', '--json', '--runs-dir', runsDir]).ended;
  if (code !== 0) return [`list ended with ${code}: ${stderr}`];
  const { runs } = JSON.parse(stdout) as { runs: { run: string; state: string }[] };
  return runs
    .filter(({ state }) => state === 'running')
    .map(({ run }) => `run ${run} is still shown as running`);
}

async function damaged(runsDir: string): Promise<string[]> {
  const cache = await openCache(cacheRoot(runsDir));
  try {
    const { damaged, unusable } = await verify(cache, { all: true });
    return [
      ...damaged.map(({ digest, detail }) => `artifact ${digest} is damaged: ${detail}`),
      ...unusable.map(({ key, stage, detail }) => `the result ${key} of ${stage} cannot be used: ${detail}`),
    ];
  } finally {
    await cache.close();
  }
}
