/** `cemiflow gc --runs`: removes the folders of old runs, with their journals, logs and reports; their results stay in the cache. */
import type { LocalCache } from '../cache/cache.js';
import { inWords } from '../cache/trouble.js';
import { type Retired, retireRuns, type RunStays } from '../journal/retire.js';
import { unfinishedDeliveries } from '../tracking/backlog.js';
import { fromHere } from './invocation.js';
import type { CommonOptions } from './options.js';
import { columns, printJson, printLines, roomOf } from './output.js';
import { ago } from './quantities.js';

export interface GcRunsOptions extends CommonOptions {
  keepLast?: number;
  /** Seconds. */
  olderThan?: number;
  dryRun?: true;
}

export async function gcRuns(
  cache: LocalCache,
  runsDir: string,
  options: GcRunsOptions,
  waiting: () => void,
): Promise<void> {
  const { keepLast = 0, olderThan, dryRun = false, quiet, verbose } = options;
  const retired = await retireRuns(cache, runsDir, {
    keepLast,
    endedSince: olderThan === undefined ? undefined : Date.now() - olderThan * 1000,
    undelivered: new Set(unfinishedDeliveries(runsDir).map(({ folder }) => folder)),
    dryRun,
    waiting,
  });
  const { goes, stays } = retired;
  const freed = goes.reduce((sum, { bytes }) => sum + bytes, 0);
  if (options.json)
    return printJson({
      dryRun,
      removed: goes.map(({ head, bytes, ended }) => ({
        run: head.run,
        name: head.started.name,
        state: head.state,
        ended: new Date(ended).toISOString(),
        bytes,
      })),
      freedBytes: freed,
      stays,
    });
  if (dryRun || verbose) printLines(listed(retired, roomOf(options)));
  if (quiet) return;
  const count = (n: number) => `${n} run${n === 1 ? '' : 's'}`;
  const kept = Object.entries(stays).filter(([, n]) => n > 0);
  const left = kept.reduce((sum, [, n]) => sum + n, 0);
  const because = kept.map(([reason, n]) => `${n} ${words[reason as RunStays]}`).join(', ');
  printLines([
    `${dryRun ? 'would remove' : 'removed'} ${goes.length === 0 ? 'nothing' : count(goes.length)}: ${inWords(freed)}`,
    `${dryRun ? 'would stay' : 'stays'} in ${fromHere(runsDir)}: ${count(left)}${because === '' ? '' : ` (${because})`}`,
  ]);
}

const words: Record<RunStays, string> = {
  pinned: 'pinned',
  running: 'going on',
  undelivered: 'not delivered yet: cemiflow sync',
  recentRun: 'of the last runs',
  young: 'ended since then',
};

function listed({ goes }: Retired, room: number | undefined): string[] {
  return columns(
    goes.map(({ head, bytes, ended }) => [
      ago(ended),
      inWords(bytes),
      head.run,
      head.state,
      head.started.name,
    ]),
    undefined,
    room,
  );
}
