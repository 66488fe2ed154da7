/** `cemiflow compare`: the table of accuracies, AVG and GtR, of one run or several. */
import { Option, type Command } from 'commander';
import { compared, findRun, recordOf } from './run-files.js';
import { type CommonOptions, jsonOption, runsDirOf } from './options.js';
import { printJson, widthOf } from './output.js';
import { UsageError } from './trouble.js';

interface Options extends CommonOptions {
  baseline?: string;
  apart?: true;
  format: 'table' | 'csv' | 'markdown';
}

export const compareVerb = (program: Command): Command =>
  program
    .command('compare [runs...]')
    .description('compare what was evaluated, within a run (the latest) and across runs')
    .option('--baseline <row>', "what GtR is measured against (default: the file's report.baseline)")
    .option('--apart', 'keep a row for each run; without it runs that differ in the seed alone are replicas')
    .addOption(
      new Option('--format <name>', 'of the table').choices(['table', 'csv', 'markdown']).default('table'),
    )
    .addOption(jsonOption())
    .action(compare);

async function compare(words: string[], _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const runsDir = runsDirOf(options);
  const heads = words.length > 0 ? words.map((word) => findRun(runsDir, word)) : [findRun(runsDir)];
  const comparison = await compared(runsDir, heads.map(recordOf), options);
  if (options.json) {
    const { baseline, rows, notices } = comparison;
    return printJson({ baseline, rows: rows.map(({ card: _, ...row }) => row), notices });
  }
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
