/** `cemiflow list`: all runs, newest first, or those that a filter holds for. */
import type { Command } from 'commander';
import type { StageEnded } from '../report/run.js';
import type { RunHead } from '../journal/reader.js';
import {
  addServer,
  type CommonOptions,
  jsonOption,
  positive,
  readsServer,
  runsDirOf,
  type ServerOptions,
} from './options.js';
import { colorsFor, columns, printJson, printLines, roomOf } from './output.js';

interface Options extends CommonOptions, ServerOptions {
  number?: number;
}

export const listVerb = (program: Command): Command =>
  addServer(
    program
      .command('list [filter]')
      .description('list the runs, newest first: all, or those that have a stage for which the filter holds')
      .option('-n, --number <count>', 'only the newest ones', positive),
  )
    .addOption(jsonOption())
    .addHelpText('after', filterNote)
    .action(list);

/** Spelled out here, as --help must not load the language. */
const filterNote = `
A filter is an expression as in the experiment file, and knows 'and', 'or', 'not':
  cemiflow list 'metrics["avg/accuracy"] > 0.9 and status == "failed"'
  cemiflow list 'params.identities >= 200 and started > "2026-11-01"'
It may name, of the run: run, name (the experiment's), status (ok, failed, interrupted, running), started, seconds, seed,
device, host, commit, version, params; of the stage: stage, kind, outcome (ok, cached, failed, skipped, cancelled),
matrix, metrics, with.`;

interface Known {
  head: RunHead;
  /** How its stages ended. */
  ends(): Iterable<StageEnded>;
}

interface Listed {
  head: RunHead;
  /** Names of the stages for which the filter holds; undefined where it is not about stages. */
  matches?: string[];
}

async function list(text: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const { duration } = await import('../plan/why.js');
  const all = await (readsServer(options) ? delivered(options, text === undefined) : journals(options));
  const found: Listed[] = text === undefined ? all : await matching(text, all);
  const listed = found.slice(0, options.number);
  if (options.json) {
    return printJson({
      runs: listed.map(({ head: { run, state, started, ended }, matches }) => ({
        run,
        name: started.name,
        state,
        at: started.at,
        seconds: ended?.seconds ?? null,
        seed: started.seed,
        stages: started.stages.length,
        commit: started.git?.commit ?? null,
        ...(matches ? { matches } : {}),
      })),
    });
  }
  const c = colorsFor(process.stdout, options.color);
  const paints = { ok: c.green, failed: c.red, interrupted: c.yellow, running: c.cyan };
  printLines(
    columns(
      listed.map(({ head: { run, state, started, ended }, matches }) => [
        run,
        state,
        ended ? duration(ended.seconds) : '',
        started.name,
        ...(matches ? [inWords(matches)] : []),
        started.command.join(' '),
      ]),
      (cell, column, row) => (column === 1 ? paints[listed[row]!.head.state](cell) : cell),
      roomOf(options),
    ),
  );
}

async function journals(options: Options): Promise<Known[]> {
  const { listRuns, readEnds } = await import('../journal/reader.js');
  return listRuns(runsDirOf(options)).map((head) => ({ head, ends: () => readEnds(head.folder) }));
}

/** @param unfiltered only those that will be shown are read */
async function delivered(options: Options, unfiltered: boolean): Promise<Known[]> {
  const { runsOnServer } = await import('./server-runs.js');
  const runs = await runsOnServer(options, (found) =>
    found.slice(0, unfiltered ? options.number : undefined),
  );
  return runs.map(({ head, source }) => ({ head, ends: () => source.run.results.values() }));
}

async function matching(text: string, known: readonly Known[]): Promise<Listed[]> {
  const { openFilter, runSubject, stageSubject } = await import('../report/filter.js');
  const runs = known.map(({ head, ends: read }) => {
    const ofRun = runSubject(head, head.state);
    const ends = new Map([...read()].map((end) => [end.stage, end]));
    const stages = head.started.stages.map((stage) => ({
      name: stage.name,
      subject: { ...ofRun, ...stageSubject(stage, ends.get(stage.name)) },
    }));
    return { head, ofRun, stages };
  });
  const filter = openFilter(
    text,
    runs.flatMap(({ ofRun, stages }) => [ofRun, ...stages.map(({ subject }) => subject)]),
  );
  if (!filter.aboutStages)
    return runs.filter(({ ofRun }) => filter.holds(ofRun)).map(({ head }) => ({ head }));
  return runs.flatMap(({ head, stages }) => {
    const matches = stages.filter(({ subject }) => filter.holds(subject)).map(({ name }) => name);
    return matches.length > 0 ? [{ head, matches }] : [];
  });
}

/** The first, and how many more. */
const inWords = ([first, ...rest]: readonly string[]) =>
  rest.length > 0 ? `${first} and ${rest.length} more` : (first ?? '');
