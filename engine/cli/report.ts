/** `cemiflow report`: writes the report of a run, one HTML file, and prints its path. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { fromHere } from './invocation.js';
import { findRun, reported } from './run-files.js';
import { type CommonOptions, runsDirOf } from './options.js';

interface Options extends CommonOptions {
  output?: string;
}

export const reportVerb = (program: Command): Command =>
  program
    .command('report [run]')
    .description('write the report of a run (the latest) and print its path')
    .option('-o, --output <file>', "where to (default: report.html in the run's folder)")
    .action(async (word: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const runsDir = runsDirOf(options);
      const file = options.output === undefined ? undefined : resolve(options.output);
      const written = await reported(runsDir, findRun(runsDir, word), { file });
      process.stdout.write(`${fromHere(written)}\n`);
    });
