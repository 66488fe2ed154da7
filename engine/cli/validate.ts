/** `cemiflow validate`: is the file right, and if not, everything that is wrong with it. */
import type { Command } from 'commander';
import { fileOrDefault, loadFile, sayDiagnostics } from './experiment-file.js';
import { addExperiment, type CommonOptions, type ExperimentOptions, jsonOption } from './options.js';
import { printJson } from './output.js';
import { Exit, exitCodes } from './trouble.js';

export const validateVerb = (program: Command): Command =>
  addExperiment(
    program
      .command('validate [file...]')
      .description('check experiment files and say all that is wrong with them')
      .addOption(jsonOption()),
  ).action(validate);

async function validate(files: string[], _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions & ExperimentOptions>();
  const { fromHere } = await import('./invocation.js');
  const errors: {
    file: string;
    line: number;
    column: number;
    message: string;
    hint: string | null;
    origin?: string;
  }[] = [];
  for (const file of files.length > 0
    ? files.map((name) => fileOrDefault(name))
    : [fileOrDefault(undefined)]) {
    const loaded = await loadFile(file, options);
    if (!loaded.ok) {
      for (const { place, message, hint } of loaded.diagnostics) {
        const { file: at, line, column, origin } = place;
        errors.push({
          file: at,
          line,
          column,
          message,
          hint: hint ?? null,
          ...(origin === undefined ? {} : { origin }),
        });
      }
      if (!options.json) await sayDiagnostics(loaded.diagnostics, options.color);
    } else if (!options.json && !options.quiet) {
      const { stages } = loaded.experiment;
      const kinds = new Set(stages.map(({ stage }) => stage)).size;
      const points = stages.length === kinds ? '' : `, ${stages.length} with the points of their matrices`;
      process.stdout.write(
        `${fromHere(file)} is valid: ${kinds} ${kinds === 1 ? 'stage' : 'stages'}${points}\n`,
      );
    }
  }
  if (options.json) printJson({ ok: errors.length === 0, errors });
  if (errors.length > 0) throw new Exit(exitCodes.badUsage);
}
