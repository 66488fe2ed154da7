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

test("README's experiment is valid, also with its profile", async () => {
  using lab = new Lab();
  lab.write('ablation.yaml', /\n```yaml\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'))![1]!);
  for (const profiles of [[], ['paper']])
    expect(
      await loadExperiment('ablation.yaml', { profiles, set: [], cwd: lab.folder }, registry),
    ).toMatchObject({ ok: true });
});

/** Every kind of sentence that a file may hold, at once, with the kinds there are. */
const wholePaper = `
name: cemiface-vs-dcface
extends: base/faces.yaml
params: { identities: 200 }
seed: 7
profiles: { paper: { params: { identities: 10572 } } }
tracking: { uri: http://127.0.0.1:5000, experiment: cemiface }
stages:
  faces:    { uses: faces-render, with: { identities: "\${{ params.identities }}" } }
  oracle:   { uses: fr-train, inputs: { dataset: faces }, with: { loss: adaface } }
  judge:    { uses: fr-train, inputs: { dataset: faces }, with: { loss: arcface } }
  centers:  { uses: center-compute, inputs: { dataset: faces, model: oracle } }
  groups:   { uses: similarity-bucketing, inputs: { dataset: faces, centers: centers }, with: { groups: 5 } }
  cemiface: { uses: diffusion-train, inputs: { dataset: faces, model: oracle }, with: { method: cemiface } }
  samples:
    uses: generate
    matrix: { m: { from: -1, to: 1, step: 0.1 } }
    inputs: { generator: cemiface, inquiry: faces.inquiry, model: oracle }
    with: { m: "\${{ matrix.m }}" }
  fr:
    uses: fr-train
    matrix: samples
    seeds: [1, 2, 3]
    inputs: { dataset: samples }
  score:    { uses: evaluate, matrix: fr, inputs: { model: fr, verification: faces.verification } }
  score-real: { uses: evaluate, inputs: { model: oracle, verification: faces.verification } }
  look:     { uses: quality, matrix: samples, inputs: { dataset: samples, reference: faces, judge: judge } }
  train:
    uses: command
    matrix: samples
    inputs: { data: samples, all: "samples@*" }
    with:
      run: "python3 train.py --data \${{ inputs.data }} --all \${{ join(inputs.all.*, ' ') }} --out \${{ outputs.model }}"
      outputs: { model: model }
report: { baseline: score-real, rows: [score-real, score], plots: [accuracy-over-m, similarity, samples, roc] }
`;

test('the experiment of the design: every sentence at once, from file, extended file, profile and --set', async () => {
  using lab = new Lab();
  lab.write('base/faces.yaml', 'params: { identities: 3, unused: 1 }').write('x.yaml', wholePaper);
  const count = async (...set: string[]) => {
    const options = { profiles: ['paper'], set, cwd: lab.folder };
    const loaded = await loadExperiment('x.yaml', options, registry);
    if (!loaded.ok) throw new Error(printDiagnostics(loaded.diagnostics, { color: false }));
    const { stages } = loaded.experiment;
    return {
      identities: stages[0]!.settings['identities'],
      points: Object.fromEntries(
        ['samples', 'fr', 'score', 'look', 'train'].map((name) => [
          name,
          stages.filter(({ stage }) => stage === name).length,
        ]),
      ),
    };
  };
  expect(await count()).toEqual({
    identities: 10572,
    points: { samples: 21, fr: 63, score: 63, look: 21, train: 21 },
  });
  expect(
    await count('params.identities=50', 'stages.samples.matrix.m=[0,0.5]', 'stages.fr.seeds=[4]'),
  ).toEqual({ identities: 50, points: { samples: 2, fr: 2, score: 2, look: 2, train: 2 } });
  inEditor(parse(wholePaper));
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
