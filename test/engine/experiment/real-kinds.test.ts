/** With the kinds there really are: the first experiment, the editor's schema, the experiments of this repository. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { editorSchema } from '../../../engine/experiment/editor-schema.js';
import { schemaTrouble } from '../../../engine/experiment/faults.js';
import { loadExperiment } from '../../../engine/experiment/load.js';
import { printDiagnostics } from '../../../engine/experiment/print-diagnostics.js';
import { initExperiment } from '../../../engine/experiment/template.js';
import { registry } from '../../../stages/registry.js';
import { Lab } from './lab.js';

const schema = editorSchema(registry);
const inEditor = new Ajv2020({ strict: false, allErrors: true }).compile(schema);

test('the first experiment is valid, to the loader and in an editor', async () => {
  using lab = new Lab();
  const text = initExperiment({ name: 'first', schema: '../schemas/experiment.schema.json' });
  lab.write('first.yaml', text);
  const loaded = await loadExperiment('first.yaml', { profiles: [], set: [], cwd: lab.folder }, registry);
  if (!loaded.ok) throw new Error(printDiagnostics(loaded.diagnostics, { color: false }));
  expect(loaded.experiment.stages.map((stage) => stage.name)).toEqual([
    ...['faces', 'fr@loss=cosface', 'fr@loss=arcface', 'fr@loss=adaface'],
    ...['score@loss=cosface', 'score@loss=arcface', 'score@loss=adaface'],
  ]);
  inEditor(parse(text));
  expect(inEditor.errors).toBeNull();
});

test('schemas/experiment.schema.json is what the kinds make of it', () => {
  expect(
    JSON.parse(readFileSync('schemas/experiment.schema.json', 'utf8')),
    'kinds have changed: node build.mjs && node dist/engine/cli/main.js schema experiment > /tmp/e && mv /tmp/e schemas/experiment.schema.json && npx prettier --write schemas',
  ).toEqual(JSON.parse(JSON.stringify(schema)));
});

test.each(registry.kinds())('%s: its schema is one, and each of its settings is described', (kind) => {
  const { schema: settings } = registry.get(kind)!;
  expect(schemaTrouble(settings)).toBeUndefined();
  const properties = (settings['properties'] ?? {}) as Record<string, { description?: string }>;
  expect(Object.keys(properties).filter((name) => !properties[name]!.description)).toEqual([]);
});

test.each(readdirSync('experiments').filter((name) => name.endsWith('.yaml')))(
  'experiments/%s is valid in an editor',
  (name) => {
    inEditor(parse(readFileSync(join('experiments', name), 'utf8')));
    expect(inEditor.errors).toBeNull();
  },
);
