/** `cemiflow show --config`: every value of an experiment file and where it came from; of a run, the file it kept. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../stages/contract.js';
import { type ConfigRow, configRows } from './config-rows.js';
import { openExperiment } from './experiment-file.js';
import { fromHere } from './invocation.js';
import { type CommonOptions, type ExperimentOptions, runsDirOf } from './options.js';
import { colorsFor, columns, printJson, printLines } from './output.js';
import { findRun } from './run-files.js';
import { UsageError } from './trouble.js';

type Options = CommonOptions & ExperimentOptions;

/** @param word an experiment file (without one, the default file), or a run */
export async function showConfig(
  word: string | undefined,
  stage: string | undefined,
  options: Options,
): Promise<void> {
  if (word !== undefined && !/\.ya?ml$/.test(word) && !existsSync(word))
    return showKept(word, stage, options);
  const experiment = await openExperiment(word, options);
  const { sayWritten, Writings } = await import('../experiment/written.js');
  const rows = configRows(experiment, new Writings(experiment), stage);
  if (!rows)
    throw new UsageError(
      `${fromHere(experiment.file)} has no stage '${stage}'`,
      `Its stages: ${[...new Set(experiment.stages.map(({ stage: name }) => name))].join(', ')}.`,
    );
  if (options.json) {
    return printJson({
      file: experiment.file,
      values: rows.map(({ path, value, computed, written, defaultOf }) => ({
        path,
        value,
        ...(computed ? { computed } : {}),
        ...(written ? { place: written.place, from: written.from } : { default: defaultOf }),
      })),
    });
  }
  const c = colorsFor(process.stdout, options.color);
  const nameOf = (file: string) => fromHere(file);
  printLines(
    columns(
      rows.map((row) => [
        row.path,
        cut(valueText(row)),
        row.written ? sayWritten(row.written, nameOf) : `default of ${row.defaultOf}`,
      ]),
      (cell, column) => (column === 2 ? c.dim(cell) : cell),
    ),
  );
}

/** What was run is kept as composed; through what its values came, the run's command line says. */
function showKept(word: string, stage: string | undefined, options: Options): void {
  if (stage !== undefined || options.set.length > 0 || options.profile.length > 0)
    throw new UsageError(
      '--config of a run takes no stage, --set or --profile: it shows the file that the run kept',
      `Of one stage: cemiflow show ${word} STAGE. Of a file: cemiflow show --config FILE.yaml.`,
    );
  const { folder, started } = findRun(runsDirOf(options), word);
  const file = join(folder, 'experiment.yaml');
  const text = readFileSync(file, 'utf8');
  if (options.json) return printJson({ file, command: started.command, text });
  process.stdout.write(`# cemiflow ${started.command.join(' ')}\n${text}`);
}

const shownPoints = 5;

function valueText({ value, computed }: ConfigRow): string {
  if (!computed) return text(value);
  const some = computed.slice(0, shownPoints).map(text);
  const more = computed.length > shownPoints ? `, ... (${computed.length})` : '';
  return `${text(value)} = ${some.join(', ')}${more}`;
}

const text = (value: Json) => (typeof value === 'string' ? value : JSON.stringify(value));

const widest = 60;
function cut(words: string): string {
  const line = words.replace(/\s+/g, ' ');
  return line.length > widest ? `${line.slice(0, widest - 3)}...` : line;
}
