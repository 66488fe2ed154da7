/** `why` names the place of what changed: the line of YAML through whatever it came, or the source file. */
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import type { LoadOptions } from '../../../engine/experiment/experiment.js';
import { Writings } from '../../../engine/experiment/written.js';
import type { Digest } from '../../../engine/digest.js';
import type { Reason } from '../../../engine/plan/plan.js';
import { sourceName, where } from '../../../engine/plan/where.js';
import { Lab } from '../experiment/lab.js';

const base = `params: { rate: 0.1, loss: adaface, half: "\${{ params.rate / 2 }}", network: { blocks: 4 } }
stages:
  faces: { uses: faces, with: { size: 32 } }
`;
const file = `extends: base/faces.yaml
seed: 7
resources: { cpus: 2 }
env: [LAMBDA]
profiles:
  fast: { params: { rate: 0.4 } }
stages:
  fr:
    uses: train
    matrix:
      m: [0, 0.5]
      x: { from: 1, to: 3, step: 1 }
      zip: { a: [3, 4], b: [5, 6] }
      include: [{ m: 0, more: 9 }]
    inputs: { dataset: faces }
    with:
      loss: "\${{ params.loss }}"
      lr: "\${{ params.half + matrix.m + matrix.x }}"
      lambda: "\${{ env.LAMBDA || matrix.b }}"
      milestones: [1, 2]
      network: "\${{ params.network }}"
  twice: { uses: train, seeds: [1, 2], inputs: { dataset: faces }, with: { loss: arcface } }
  score:
    uses: evaluate
    matrix: twice
    inputs: { model: twice, verification: faces.verification }
  own: { uses: ./own.mjs, inputs: { code: faces } }
`;
const own = `export const stage = { kind: 'own', summary: '', schema: {}, seeded: true, device: false, load() {},
  inputs: { '*': { types: 'any', description: '' } }, outputs: {} };`;

async function lab(options: Partial<LoadOptions> = {}) {
  using lab = new Lab();
  lab.write('base/faces.yaml', base).write('x.yaml', file).write('own.mjs', own);
  const experiment = await lab.valid(options);
  const around = {
    experiment,
    writings: new Writings(experiment),
    nameOf: (path: string) => relative(lab.folder, path),
    sourceOf: (module: string) => join(lab.folder, 'clone', module),
  };
  return (name: string, reason: Reason) => {
    const stage = experiment.stages.find((one) => one.name === name || one.stage === name)!;
    return where(reason, stage, around);
  };
}

const setting = (path: string): Reason => ({ kind: 'setting-changed', path, was: 1, now: 2 });
const seed: Reason = { kind: 'seed-changed', was: 1, now: 2 };
const cpus: Reason = { kind: 'cpus-changed', was: 1, now: 2 };
const code = (part: string): Reason => ({ kind: 'code-changed', of: '', part, was: 'a', now: 'b' });
const input = (name: string): Reason => ({
  kind: 'input-changed',
  input: name,
  was: ['a' as Digest],
  now: [],
});

test.each<[string, Reason, string | undefined]>([
  ['faces', setting('size'), 'base/faces.yaml:3:39'],
  ['faces', setting('glasses'), 'not in the file: the default of faces'],
  ['fr', setting('loss'), 'x.yaml:17:13, from params.loss at base/faces.yaml:1:28'],
  [
    'fr',
    setting('lr'),
    'x.yaml:18:11, from params.half at base/faces.yaml:1:43, from params.rate at base/faces.yaml:1:17, ' +
      'from matrix.m at x.yaml:11:11, from matrix.x at x.yaml:12:18',
  ],
  [
    'fr',
    setting('lambda'),
    'x.yaml:19:15, from env.LAMBDA of the environment, from matrix.b at x.yaml:13:29',
  ],
  ['fr', setting('milestones'), 'x.yaml:20:20'],
  ['fr', setting('network.blocks'), 'x.yaml:21:16, from params.network at base/faces.yaml:1:88'],
  ['fr', setting('network.widths'), 'not in the file: the default of train'],
  ['fr', input('dataset'), 'x.yaml:15:24'],
  ['fr', input('model'), 'no longer in the file'],
  ['fr', seed, 'x.yaml:2:7'],
  ['twice@seed=2', seed, 'x.yaml:22:36'],
  ['score@seed=1', seed, 'x.yaml:22:33'],
  ['fr', cpus, 'x.yaml:3:20'],
  ['fr', { kind: 'kind-changed', was: 'a', now: 'train' }, 'x.yaml:9:11'],
  ['fr', code('stages/recognition/fr-train.js'), 'clone/stages/recognition/fr-train.ts'],
  ['fr', code('npm:sharp'), undefined],
  ['own', code('./helper.mjs'), 'helper.mjs'],
  ['fr', { kind: 'never-ran' }, undefined],
])('of %s, %j: %s', async (stage, reason, place) => expect((await lab())(stage, reason)).toBe(place));

test('through a profile, --set, --seed', async () => {
  const at = await lab({
    profiles: ['fast'],
    set: ['stages.faces.with.size=64', 'stages.fr.matrix.m=[0, 0.25]', 'stages.fr.resources.cpus=4'],
    seed: 9,
  });
  expect(at('faces', setting('size'))).toBe('--set stages.faces.with.size=64');
  expect(at('fr', setting('lr'))).toBe(
    'x.yaml:18:11, from params.half at base/faces.yaml:1:43, from params.rate at x.yaml:6:27 in profile fast, ' +
      'from matrix.m at --set stages.fr.matrix.m=[0, 0.25], from matrix.x at x.yaml:12:18',
  );
  expect(at('fr', seed)).toBe('--seed 9');
  expect(at('fr', cpus)).toBe('--set stages.fr.resources.cpus=4');
});

test('the source of compiled modules', () => {
  expect(sourceName('stages/diffusion/losses.js')).toBe('stages/diffusion/losses.ts');
  expect(sourceName('schemas/generated/stages/generate.js')).toBe('schemas/stages/generate.schema.json');
});
