/** `cemiflow logs`: what a stage said, also while it runs, also of the run that made a cached result. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { engineLives, logFile } from '../journal/run-folder.js';
import { findRun, recordOf } from './run-files.js';
import { type CommonOptions, positive, runsDirOf } from './options.js';
import { printLines } from './output.js';
import { UsageError } from './trouble.js';

interface Options extends CommonOptions {
  run?: string;
  tail?: number;
  follow?: true;
}

export const logsVerb = (program: Command): Command =>
  program
    .command('logs [stage]')
    .description('print the log of a stage; without a stage, which logs there are')
    .option('-r, --run <run>', 'of that run (default: the latest)')
    .option('-t, --tail <lines>', 'only the last lines', positive)
    .option('-F, --follow', 'go on printing while the run goes on')
    .action(logs);

async function logs(stage: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  const runsDir = runsDirOf(options);
  const head = findRun(runsDir, options.run);
  const record = recordOf(head);
  const names = record.started.stages.map(({ name }) => name);
  const fileOf = (name: string): string | undefined => {
    const made = record.results.get(name)?.from?.run;
    // A cached stage said nothing in this run: the words of the run that made it are what one wants.
    const files = [
      logFile(head.folder, name),
      ...(made === undefined ? [] : [logFile(join(runsDir, made), name)]),
    ];
    return files.find((file) => existsSync(file));
  };
  if (stage === undefined)
    return printLines(names.flatMap((name) => (fileOf(name) ? `${name}  ${fileOf(name)}` : [])));
  if (!names.includes(stage))
    throw new UsageError(`run ${head.run} has no stage '${stage}'`, `Its stages: ${names.join(', ')}.`);
  const file = fileOf(stage);
  if (file === undefined)
    throw new UsageError(`${stage} has no log in run ${head.run}: it did not start there`);
  const { lastLines } = await import('../run/stage-log.js');
  printLines(lastLines(file, options.tail ?? Infinity));
  if (options.follow) await follow(file, () => engineLives(head.folder));
}

const lookEveryMilliseconds = 300;

/** Prints what is appended, until the engine is gone and all is printed. */
async function follow(file: string, goesOn: () => boolean): Promise<void> {
  const { open, stat } = await import('node:fs/promises');
  const { setTimeout: sleep } = await import('node:timers/promises');
  let log = await open(file, 'r');
  try {
    let at = (await log.stat()).size;
    for (let more = true; more;) {
      more = goesOn();
      const { buffer, bytesRead } = await log.read({ buffer: Buffer.alloc(64 * 1024), position: at });
      process.stdout.write(buffer.subarray(0, bytesRead));
      at += bytesRead;
      if (bytesRead > 0) {
        more = true;
        continue;
      }
      // A log that grew too long was replaced by a shorter one (stage-log.ts): on from its end.
      if ((await stat(file)).ino !== (await log.stat()).ino) {
        await log.close();
        log = await open(file, 'r');
        at = (await log.stat()).size;
        process.stdout.write('--- some of it was left out here: too much at a time\n');
      }
      await sleep(lookEveryMilliseconds);
    }
  } finally {
    await log.close();
  }
}
