/** `cemiflow list`: all runs, newest first. */
import type { Command } from 'commander';
import { type CommonOptions, jsonOption, positive, runsDirOf } from './options.js';
import { colorsFor, columns, printJson, printLines } from './output.js';

interface Options extends CommonOptions {
  number?: number;
}

export const listVerb = (program: Command): Command =>
  program
    .command('list')
    .description('list the runs, newest first')
    .option('-n, --number <count>', 'only the newest ones', positive)
    .addOption(jsonOption())
    .action(list);

async function list(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const { listRuns } = await import('../journal/reader.js');
  const { duration } = await import('../plan/why.js');
  const runs = listRuns(runsDirOf(options)).slice(0, options.number);
  if (options.json) {
    return printJson({
      runs: runs.map(({ run, state, started, ended }) => ({
        run,
        name: started.name,
        state,
        at: started.at,
        seconds: ended?.seconds ?? null,
        seed: started.seed,
        stages: started.stages.length,
        commit: started.git?.commit ?? null,
      })),
    });
  }
  const c = colorsFor(process.stdout, options.color);
  const paints = { ok: c.green, failed: c.red, interrupted: c.yellow, running: c.cyan };
  printLines(
    columns(
      runs.map(({ run, state, started, ended }) => [
        run,
        state,
        ended ? duration(ended.seconds) : '',
        started.name,
        started.command.join(' '),
      ]),
      (cell, column, row) => (column === 1 ? paints[runs[row]!.state](cell) : cell),
    ),
  );
}
