/**
 * Which ready stage goes first: the one with the longest path of work still below it, so that the last stage of a run does
 * not start when all others are done. How long stages take is known from the journal of an earlier run.
 */
import type { StageInstance } from '../experiment/experiment.js';
import { readEnds, runsFromNewest } from '../journal/reader.js';
import { dependencies } from '../plan/select.js';

/** How many earlier runs are read: a run of one stage knows little, an old one knows other settings. */
const runsRead = 3;

/** Seconds of each instance at its last good run, by name; those of the newest run win. */
export function secondsBefore(runsDir: string, experimentName: string): Map<string, number> {
  const seconds = new Map<string, number>();
  let read = 0;
  for (const { folder, started } of runsFromNewest(runsDir)) {
    if (started.name !== experimentName) continue;
    for (const { stage, status, from, seconds: took } of readEnds(folder)) {
      const known = status === 'ok' ? took : status === 'cached' ? from?.seconds : undefined;
      if (known !== undefined && !seconds.has(stage)) seconds.set(stage, known);
    }
    if (++read === runsRead) break;
  }
  return seconds;
}

/**
 * Seconds from the start of each instance to the end of all below it. Where nothing is known a stage counts as long as the
 * others on average, or as 1: then the path's length in stages decides.
 * @param stages in topological order
 */
export function remainingPaths(
  stages: readonly StageInstance[],
  seconds: ReadonlyMap<string, number>,
): Map<string, number> {
  const known = stages.flatMap(({ name }) => seconds.get(name) ?? []);
  const usual = known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : 1;
  const below = new Map<string, number>();
  const paths = new Map<string, number>();
  for (const instance of [...stages].reverse()) {
    const path = (below.get(instance.name) ?? 0) + (seconds.get(instance.name) ?? usual);
    paths.set(instance.name, path);
    for (const name of dependencies(instance)) below.set(name, Math.max(below.get(name) ?? 0, path));
  }
  return paths;
}
