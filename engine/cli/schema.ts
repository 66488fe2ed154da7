/** `cemiflow schema`: the stage kinds, and what can be said under `with` of each. */
import type { Command } from 'commander';
import type { StageDeclaration } from '../../stages/contract.js';
import { nearestName } from '../nearest-name.js';
import type { PossibleOutput } from './possible-outputs.js';
import { type CommonOptions, jsonOption } from './options.js';
import { colorsFor, columns, printJson, printLines } from './output.js';
import { settingRows } from './setting-rows.js';
import { UsageError } from './trouble.js';

export const schemaVerb = (program: Command): Command =>
  program
    .command('schema [kind]')
    .description(
      'list the stage kinds, or explain the settings of one; experiment: the JSON Schema of experiment files',
    )
    .addOption(jsonOption())
    .action(schema);

async function schema(kind: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  const { registry } = await import('../../stages/registry.js');
  const c = colorsFor(process.stdout, options.color);
  if (kind === undefined) {
    const kinds = registry.kinds().map((name) => registry.get(name)!);
    if (options.json)
      return printJson({ kinds: kinds.map(({ kind: name, summary }) => ({ kind: name, summary })) });
    return printLines(
      columns(
        kinds.map(({ kind: name, summary }) => [name, summary]),
        (cell, column) => (column === 0 ? c.bold(cell) : cell),
      ),
    );
  }
  if (kind === 'experiment') {
    const { editorSchema } = await import('../experiment/editor-schema.js');
    return printJson(editorSchema(registry));
  }
  const declaration = registry.get(kind);
  if (!declaration) {
    const nearest = nearestName(kind, registry.kinds());
    throw new UsageError(
      `there is no stage kind '${kind}'`,
      `${nearest === undefined ? '' : `Did you mean '${nearest}'? `}All: cemiflow schema.`,
    );
  }
  if (options.json) return printJson(declaration.schema);
  const { possibleOutputs } = await import('./possible-outputs.js');
  printLines([
    `${c.bold(kind)}: ${declaration.summary}`,
    ...ports(declaration, possibleOutputs(declaration)),
    '',
    'with:',
    ...settingRows(declaration.schema).flatMap(({ name, type, fallback, description }) => [
      `  ${c.bold(name)}  ${c.cyan(type)}${fallback === undefined ? c.yellow('  required') : fallback === '' ? '' : c.dim(`  default ${fallback}`)}`,
      ...wrapped(description, 96).map((line) => `      ${line}`),
    ]),
  ]);
}

function ports({ inputs }: StageDeclaration, outputs: readonly PossibleOutput[]): string[] {
  const ins = Object.entries(inputs).map(([name, { types, description, optional, many }]) => [
    `  ${name === '*' ? '(any name)' : name}`,
    `${types === 'any' ? 'anything' : types.join(' or ')}${many ? ', several' : ''}${optional ? ', optional' : ''}`,
    description,
  ]);
  const outs = outputs.map(({ name, type, description, by }) => [
    `  ${name}`,
    by.length === 0 ? type : `${type}, where ${by.join(', ')} ${by.length === 1 ? 'says' : 'say'} so`,
    description,
  ]);
  // A program of the user's own.
  if (outs.length === 0) outs.push(['  (any name)', 'as with.outputs says', '']);
  return [...(ins.length > 0 ? ['', 'inputs:', ...columns(ins)] : []), '', 'outputs:', ...columns(outs)];
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}
