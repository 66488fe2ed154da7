/** `cemiflow status`: where an experiment stands: which results are there, from which run, and what would run; or who holds the GPUs. */
import type { Command } from 'commander';
import { openExperiment } from './experiment-file.js';
import {
  addExperiment,
  type CommonOptions,
  type ExperimentOptions,
  jsonOption,
  runsDirOf,
} from './options.js';
import { colorsFor, columns, printJson, printLines, roomOf } from './output.js';
import { decisionsFor } from './plan.js';

export const statusVerb = (program: Command): Command =>
  addExperiment(
    program
      .command('status [file]')
      .description('say which stages have a result, from which run, and which would run')
      .option('--gpus', 'instead: the GPUs of this machine, and which run and stage holds which')
      .addOption(jsonOption()),
  ).action(status);

async function status(file: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions & ExperimentOptions & { gpus?: true }>();
  if (options.gpus) return (await import('./status-gpus.js')).statusOfGpus(options);
  const experiment = await openExperiment(file, options);
  const decisions = await decisionsFor(experiment, options);
  const [{ say, duration }, { listRuns }, { fewMetrics, fewReasons, leftInWords }, { leftBehind }] =
    await Promise.all([
      import('../plan/why.js'),
      import('../journal/reader.js'),
      import('./screen/words.js'),
      import('../run/left-behind.js'),
    ]);
  const left = leftBehind(runsDirOf(options));
  const last = listRuns(runsDirOf(options)).find(({ started }) => started.name === experiment.name);
  const rows = experiment.stages.map(({ name, kind }) => {
    const decision = decisions.get(name)!;
    if (decision.act === 'reuse') {
      const { by, metrics } = decision.result;
      return {
        name,
        kind,
        status: 'cached',
        run: by.run,
        at: by.at,
        seconds: by.seconds,
        reasons: [],
        metrics,
      };
    }
    const because = decision.because.map(say);
    return {
      name,
      kind,
      status: decision.act,
      run: null,
      at: null,
      seconds: null,
      reasons: because,
      metrics: {},
    };
  });
  if (options.json) {
    return printJson({
      experiment: experiment.name,
      lastRun: last ? { run: last.run, state: last.state, at: last.started.at } : null,
      stages: rows,
      leftBehind: left,
    });
  }
  const c = colorsFor(process.stdout, options.color);
  for (const one of left)
    process.stderr.write(`left behind: ${leftInWords(one)}; the next run that has something to do ends it\n`);
  if (last && !options.quiet) process.stderr.write(`last run ${last.run}: ${last.state}\n`);
  printLines(
    columns(
      rows.map(({ name, status, run, seconds, reasons, metrics }) => [
        name,
        status,
        run ?? '',
        seconds === null ? '' : duration(seconds),
        run === null ? fewReasons(reasons) : fewMetrics(metrics),
      ]),
      (cell, column, row) =>
        column === 1 ? (rows[row]!.status === 'cached' ? c.cyan : c.yellow)(cell) : cell,
      roomOf(options),
    ),
  );
}
