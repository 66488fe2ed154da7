/** `cemiflow plan` (and `run --dry-run`): what would happen to each stage, and why. Changes nothing. */
import type { Command } from 'commander';
import type { Experiment } from '../experiment/experiment.js';
import type { Decision } from '../plan/plan.js';
import { openExperiment } from './experiment-file.js';
import type { Forecast } from './forecast.js';
import {
  addExperiment,
  addSelection,
  type CommonOptions,
  deviceOption,
  type ExperimentOptions,
  jsonOption,
  positive,
  runsDirOf,
  type SelectOptions,
} from './options.js';
import { colorsFor, columns, printJson, printLines, roomOf } from './output.js';

interface Options extends CommonOptions, ExperimentOptions, SelectOptions {
  /** What the forecast is for. */
  device: string;
  jobs?: number;
}

export const planVerb = (program: Command): Command =>
  addSelection(
    addExperiment(
      program
        .command('plan [file]')
        .description('say what a run would do to each stage, why, and what that would take')
        .option('-j, --jobs <number>', 'stages at a time, for the forecast', positive)
        .addOption(deviceOption())
        .addOption(jsonOption()),
    ),
  ).action(async (file: string | undefined, _: unknown, command: Command) => {
    const options = command.optsWithGlobals<Options>();
    await printPlan(await openExperiment(file, options), options);
  });

export async function printPlan(experiment: Experiment, options: Options): Promise<void> {
  const decisions = await decisionsFor(experiment, options);
  const [{ say, duration }, { fewReasons, planTally }] = await Promise.all([
    import('../plan/why.js'),
    import('./screen/words.js'),
  ]);
  const kinds = new Map(experiment.stages.map(({ name, kind }) => [name, kind]));
  const rows = [...decisions].map(([name, decision]) => ({
    name,
    kind: kinds.get(name)!,
    status: statusWords[decision.act],
    ...('key' in decision ? { key: decision.key } : {}),
    reasons: decision.act === 'reuse' ? [] : decision.because.map(say),
  }));
  if (options.json)
    return printJson({ stages: rows, forecast: await forecastFor(experiment, decisions, options) });
  const c = colorsFor(process.stdout, options.color);
  const paints = { cached: c.cyan, run: c.yellow, maybe: c.dim };
  const why = (name: string, reasons: string[]) => {
    const decision = decisions.get(name)!;
    if (decision.act === 'reuse')
      return `run ${decision.result.by.run}, ${duration(decision.result.by.seconds)}`;
    return options.verbose ? reasons.join('; ') : fewReasons(reasons);
  };
  printLines(
    columns(
      rows.map(({ name, status, reasons }) => [name, status, why(name, reasons)]),
      (cell, column, row) => (column === 1 ? paints[rows[row]!.status](cell) : cell),
      roomOf(options),
    ),
  );
  if (options.quiet) return;
  const { forecastLines } = await import('./forecast.js');
  const forecast = await forecastFor(experiment, decisions, options);
  const n = (wanted: string) => rows.filter(({ status }) => status === wanted).length;
  const lines = [
    planTally({ cached: n('cached'), run: n('run'), maybe: n('maybe') }),
    ...forecastLines(forecast, options.verbose === true),
  ];
  process.stderr.write(lines.map((line) => `${line}\n`).join(''));
}

/** Only for those who are shown it: it takes a tenth of a plan's time. */
async function forecastFor(
  experiment: Experiment,
  decisions: ReadonlyMap<string, Decision>,
  options: Options,
): Promise<Forecast> {
  const [{ forecastOf }, { cacheRoot }] = await Promise.all([
    import('./forecast.js'),
    import('../journal/run-folder.js'),
  ]);
  const { device, jobs } = options;
  return forecastOf(experiment, decisions, { cacheRoot: cacheRoot(runsDirOf(options)), device, jobs });
}

const statusWords = { reuse: 'cached', run: 'run', maybe: 'maybe' } as const;

/** Opens the cache, plans, and closes it. */
export async function decisionsFor(
  experiment: Experiment,
  options: CommonOptions & Partial<SelectOptions>,
): Promise<Map<string, Decision>> {
  const [{ openCache }, { planAll }, { cacheRoot }] = await Promise.all([
    import('../cache/cache.js'),
    import('../plan/make-plan.js'),
    import('../journal/run-folder.js'),
  ]);
  const cache = await openCache(cacheRoot(runsDirOf(options)), { use: false });
  try {
    const { force = [], until, only } = options;
    return await planAll(experiment, cache, {
      force: new Set(force),
      ...(until === undefined ? {} : { until }),
      ...(only === undefined ? {} : { only }),
    });
  } finally {
    await cache.close();
  }
}
