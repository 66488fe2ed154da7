/** Which results and artifacts runs have made, used or worked on, as their journals tell: what gc must know of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunNeeds } from '../cache/sweep.js';
import type { JournalEvent } from './events.js';
import { listRuns, type RunHead } from './reader.js';
import { journalFile } from './run-folder.js';

/** @param keepLast how many of the newest runs of each experiment are spared */
export function needsOfRuns(runsDir: string, keepLast: number): RunNeeds {
  return {
    *running() {
      for (const { state, folder } of listRuns(runsDir)) if (state === 'running') yield* namesIn(folder);
    },
    *recent() {
      for (const { folder } of lastRuns(listRuns(runsDir), keepLast)) yield* namesIn(folder);
    },
    of: (run) => namesIn(join(runsDir, run)),
  };
}

/** The newest runs of each experiment. */
export function lastRuns(runs: readonly RunHead[], count: number): RunHead[] {
  const seen = new Map<string, number>();
  return runs.filter(({ started }) => {
    const before = seen.get(started.name) ?? 0;
    seen.set(started.name, before + 1);
    return before < count;
  });
}

/** Keys and digests of artifacts that a journal names. */
export function namesIn(folder: string): Set<string> {
  const names = new Set<string>();
  let text: string;
  try {
    text = readFileSync(journalFile(folder), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return names;
    throw error;
  }
  for (const line of text.split('\n')) {
    // Metrics come by the thousand, and have no key.
    if (!line.includes('"key":')) continue;
    let event: JournalEvent;
    try {
      event = JSON.parse(line) as JournalEvent;
    } catch {
      // Torn by a crash.
      continue;
    }
    if (event.type !== 'stage-started' && event.type !== 'stage-ended') continue;
    if (event.key !== undefined) names.add(event.key);
    if (event.type === 'stage-ended')
      for (const { digest } of Object.values(event.outputs)) names.add(digest);
  }
  return names;
}
