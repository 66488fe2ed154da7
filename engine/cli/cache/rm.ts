/** `cemiflow cache rm`: removes results by name. */
import type { Command } from 'commander';
import { remove } from '../../cache/sweep.js';
import { inWords } from '../../cache/trouble.js';
import type { StageKey } from '../../digest.js';
import { needsOfRuns } from '../../journal/needs.js';
import type { CommonOptions } from '../options.js';
import { columns, printJson, printLines } from '../output.js';
import { count } from '../screen/words.js';
import { UsageError } from '../trouble.js';
import { waitingWords, withCache } from './opened.js';
import { namedBy, stageOf } from './words.js';

interface Options extends CommonOptions {
  run?: string;
  all?: true;
  dryRun?: true;
}

export async function rm(words: readonly string[], command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const { dryRun = false } = options;
  await withCache(options, async ({ cache, runsDir }) => {
    const named = namedBy(cache, runsDir, words, { run: options.run, runs: false });
    const keys = new Set(named.flatMap((one) => (one.what === 'result' ? one.key : [])));
    if (options.all) {
      const stages = new Set([...keys].map((key) => stageOf(cache, key)));
      for (const key of cache.results.keys()) if (stages.has(stageOf(cache, key))) keys.add(key);
    }
    const stages = new Map([...keys].map((key): [StageKey, string] => [key, stageOf(cache, key)]));
    const { removed, refused } = await remove(cache, needsOfRuns(runsDir, 0), [...keys], {
      dryRun,
      ...waitingWords(options),
    });
    if (refused.length > 0) {
      throw new UsageError(
        `not removed: ${refused.map(({ key, why }) => `${stages.get(key)!} (${key.slice(0, 12)}) is ${why}`).join('; ')}`,
        'Nothing was removed. Take a pin away with `cemiflow cache unpin`, or wait for the run.',
      );
    }
    const bytes = removed.reduce((sum, one) => sum + one.bytes, 0);
    if (options.json) {
      return printJson({
        dryRun,
        removed: removed.map(({ key, bytes, objects }) => ({
          key,
          stage: stages.get(key)!,
          bytes,
          artifacts: objects,
        })),
        freedBytes: bytes,
      });
    }
    if (options.quiet) return;
    printLines(
      columns(removed.map(({ key, bytes }) => [inWords(bytes), stages.get(key)!, key.slice(0, 12)])),
    );
    process.stderr.write(
      `${dryRun ? 'would remove' : 'removed'} ${count(removed.length, 'result')}: ${inWords(bytes)}\n`,
    );
  });
}
