/** `cemiflow run`: runs an experiment and shows it; then the comparison and the report. Running again is resuming. */
import { Option, type Command } from 'commander';
import type { Experiment } from '../experiment/experiment.js';
import type { FailureMode } from '../run/scheduler.js';
import type { RunOutcome, RunSummary } from '../run/summary.js';
import { openExperiment } from './experiment-file.js';
import { keepHeapSmall } from './heap.js';
import { commandLine, fromHere, version } from './invocation.js';
import {
  addExperiment,
  addSelection,
  type CommonOptions,
  deviceOption,
  type ExperimentOptions,
  jsonOption,
  positive,
  runsDirOf,
  seconds,
  type SelectOptions,
} from './options.js';
import { colorsFor, printJson, widthOf } from './output.js';
import { printPlan } from './plan.js';
import { listenForSignals } from './run-signals.js';
import { openTracking } from './run-tracking.js';
import { Exit, exitCodes, sayTrouble } from './trouble.js';

interface Options extends CommonOptions, ExperimentOptions, SelectOptions {
  dryRun?: true;
  jobs?: number;
  keepGoing?: true;
  failFast?: true;
  /** Seconds. */
  grace: number;
  device: string;
}

export const runVerb = (program: Command): Command =>
  addSelection(
    addExperiment(
      program
        .command('run [file]')
        .description(
          'run an experiment; what has a result already is not run again, and a killed run goes on',
        )
        .option('-n, --dry-run', 'only say what would happen, as plan does')
        .option(
          '-j, --jobs <number>',
          'stages at a time (default: as the CPUs and GPUs they ask for allow)',
          positive,
        )
        .option('-k, --keep-going', 'after a failure go on with all that does not depend on it')
        .addOption(new Option('--fail-fast', 'after a failure end what runs, too').conflicts('keepGoing'))
        .addOption(
          new Option(
            '--grace <time>',
            'how long a stage that is told to stop may take to save its work (30, 30s, 2m)',
          )
            .argParser(seconds)
            .default(20, '20s'),
        )
        .addOption(deviceOption())
        .addOption(jsonOption()),
    ),
  ).action(run);

async function run(file: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const experiment = await openExperiment(file, options);
  if (options.dryRun) return printPlan(experiment, options);

  const [{ runExperiment }, { signalAtWork }, { openScreen }, { endingLines }] = await Promise.all([
    import('../run/run-experiment.js'),
    import('../run/attempt-process.js'),
    import('./screen/screen.js'),
    import('./screen/ending.js'),
  ]);
  const colors = colorsFor(process.stderr, options.color);
  const words = { colors, quiet: options.quiet === true, verbose: options.verbose === true };
  const screen = await openScreen(process.stderr, words);
  const signals = listenForSignals({
    pause() {
      screen.pause();
      signalAtWork('SIGSTOP');
    },
    resume: () => signalAtWork('SIGCONT'),
  });
  let shown = true;
  const tracking = await openTracking(experiment, runsDirOf(options), (text, trouble) => {
    if (shown) screen.take({ type: 'tracking', text, trouble });
    else if (trouble || !words.quiet) process.stderr.write(`${text}\n`);
  });
  let started = false;
  /** The engine itself cannot go on (the disk of the journal is full, a bug). The stages at work end with it. */
  const crash = (error: unknown) => {
    screen.close();
    sayTrouble(error, process.stderr);
    process.stderr.write(`The finished stages are kept. Resume: ${commandLine()}\n`);
    process.exit(exitCodes.stageFailed);
  };
  process.on('uncaughtException', crash);
  const outcome = await runExperiment(
    experiment,
    {
      runsDir: runsDirOf(options),
      tracking: tracking?.target,
      command: process.argv.slice(2),
      version: version(),
      device: options.device,
      jobs: options.jobs,
      failureMode: failureMode(options),
      force: new Set(options.force),
      until: options.until,
      only: options.only,
      grace: options.grace,
      stop: signals.stop,
      kill: signals.kill,
    },
    (event) => {
      started = true;
      screen.take(event);
      if (event.type !== 'planned') return;
      keepHeapSmall([...event.decisions.values()].filter(({ act }) => act !== 'reuse').length);
      tracking?.begin(event.folder);
    },
  )
    .catch((error: unknown) => {
      if (started) crash(error);
      throw error;
    })
    .finally(() => {
      screen.close();
      shown = false;
      process.off('uncaughtException', crash);
    });
  const resume = commandLine(withoutDoneForce(process.argv, experiment, outcome.summary));
  const lines = endingLines(outcome, { colors, resume });
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
  await tellResult(outcome, experiment, options);
  // A signal while it waits for the server ends the wait.
  const enough = outcome.status === 'interrupted' ? signals.kill : signals.stop;
  await tracking?.finish(outcome.summary.run, enough);
  signals.close();
  if (outcome.status === 'interrupted') throw new Exit(exitCodes.interrupted);
  if (outcome.status === 'failed') throw new Exit(exitCodes.stageFailed);
}

/** The comparison, where there is something to compare, and the report's path: the result, so on stdout. */
async function tellResult(
  { summary, status, folder }: RunOutcome,
  experiment: Experiment,
  options: Options,
): Promise<void> {
  const { readHead } = await import('../journal/reader.js');
  const { journalSource, reported } = await import('./run-files.js');
  const runsDir = runsDirOf(options);
  const head = readHead(folder);
  if (options.json) printJson(summary);
  if (status === 'interrupted' || !head) return;
  const out = options.json ? process.stderr : process.stdout;
  const source = await journalSource(runsDir, head);
  if (!options.quiet) {
    const { savedLine } = await import('./forecast.js');
    const saved = savedLine(experiment, source.run.results, options.jobs);
    if (saved !== '') process.stderr.write(`${saved}\n`);
  }
  const { compareRuns } = await import('../report/compare.js');
  const comparison = compareRuns([source]);
  if (comparison.rows.length > 0) {
    const { terminalTable } = await import('../report/table.js');
    out.write(`\n${terminalTable(comparison, widthOf(out))}`);
  }
  out.write(`Report: ${fromHere(await reported(runsDir, head, { record: source.run }))}\n`);
}

/** The words that resume: a forced stage that has ended well must not be forced again. */
function withoutDoneForce(argv: readonly string[], { stages }: Experiment, summary: RunSummary): string[] {
  const ended = new Map(summary.stages.map(({ name, status }) => [name, status]));
  const done = (word: string) =>
    stages
      .filter(({ name, stage }) => name === word || stage === word)
      .every(({ name }) => ['ok', 'cached'].includes(ended.get(name) ?? ''));
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const joined = /^(?:--force=|-f)(.+)$/.exec(word)?.[1];
    if (joined !== undefined && done(joined)) continue;
    if ((word === '--force' || word === '-f') && done(argv[i + 1] ?? '')) i++;
    else words.push(word);
  }
  return words;
}

function failureMode({ keepGoing, failFast }: Options): FailureMode {
  return keepGoing ? 'keep-going' : failFast ? 'fail-fast' : 'finish';
}
