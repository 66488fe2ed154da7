/** `cemiflow gc`: removes from the cache what no pin, no running engine, no recent run needs and no limit spares. */
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { Choice, StayReason, Unit } from '../cache/retention.js';
import type { Inventory } from '../cache/inventory.js';
import type { StageKey } from '../digest.js';
import { fromHere } from './invocation.js';
import { type CommonOptions, integer, jsonOption, runsDirOf } from './options.js';
import { columns, printJson, printLines, roomOf } from './output.js';
import { ago, durationSeconds, sizeBytes } from './quantities.js';
import { Exit, UsageError, exitCodes } from './trouble.js';

interface Options extends CommonOptions {
  keepLast?: number;
  olderThan?: number;
  maxSize?: number;
  runs?: true;
  dryRun?: true;
}

export const gcVerb = (program: Command): Command =>
  program
    .command('gc')
    .description('remove results from the cache that are not needed any more')
    .option('--keep-last <runs>', 'spare what the last runs of each experiment made or used', atLeastZero)
    .option('--older-than <time>', 'spare what was used since then, e.g. 30d, 12h', durationSeconds)
    .option(
      '--max-size <size>',
      'remove, least recently used first, until the cache is no larger, e.g. 50GB',
      sizeBytes,
    )
    .option('--runs', 'remove the folders of runs instead: journals, logs and reports; what they made stays')
    .option('-n, --dry-run', 'only say what would go')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Each option spares more: what goes is what all of those given let go. Pinned runs and results (cemiflow cache pin) always stay, and
so does what engines that run now use or work on. What has gone is made again when an experiment asks for it.

Journals, logs and reports of runs are only touched with --runs, and then only they. Nothing makes a journal again: list, show, compare and
report no longer know that run. Runs that are pinned, going on, or not delivered to their tracking server stay.

Exit codes: 0 ok, 1 the cache is still larger than --max-size, 2 bad usage.`,
    )
    .action(gc);

function atLeastZero(text: string): number {
  const value = integer(text);
  if (value < 0) throw new InvalidArgumentError('It must be at least 0.');
  return value;
}

async function gc(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const { keepLast, olderThan, maxSize, dryRun = false, quiet, verbose } = options;
  const runsDir = runsDirOf(options);
  const [{ openCache }, { cacheRoot }, { collect }, { needsOfRuns }, { inWords }] = await Promise.all([
    import('../cache/cache.js'),
    import('../journal/run-folder.js'),
    import('../cache/sweep.js'),
    import('../journal/needs.js'),
    import('../cache/trouble.js'),
  ]);
  const root = cacheRoot(runsDir);
  if (options.runs && maxSize !== undefined)
    throw new UsageError(
      '--max-size is about the cache: the folders of runs are small',
      'Give --keep-last or --older-than with --runs.',
    );
  if (keepLast === undefined && olderThan === undefined && maxSize === undefined) {
    throw new UsageError(
      `say what may go: without a limit gc would remove every ${options.runs ? 'run that is not pinned' : 'result that is neither pinned nor in use'}`,
      `For example: cemiflow gc ${options.runs ? '--runs --keep-last 3 or --runs --older-than 90d' : '--keep-last 3, --older-than 30d or --max-size 50GB'}; with --dry-run it only says what would go. ` +
        `\`cemiflow ${options.runs ? 'list' : 'cache ls'}\` lists what there is.`,
    );
  }
  if (!existsSync(root))
    throw new UsageError(
      `there is no cache in ${runsDir}`,
      'Nothing has run there yet, or it is another --runs-dir.',
    );
  const cache = await openCache(root);
  const waiting = () => {
    if (!quiet) process.stderr.write('waiting: another cemiflow is removing things from this cache\n');
  };
  try {
    if (options.runs) return await (await import('./gc-runs.js')).gcRuns(cache, runsDir, options, waiting);
    const { choice, inventory } = await collect(cache, needsOfRuns(runsDir, keepLast ?? 0), {
      limits: {
        usedSince: olderThan === undefined ? undefined : Date.now() - olderThan * 1000,
        maxBytes: maxSize,
      },
      dryRun,
      waiting,
    });
    const met = maxSize === undefined || choice.left <= maxSize;
    if (options.json) {
      printJson({
        dryRun,
        removed: choice.goes.map((unit) => ({ ...described(unit, inventory), bytes: unit.bytes })),
        freedBytes: choice.bytes - choice.left,
        bytesBefore: choice.bytes,
        bytesAfter: choice.left,
        maxBytes: maxSize ?? null,
        met,
        stays: choice.stays,
      });
    } else {
      if (dryRun || verbose) printLines(listed(choice.goes, inventory, inWords, roomOf(options)));
      if (!quiet || !met) printLines(summed(choice, dryRun, fromHere(root), inWords));
    }
    if (!met) {
      process.stderr.write(
        `cemiflow: the cache is still larger than ${inWords(maxSize)}: what stays is needed\n  ${spare(choice)}\n`,
      );
      throw new Exit(exitCodes.stageFailed);
    }
  } finally {
    await cache.close();
  }
}

/** A unit as people know it. */
function described({ what, name, used }: Unit, inventory: Inventory) {
  const item = what === 'result' ? inventory.results.get(name as StageKey) : undefined;
  return {
    what,
    name,
    stage: item?.result.by.stage ?? null,
    kind: item?.result.components.kind ?? null,
    lastUse: new Date(used).toISOString(),
  };
}

function listed(
  goes: readonly Unit[],
  inventory: Inventory,
  inWords: (bytes: number) => string,
  room: number | undefined,
): string[] {
  return columns(
    goes.map((unit) => {
      const { what, stage, kind } = described(unit, inventory);
      return [ago(unit.used), inWords(unit.bytes), what, stage ?? '', kind ?? '', unit.name.slice(0, 12)];
    }),
    undefined,
    room,
  );
}

const because: Record<StayReason, string> = {
  pinned: 'pinned',
  inUse: 'in use now',
  recentRun: 'of the last runs',
  recentlyUsed: 'used since then',
  withinSize: 'within the size',
};

function summed(choice: Choice, dryRun: boolean, root: string, inWords: (bytes: number) => string): string[] {
  const nouns = {
    result: ['result', 'results'],
    artifact: ['unused artifact', 'unused artifacts'],
    checkpoint: ['checkpoint', 'checkpoints'],
    failed: ['failed attempt', 'failed attempts'],
  } as const;
  const counts = Object.entries(nouns).flatMap(([kind, [one, more]]) => {
    const count = choice.goes.filter(({ what }) => what === kind).length;
    return count === 0 ? [] : `${count} ${count === 1 ? one : more}`;
  });
  const stays = Object.entries(choice.stays)
    .filter(([, { units, bytes }]) => units > 0 || bytes > 0)
    .map(([reason, { bytes }]) => `${inWords(bytes)} ${because[reason as StayReason]}`);
  return [
    `${dryRun ? 'would remove' : 'removed'} ${counts.join(', ') || 'nothing'}: ${inWords(choice.bytes - choice.left)}`,
    `${dryRun ? 'would stay' : 'stays'} in ${root}: ${inWords(choice.left)}${stays.length > 0 ? ` (${stays.join(', ')})` : ''}`,
  ];
}

/** What to do where the wanted size cannot be reached. */
function spare({ stays }: Choice): string {
  const remedies = {
    pinned: 'unpin something (cemiflow cache pins)',
    inUse: 'try again when no engine runs',
    recentRun: 'lower --keep-last',
    recentlyUsed: 'lower --older-than',
  };
  const words = Object.entries(remedies).flatMap(([reason, remedy]) =>
    stays[reason as StayReason].bytes > 0 ? remedy : [],
  );
  const text = words.join(', or ') || 'what is left cannot be removed';
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
