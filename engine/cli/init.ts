/** `cemiflow init`: writes a small experiment to begin with, valid as it is. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { initExperiment } from '../experiment/template.js';
import { defaultFile } from './experiment-file.js';
import { commandLine, fromHere, packageRoot, quoted } from './invocation.js';
import type { CommonOptions } from './options.js';
import { UsageError } from './trouble.js';

interface Options extends CommonOptions {
  force?: true;
}

export const initVerb = (program: Command): Command =>
  program
    .command('init [file]')
    .description(`write a small experiment file to begin with (default: ${defaultFile})`)
    .option('--force', 'also over a file that is there')
    .action((file: string = defaultFile, _: unknown, command: Command) => {
      const { force, quiet } = command.optsWithGlobals<Options>();
      const path = resolve(file);
      if (existsSync(path) && !force)
        throw new UsageError(
          `${fromHere(path)} is there already`,
          'Give another name, or --force to write over it.',
        );
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, template(path));
      if (quiet) return;
      const program = commandLine(process.argv.slice(0, 2));
      process.stderr.write(`wrote ${fromHere(path)}. Next: ${program} run ${quoted(fromHere(path))}\n`);
    });

function template(path: string): string {
  const schema = relative(dirname(path), join(packageRoot, 'schemas', 'experiment.schema.json'));
  const name = basename(path)
    .replace(/\.ya?ml$/, '')
    .replace(/[^A-Za-z0-9_-]+/g, '-');
  return initExperiment({ name, schema: schema.replaceAll('\\', '/') });
}
