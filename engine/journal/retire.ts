/**
 * Removing the folders of runs: journals, logs, reports. Nothing can make a journal again, so it goes only where that is asked for in
 * so many words, and never that of a run that is pinned, going on, or not yet delivered to its tracking server.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalCache } from '../cache/cache.js';
import { readPins } from '../cache/pins.js';
import { sweeping } from '../cache/sweep.js';
import type { WaitOptions } from '../cache/lock.js';
import { lastRuns } from './needs.js';
import { listRuns, type RunHead } from './reader.js';
import { journalFile } from './run-folder.js';

export type RunStays = 'pinned' | 'running' | 'undelivered' | 'recentRun' | 'young';

export interface RetireOptions extends WaitOptions {
  /** The newest of each experiment that stay. */
  keepLast: number;
  /** What ended since then stays, milliseconds since 1970. */
  endedSince?: number | undefined;
  /** Folders of runs that a server has not all of. */
  undelivered: ReadonlySet<string>;
  /** Only say what would go. */
  dryRun: boolean;
}

export interface Retired {
  goes: { head: RunHead; bytes: number; ended: number }[];
  stays: Record<RunStays, number>;
}

export async function retireRuns(
  cache: LocalCache,
  runsDir: string,
  { keepLast, endedSince, undelivered, dryRun, ...wait }: RetireOptions,
): Promise<Retired> {
  // Under the sweep's lock, as pins are set: a run must not go while somebody pins it.
  return sweeping(cache, wait, async () => {
    const pinned = new Set(readPins(cache).flatMap(({ what, name }) => (what === 'run' ? name : [])));
    const runs = listRuns(runsDir);
    const last = new Set(lastRuns(runs, keepLast));
    const stays: Retired['stays'] = { pinned: 0, running: 0, undelivered: 0, recentRun: 0, young: 0 };
    const goes: Retired['goes'] = [];
    for (const head of runs) {
      const ended = endOf(head);
      const reason: RunStays | undefined = pinned.has(head.run)
        ? 'pinned'
        : head.state === 'running'
          ? 'running'
          : undelivered.has(head.folder)
            ? 'undelivered'
            : last.has(head)
              ? 'recentRun'
              : endedSince !== undefined && ended >= endedSince
                ? 'young'
                : undefined;
      if (reason) stays[reason]++;
      else goes.push({ head, bytes: bytesIn(head.folder), ended });
    }
    goes.sort((a, b) => a.ended - b.ended);
    // Renamed out of sight, so that no half of one is ever seen; closing the cache removes it.
    if (!dryRun) for (const { head } of goes) await cache.session.takeAway(head.folder, head.run);
    return { goes, stays };
  });
}

/** Of a run whose engine was killed: when it wrote last. */
function endOf({ ended, folder }: RunHead): number {
  return ended ? Date.parse(ended.at) : statSync(journalFile(folder)).mtimeMs;
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}
