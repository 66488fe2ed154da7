/** `cemiflow compare`: the table of accuracies, AVG and GtR, of one run or several. */
import { Option, type Command } from 'commander';
import { compared, findRun, recordOf } from './run-files.js';
import { type CommonOptions, jsonOption, runsDirOf } from './options.js';
import { printJson, widthOf } from './output.js';
import { UsageError } from './trouble.js';
import type { RunHead } from '../journal/reader.js';
import type { ComparisonRow } from '../report/compare.js';
import type { RunRecord } from '../report/run.js';

interface Options extends CommonOptions {
  baseline?: string;
  apart?: true;
  where?: string;
  format: 'table' | 'csv' | 'markdown';
}

export const compareVerb = (program: Command): Command =>
  program
    .command('compare [runs...]')
    .description(
      "compare what was evaluated, within a run (the latest) and across runs; 'all' means every run there is",
    )
    .option('--baseline <row>', "what GtR is measured against (default: the file's report.baseline)")
    .option('--apart', 'keep a row for each run; without it runs that differ in the seed alone are replicas')
    .option('--where <filter>', "only the rows for which it holds: 'matrix.m >= 0 and gtr < 0.1'")
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
  const runsDir = runsDirOf(options);
  const heads = await headsOf(runsDir, words);
  const runs = heads.map((head) => ({ head, record: recordOf(head) }));
  const { where } = options;
  const select = where === undefined ? undefined : await selection(where, runs);
  const records = runs.map(({ record }) => record);
  const comparison = await compared(runsDir, records, { ...options, select });
  if (options.json) {
    const { baseline, rows, notices } = comparison;
    return printJson({ baseline, rows: rows.map(({ card: _, ...row }) => row), notices });
  }
  if (comparison.rows.length === 0 && where !== undefined) throw new UsageError(`no row for which ${where}`);
  if (comparison.rows.length === 0)
    throw new UsageError(
      `nothing was evaluated in ${heads.map(({ run }) => run).join(', ')}`,
      'A row of the comparison is a stage that uses: evaluate and has ended well.',
    );
  const { csvTable, markdownTable, terminalTable } = await import('../report/table.js');
  const { stdout } = process;
  const table = () => terminalTable(comparison, widthOf(stdout));
  const print = { table, csv: csvTable, markdown: markdownTable }[options.format];
  stdout.write(`${print(comparison).trimEnd()}\n`);
}

async function headsOf(runsDir: string, words: readonly string[]): Promise<RunHead[]> {
  if (words.length === 0) return [findRun(runsDir)];
  const { listRuns } = await import('../journal/reader.js');
  const heads = words.flatMap((word) => (word === 'all' ? listRuns(runsDir) : [findRun(runsDir, word)]));
  return [...new Map(heads.map((head) => [head.run, head])).values()];
}

async function selection(where: string, runs: readonly { head: RunHead; record: RunRecord }[]) {
  const { openFilter, rowSubject, runSubject, stageSubject } = await import('../report/filter.js');
  const byName = new Map(runs.map((run) => [run.head.run, run]));
  const subjectOf = (row: ComparisonRow) => {
    const { head, record } = byName.get(row.run)!;
    return {
      ...runSubject(record, head.state),
      ...stageSubject(record.planned.get(row.stage)!, record.results.get(row.stage)),
      ...rowSubject(row),
    };
  };
  return (rows: ComparisonRow[]) => {
    const subjects = rows.map(subjectOf);
    const filter = openFilter(where, subjects);
    return rows.filter((_, i) => filter.holds(subjects[i]!));
  };
}
