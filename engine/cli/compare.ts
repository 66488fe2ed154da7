/** `cemiflow compare`: the table of accuracies, AVG and GtR, of one run or several. */
import { Option, type Command } from 'commander';
import { findRun, journalSource, pickRun } from './run-files.js';
import {
  addServer,
  type CommonOptions,
  jsonOption,
  readsServer,
  runsDirOf,
  type ServerOptions,
} from './options.js';
import { printJson, widthOf } from './output.js';
import { UsageError } from './trouble.js';
import type { RunState } from '../journal/reader.js';
import type { ComparisonRow, CompareSource } from '../report/compare.js';

interface Options extends CommonOptions, ServerOptions {
  baseline?: string;
  apart?: true;
  where?: string;
  format: 'table' | 'csv' | 'markdown';
}

export const compareVerb = (program: Command): Command =>
  addServer(
    program
      .command('compare [runs...]')
      .description(
        "compare what was evaluated, within a run (the latest) and across runs; 'all' means every run there is",
      )
      .option('--baseline <row>', "what GtR is measured against (default: the file's report.baseline)")
      .option(
        '--apart',
        'keep a row for each run; without it runs that differ in the seed alone are replicas',
      )
      .option('--where <filter>', "only the rows for which it holds: 'matrix.m >= 0 and gtr < 0.1'"),
  )
    .addOption(
      new Option('--format <name>', 'of the table').choices(['table', 'csv', 'markdown']).default('table'),
    )
    .addOption(jsonOption())
    .addHelpText('after', filterNote)
    .action(compare);

/** Spelled out here, as --help must not load the language. */
const filterNote = `
A filter is an expression as in the experiment file, and knows 'and', 'or', 'not'. It may name, of the row: label, gtr, n,
std, metrics["avg/accuracy"] (means over replicas); of its first replica: stage, kind, outcome, matrix, with; of that one's
run: run, name, status, started, seconds, seed, device, host, commit, version, params.`;

async function compare(words: string[], _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const runs = await (readsServer(options) ? delivered(words, options) : journals(words, options));
  const { where } = options;
  const select = where === undefined ? undefined : await selection(where, runs);
  const { compareRuns } = await import('../report/compare.js');
  const comparison = compareRuns(
    runs.map(({ source }) => source),
    { ...options, select },
  );
  if (options.json) {
    const { baseline, rows, notices } = comparison;
    return printJson({ baseline, rows: rows.map(({ card: _, ...row }) => row), notices });
  }
  if (comparison.rows.length === 0 && where !== undefined) throw new UsageError(`no row for which ${where}`);
  if (comparison.rows.length === 0)
    throw new UsageError(
      `nothing was evaluated in ${runs.map(({ source }) => source.run.started.run).join(', ')}`,
      'A row of the comparison is a stage that uses: evaluate and has ended well.',
    );
  const { csvTable, markdownTable, terminalTable } = await import('../report/table.js');
  const { stdout } = process;
  const table = () => terminalTable(comparison, widthOf(stdout));
  const print = { table, csv: csvTable, markdown: markdownTable }[options.format];
  stdout.write(`${print(comparison).trimEnd()}\n`);
}

interface Known {
  state: RunState;
  source: CompareSource;
}

async function journals(words: readonly string[], options: Options): Promise<Known[]> {
  const runsDir = runsDirOf(options);
  const { listRuns } = await import('../journal/reader.js');
  const heads = distinct(
    words,
    () => listRuns(runsDir),
    (word) => findRun(runsDir, word),
  );
  return Promise.all(
    heads.map(async (head) => ({ state: head.state, source: await journalSource(runsDir, head) })),
  );
}

async function delivered(words: readonly string[], options: Options): Promise<Known[]> {
  const { runsOnServer } = await import('./server-runs.js');
  const runs = await runsOnServer(options, (found, where) => {
    if (found.length === 0)
      throw new UsageError(`there are no runs of cemiflow ${where}`, 'cemiflow sync delivers runs.');
    return distinct(
      words,
      () => found,
      (word) => pickRun(found, word, where),
    );
  });
  return runs.map(({ head, source }) => ({ state: head.state, source }));
}

/** The runs that the words name, each once; without words the newest. */
function distinct<R extends { run: string }>(
  words: readonly string[],
  all: () => readonly R[],
  named: (word?: string) => R,
): R[] {
  if (words.length === 0) return [named()];
  const runs = words.flatMap((word) => (word === 'all' ? all() : [named(word)]));
  return [...new Map(runs.map((run) => [run.run, run])).values()];
}

async function selection(where: string, runs: readonly Known[]) {
  const { openFilter, rowSubject, runSubject, stageSubject } = await import('../report/filter.js');
  const byName = new Map(runs.map((run) => [run.source.run.started.run, run]));
  const subjectOf = (row: ComparisonRow) => {
    const { state, source } = byName.get(row.run)!;
    return {
      ...runSubject(source.run, state),
      ...stageSubject(source.run.planned.get(row.stage)!, source.run.results.get(row.stage)),
      ...rowSubject(row),
    };
  };
  return (rows: ComparisonRow[]) => {
    const subjects = rows.map(subjectOf);
    const filter = openFilter(where, subjects);
    return rows.filter((_, i) => filter.holds(subjects[i]!));
  };
}
