/** `cemiflow list`: all runs, newest first, or those that a filter holds for. */
import type { Command } from 'commander';
import type { RunHead } from '../journal/reader.js';
import { type CommonOptions, jsonOption, positive, runsDirOf } from './options.js';
import { colorsFor, columns, printJson, printLines } from './output.js';

interface Options extends CommonOptions {
  number?: number;
}

export const listVerb = (program: Command): Command =>
  program
    .command('list [filter]')
    .description('list the runs, newest first: all, or those that have a stage for which the filter holds')
    .option('-n, --number <count>', 'only the newest ones', positive)
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

interface Listed {
  head: RunHead;
  /** Names of the stages for which the filter holds; undefined where it is not about stages. */
  matches?: string[];
}

async function list(text: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const { listRuns } = await import('../journal/reader.js');
  const { duration } = await import('../plan/why.js');
  const all = listRuns(runsDirOf(options));
  const found: Listed[] = text === undefined ? all.map((head) => ({ head })) : await matching(text, all);
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
    ),
  );
}

async function matching(text: string, heads: readonly RunHead[]): Promise<Listed[]> {
  const [{ openFilter, runSubject, stageSubject }, { readEnds }] = await Promise.all([
    import('../report/filter.js'),
    import('../journal/reader.js'),
  ]);
  const runs = heads.map((head) => {
    const ofRun = runSubject(head, head.state);
    const ends = new Map(readEnds(head.folder).map((end) => [end.stage, end]));
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
