/** `cemiflow show`: one run, stage by stage; or one stage of it with its settings, inputs, outputs and metrics. */
import type { Command } from 'commander';
import { artifactsIn } from '../journal/run-folder.js';
import { findRun, recordOf } from './run-files.js';
import { fromHere } from './invocation.js';
import {
  addExperiment,
  type CommonOptions,
  type ExperimentOptions,
  jsonOption,
  runsDirOf,
} from './options.js';
import { colorsFor, columns, printJson, printLines, roomOf } from './output.js';
import { UsageError } from './trouble.js';

export const showVerb = (program: Command): Command =>
  addExperiment(
    program
      .command('show [run] [stage]')
      .description(
        'show a run (the latest), or one of its stages; --config FILE: each value and where it came from',
      )
      .addOption(jsonOption())
      .option(
        '--config',
        'the values of an experiment file, with file and line, profile, --set or default of each; of a run, the file it kept',
      ),
  ).action(show);

async function show(
  word: string | undefined,
  stage: string | undefined,
  _: unknown,
  command: Command,
): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions & ExperimentOptions & { config?: true }>();
  if (options.config) {
    const { showConfig } = await import('./show-config.js');
    return showConfig(word, stage, options);
  }
  if (options.set.length > 0 || options.profile.length > 0 || options.seed !== undefined)
    throw new UsageError(
      'a run is what it was: --set, --profile and --seed go with --config',
      'cemiflow show --config FILE.yaml --set params.identities=50',
    );
  const runsDir = runsDirOf(options);
  const head = findRun(runsDir, word);
  const record = recordOf(head);
  const { duration, fewMetrics, figure, memory } = await import('./screen/words.js');
  const { localTime, sourceName } = await import('../plan/why.js');
  const { logFile } = await import('../journal/run-folder.js');
  const { devicesOf } = await import('../report/run.js');
  const folderOf = artifactsIn(runsDir);
  const stages = record.started.stages.map(({ name, kind }) => {
    const end = record.results.get(name);
    return {
      name,
      kind,
      // No word of its end: it runs, or waited when the engine died.
      status: end?.status ?? (head.state === 'running' ? 'running' : 'cancelled'),
      key: end?.key ?? null,
      seconds: end?.seconds ?? 0,
      peakRssBytes: end?.peakRssBytes ?? 0,
      outputs: Object.fromEntries(
        Object.entries(end?.outputs ?? {}).map(([output, { type, digest }]) => [
          output,
          { type, digest, path: folderOf(digest) ?? null },
        ]),
      ),
      metrics: end?.metrics ?? {},
      ...(end?.error === undefined ? {} : { error: end.error }),
    };
  });
  const shown = stage === undefined ? stages : stages.filter(({ name }) => name === stage);
  if (shown.length === 0)
    throw new UsageError(
      `run ${head.run} has no stage '${stage}'`,
      `Its stages: ${stages.map(({ name }) => name).join(', ')}.`,
    );
  if (options.json) {
    const { device } = record.started;
    const ok = head.state === 'ok';
    return printJson({ run: head.run, ok, seconds: head.ended?.seconds ?? null, device, stages: shown });
  }
  const c = colorsFor(process.stdout, options.color);
  if (stage === undefined) {
    const { started } = record;
    const commit = started.git
      ? `, commit ${started.git.commit.slice(0, 9)}${started.git.dirty ? ' with changes' : ''}`
      : '';
    printLines([
      `${c.bold(started.name)} ${head.run}: ${head.state}`,
      `${localTime(started.at)} on ${started.host}, seed ${started.seed}, ${devicesOf(record)}, cemiflow ${started.version}${commit}`,
      `cemiflow ${started.command.join(' ')}`,
      '',
      ...columns(
        shown.map(({ name, kind, status, seconds, peakRssBytes, metrics, error }) => [
          name,
          kind,
          status,
          seconds > 0 ? duration(seconds) : '',
          memory(peakRssBytes),
          error ?? fewMetrics(metrics),
        ]),
        undefined,
        roomOf(options),
      ),
    ]);
    return;
  }
  const [one] = shown;
  const planned = record.planned.get(stage)!;
  const end = record.results.get(stage);
  printLines([
    `${c.bold(stage)} (${one!.kind}): ${one!.status}${one!.seconds > 0 ? `, ${duration(one!.seconds)}` : ''}`,
    ...(end?.from ? [`made by run ${end.from.run} in ${duration(end.from.seconds)}`] : []),
    ...(one!.error === undefined ? [] : [`error: ${one!.error}`]),
    ...(end?.warnings ?? []).map((warning) => `warning: ${warning}`),
    ...titled('with', planned.settings, (value) => JSON.stringify(value)),
    ...titled('inputs', planned.inputs, (sources) => sources.map(sourceName).join(', ')),
    ...titled(
      'outputs',
      one!.outputs,
      ({ type, digest, path }) =>
        `${type} ${digest.slice(0, 12)} ${path === null ? '(no longer in the cache)' : fromHere(path)}`,
    ),
    ...titled('metrics', one!.metrics, figure),
    `log: ${fromHere(logFile(head.folder, stage))}`,
  ]);
}

/** [] where there is nothing to list. */
function titled<T>(
  title: string,
  entries: Readonly<Record<string, T>>,
  inWords: (value: T) => string,
): string[] {
  const lines = Object.entries(entries).map(([name, value]) => `  ${name}: ${inWords(value)}`);
  return lines.length > 0 ? [`${title}:`, ...lines] : [];
}
