/** `cemiflow cache verify`: whether all that the cache holds is still what it was. */
import type { Command } from 'commander';
import { verify as verifyCache } from '../../cache/verify.js';
import type { CommonOptions } from '../options.js';
import { columns, printJson, printLines } from '../output.js';
import { count } from '../screen/words.js';
import { Exit, exitCodes } from '../trouble.js';
import { withCache } from './opened.js';
import { progressLine } from './progress.js';

export async function verify(command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions & { all?: true }>();
  const found = await withCache(options, async ({ cache }) => {
    const line = progressLine(options);
    try {
      return await verifyCache(cache, {
        all: options.all ?? false,
        progress: (done, total) => line.show(`checking ${done} of ${total} artifacts`),
      });
    } finally {
      line.clear();
    }
  });
  const { artifacts, results, damaged, unusable } = found;
  const sound = damaged.length === 0 && unusable.length === 0;
  if (options.json) printJson({ sound, all: options.all ?? false, ...found });
  else {
    printLines([
      ...columns(damaged.map(({ digest, detail }) => ['artifact', digest.slice(0, 12), detail])),
      ...columns(unusable.map(({ key, stage, detail }) => [stage ?? 'result', key.slice(0, 12), detail])),
    ]);
    if (!options.quiet) {
      process.stderr.write(
        `${count(artifacts, 'artifact')}, ${count(results, 'result')}: ` +
          (sound
            ? `all sound${options.all ? '' : ' as far as names, sizes and times tell (--all reads every byte)'}\n`
            : `${count(damaged.length, 'artifact')} damaged and moved away, ${count(unusable.length, 'result')} of no use any more: their stages will run again\n`),
      );
    }
  }
  if (!sound) throw new Exit(exitCodes.stageFailed);
}
