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
  stdout?: true;
}

export const initVerb = (program: Command): Command =>
  program
    .command('init [file]')
    .description(`write a small experiment file to begin with (default: ${defaultFile})`)
    .option('--force', 'also over a file that is there')
    .option('--stdout', 'print it instead')
    .action((file: string = defaultFile, _: unknown, command: Command) => {
      const { force, stdout, quiet } = command.optsWithGlobals<Options>();
      const path = resolve(file);
      if (stdout) {
        process.stdout.write(template(path));
        return;
      }
      if (!/\.ya?ml$/.test(path))
        throw new UsageError(
          `an experiment file ends in .yaml or .yml, and ${fromHere(path)} does not`,
          `For instance: cemiflow init ${quoted(`${file}.yaml`)}`,
        );
      if (existsSync(path) && !force)
        throw new UsageError(
          `${fromHere(path)} is there already`,
          'Give another name, or --force to write over it.',
        );
      try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, template(path));
      } catch (error) {
        throw new UsageError(`${fromHere(path)} cannot be written: ${(error as Error).message}`);
      }
      if (quiet) return;
      const program = commandLine(process.argv.slice(0, 2));
      process.stderr.write(`wrote ${fromHere(path)}. Next: ${program} run ${quoted(fromHere(path))}\n`);
    });

function template(path: string): string {
  const schema = relative(dirname(path), join(packageRoot, 'schemas', 'experiment.schema.json'));
  const words = basename(path)
    .replace(/\.ya?ml$/, '')
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 100);
  const name = words === '' ? 'experiment' : words;
  // What YAML would read as a number or a truth value is quoted.
  const plain = /^[A-Za-z]/.test(name) && !/^(true|false|null)$/i.test(name);
  return initExperiment({ name: plain ? name : `"${name}"`, schema: schema.replaceAll('\\', '/') });
}
