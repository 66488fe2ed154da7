/** `cemiflow sync`: delivers to the tracking server what it does not have yet. */
import type { Command } from 'commander';
import type { RunHead } from '../journal/reader.js';
import type { Delivered } from '../tracking/deliver-run.js';
import type { TrackingTarget } from '../tracking/server-settings.js';
import { type CommonOptions, jsonOption, runsDirOf, serverAddress } from './options.js';
import { printJson } from './output.js';
import { Exit, exitCodes, UsageError } from './trouble.js';

interface Options extends CommonOptions {
  to?: string;
  experiment?: string;
}

export const syncVerb = (program: Command): Command =>
  program
    .command('sync [runs...]')
    .description(
      'deliver to the MLflow server what it does not have yet: of these runs, or of all that began to be delivered',
    )
    .option(
      '--to <uri>',
      'another server, or for runs without one (default: the one of the run)',
      serverAddress('--to'),
    )
    .option('--experiment <name>', 'the experiment there (default: as the run has it)')
    .addOption(jsonOption())
    .action(sync);

interface Outcome extends Delivered {
  run: string;
  uri: string;
}

async function sync(words: string[], _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const runsDir = runsDirOf(options);
  const todo = await work(words, options);
  if (todo.length === 0) process.stderr.write('Nothing is left to deliver.\n');
  const outcomes: Outcome[] = [];
  for (const { head, target } of todo) {
    if (head.state === 'running') {
      process.stderr.write(`${head.run} is at work; it is being delivered.\n`);
      continue;
    }
    const outcome = await deliver(runsDir, head, target);
    outcomes.push({ run: head.run, uri: target.uri, ...outcome });
    if (!options.json) say(head.run, outcome);
  }
  if (options.json)
    printJson({
      runs: outcomes.map(({ trouble, page, ...rest }) => ({
        ...rest,
        ...(page === undefined ? {} : { page }),
        ...(trouble === undefined ? {} : { error: trouble.message }),
      })),
    });
  if (outcomes.some(({ complete }) => !complete)) throw new Exit(exitCodes.stageFailed);
}

async function work(
  words: readonly string[],
  options: Options,
): Promise<{ head: RunHead; target: TrackingTarget }[]> {
  const runsDir = runsDirOf(options);
  const [{ findRun }, { unfinishedDeliveries }, { readHead }, { trackingTarget, withoutCredentials }] =
    await Promise.all([
      import('./run-files.js'),
      import('../tracking/backlog.js'),
      import('../journal/reader.js'),
      import('../tracking/server-settings.js'),
    ]);
  if (words.length === 0 && options.to === undefined)
    return unfinishedDeliveries(runsDir).flatMap(({ folder, target }) => {
      const head = readHead(folder);
      return head ? [{ head, target }] : [];
    });
  const names = words.length === 0 ? ['latest'] : words;
  return names.map((word) => {
    const head = findRun(runsDir, word);
    const own = head.started.tracking;
    const uri = options.to === undefined ? own?.uri : withoutCredentials(options.to);
    const experiment = options.experiment ?? own?.experiment;
    const target = trackingTarget(
      { ...(uri === undefined ? {} : { uri }), ...(experiment === undefined ? {} : { experiment }) },
      head.started.name,
      process.env,
    );
    if (target) return { head, target };
    throw new UsageError(
      `run ${head.run} names no tracking server`,
      'Name one: --to http://127.0.0.1:5000, or MLFLOW_TRACKING_URI.',
    );
  });
}

/** A person waits: some tries, not for ever. */
const attempts = 4;

async function deliver(runsDir: string, { folder }: RunHead, target: TrackingTarget): Promise<Delivered> {
  const [{ deliverRun, takeDelivery }, { mlflowClient }, { serverAccess }, { extrasOf }] = await Promise.all([
    import('../tracking/deliver-run.js'),
    import('../tracking/mlflow-client.js'),
    import('../tracking/server-settings.js'),
    import('../tracking/extras.js'),
  ]);
  const client = mlflowClient(target.uri, serverAccess(process.env));
  const lock = await takeDelivery(folder);
  try {
    return await deliverRun({
      client,
      folder,
      target,
      extras: extrasOf(runsDir, folder),
      say: (text) => process.stderr.write(`${text}\n`),
      attempts,
      hurry: new AbortController().signal,
    });
  } finally {
    await lock.release();
    client.close();
  }
}

function say(run: string, { metrics, complete, page, trouble }: Delivered): void {
  const points = `${metrics} metric point${metrics === 1 ? '' : 's'} sent`;
  process.stdout.write(
    complete
      ? `${run}: complete, ${points}${page === undefined ? '' : `: ${page}`}\n`
      : `${run}: not complete, ${points}: ${trouble?.message ?? ''}\n${trouble?.more.remedy ? `  ${trouble.more.remedy}\n` : ''}`,
  );
}
