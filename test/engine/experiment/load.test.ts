/** Loading as a whole: large files, a user's own stages, the editor's schema, and what is printed. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { editorSchema } from '../../../engine/experiment/editor-schema.js';
import { printDiagnostics } from '../../../engine/experiment/print-diagnostics.js';
import { dependencies } from '../../../engine/plan/select.js';
import { Lab, registry, stages } from './lab.js';

function chain(length: number, order: (lines: string[]) => string[] = (lines) => lines): string {
  const lines = Array.from(
    { length: length - 1 },
    (_, i) => `  s${i + 1}: { uses: merge, inputs: { parts: s${i} } }`,
  );
  return `stages:\n${order(['  s0: { uses: faces }', ...lines]).join('\n')}`;
}

test.each([
  ['as it runs', (lines: string[]) => lines],
  ['backwards', (lines: string[]) => [...lines].reverse()],
])('a chain of 10,000 stages, written %s, loads in order', async (_, order) => {
  using lab = new Lab();
  lab.write('x.yaml', chain(10_000, order));
  const { stages: all } = await lab.valid();
  expect(all.map((stage) => stage.name)).toEqual(Array.from({ length: 10_000 }, (__, i) => `s${i}`));
});

test('a circle of 10,000 stages is shown by its ends', async () => {
  using lab = new Lab();
  lab.write(
    'x.yaml',
    chain(10_000).replace('s0: { uses: faces }', 's0: { uses: merge, inputs: { parts: s9999 } }'),
  );
  expect((await lab.screen()).split('\n')[0]).toBe(
    'x.yaml:2:39  stages depend on each other in a circle: s0 -> s9999 -> s9998 -> s9997 -> s9996 -> s9995 -> ... (10000 stages) -> s0',
  );
});

test('a thousand stages load in under a second of processor time', async () => {
  using lab = new Lab();
  const lines = Array.from(
    { length: 1000 },
    (_, i) => `fr${i}: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, lr: 0.${i + 1} } }`,
  );
  lab.write('x.yaml', stages(...lines));
  await lab.valid();
  const before = process.cpuUsage();
  expect((await lab.valid()).stages).toHaveLength(1001);
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(1);
});

test('every instance comes after all it waits for', async () => {
  using lab = new Lab();
  lab.write(
    'x.yaml',
    stages(
      'last: { uses: merge, inputs: { parts: b@* }, after: c }',
      'b: { uses: merge, matrix: a, inputs: { parts: a } }',
      'c: { uses: faces, after: b }',
      'a: { uses: faces, matrix: { x: [1, 2] } }',
    ),
  );
  const { stages: all } = await lab.valid();
  const position = new Map(all.map((stage, index) => [stage.name, index]));
  for (const stage of all)
    for (const name of dependencies(stage))
      expect(position.get(name)).toBeLessThan(position.get(stage.name)!);
  expect(dependencies(all.at(-1)!).sort()).toEqual(['b@x=1', 'b@x=2', 'c']);
});

const ownStage = `export const stage = {
  kind: 'blur', summary: 'blurs faces', seeded: false, device: false,
  schema: { type: 'object', additionalProperties: false, properties: { radius: { type: 'number', default: 2 } } },
  inputs: { dataset: { types: ['images'], description: 'Faces.' } },
  outputs: { images: { type: 'images', description: 'Blurred.' } },
  load: () => import('./work.js'),
};`;

test("a user's own stage takes part, relative to the file that uses it, and is checked like any other", async () => {
  using lab = new Lab();
  lab.write('base/blur.mjs', ownStage);
  lab.write('base/base.yaml', stages('blurred: { uses: ./blur.mjs, inputs: { dataset: faces } }'));
  lab.write(
    'x.yaml',
    'extends: base/base.yaml\nstages: { all: { uses: merge, inputs: { parts: blurred } } }',
  );
  const blurred = (await lab.valid()).stages[1]!;
  expect([blurred.kind, blurred.module, blurred.settings]).toEqual([
    'blur',
    join(lab.folder, 'base/blur.mjs'),
    { radius: 2 },
  ]);
  expect(await lab.screen({ set: ['stages.blurred.with.radios=3'] })).toBe(
    `--set  'radios' is not a setting of blur. Did you mean 'radius'?
  1 | --set stages.blurred.with.radios=3
    |                           ~~~~~~  it takes radius (cemiflow schema blur)`,
  );
});

test.each([
  ['throws', 'throw new Error("no luck")', 'cannot be loaded: no luck'],
  ['throws what is no error', 'throw undefined', 'cannot be loaded: undefined'],
  [
    'imports a package that is not there',
    "import 'no-such-package';",
    "cannot be loaded: Cannot find package 'no-such-package'",
  ],
  ['is null', 'export const stage = null', 'exports a stage that is not complete: it is nothing'],
  [
    'takes inputs of no known type',
    ownStage.replace("types: ['images']", "types: ['pictures']"),
    "exports a stage that is not complete: inputs.dataset.types must be 'any' or of images, verification",
  ],
  [
    'says an input in short',
    ownStage.replace("{ types: ['images'], description: 'Faces.' }", "'images'"),
    "exports a stage that is not complete: inputs.dataset.types must be 'any' or a list of types",
  ],
  [
    'makes outputs of no known type',
    ownStage.replace("type: 'images', description: 'Bl", "type: 'image', description: 'Bl"),
    'exports a stage that is not complete: outputs.images.type must be of images, verification',
  ],
  ['exports nothing', 'export const other = 1', "exports no 'stage'"],
  [
    'exports half of a stage',
    "export const stage = { kind: 'blur', summary: 'x', schema: {} }",
    'exports a stage that is not complete: inputs is missing, not a object',
  ],
  [
    'has a schema that is none',
    ownStage.replace("type: 'number'", "type: 'nummer'"),
    'has a schema that is no JSON Schema: schema is invalid',
  ],
])("a user's own stage that %s is refused where it is used", async (_, code, message) => {
  using lab = new Lab();
  lab.write('blur.mjs', code);
  lab.write('x.yaml', stages('blurred: { uses: ./blur.mjs, inputs: { dataset: faces } }'));
  expect((await lab.screen()).split('\n')[0]).toContain(`x.yaml:3:20  './blur.mjs' ${message}`);
});

test("a user's own stage whose outputs come out wrong is told of at its use", async () => {
  using lab = new Lab();
  lab.write(
    'blur.mjs',
    ownStage.replace(/outputs: \{.+\},/, 'outputs: ({ radius }) => ({ images: { type: radius } }),'),
  );
  lab.write('x.yaml', stages('blurred: { uses: ./blur.mjs, inputs: { dataset: faces } }'));
  expect((await lab.screen()).split('\n')[0]).toContain(
    'blur failed to check its settings: outputs.images.type must be of images, verification',
  );
});

test("a user's own stage in TypeScript: by a Node that runs it, or with the line that makes JavaScript of it", async () => {
  using lab = new Lab();
  lab.write(
    'blur.mts',
    ownStage
      .replace('export const stage =', 'export const stage: object =')
      .replace(/inputs: .+,/, 'inputs: {},'),
  );
  lab.write('x.yaml', 'stages: { blurred: { uses: ./blur.mts } }');
  // By the command itself: vitest would compile it.
  const { stdout, stderr } = await execa(
    process.execPath,
    [resolve('dist/engine/cli/main.js'), 'validate', 'x.yaml'],
    { cwd: lab.folder, reject: false, env: { NO_COLOR: '1' } },
  );
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  if (major > 22 || (major === 22 && minor >= 18)) expect(stdout).toBe('x.yaml is valid: 1 stage');
  else
    expect(stderr).toContain(
      `this Node (${process.version}) runs no TypeScript: take 22.18 or newer, or compile it: npx esbuild blur.mts --outfile=blur.mjs`,
    );
});

test('an expression in every place of a settings file that the editor accepts', () => {
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(editorSchema(registry));
  const check = (yaml: string): string[] => {
    validate(parse(yaml));
    return (validate.errors ?? [])
      .filter(({ keyword }) => keyword !== 'if')
      .map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
  };
  expect(
    check(`
params: { n: 3 }
seed: "\${{ params.n }}"
profiles: { small: { params: { n: 1 }, stages: { fr: { with: { lr: 0.2 } }, faces: null } } }
stages:
  faces: { uses: faces, with: { identities: "\${{ params.n }}", size: 32 } }
  fr: { uses: train, matrix: { x: "\${{ params.xs }}" }, inputs: { dataset: faces }, with: { loss: adaface, milestones: ["\${{ params.n }}"] }, resources: { cpus: "\${{ params.n }}" } }
  own: { uses: ./own.js, with: { anything: 1 } }
`),
  ).toEqual([]);
  expect(
    check('stages: { fr: { uses: train, inputs: { dataset: faces }, with: { loss: adaface, lamda: 1 } } }'),
  ).toContain('/stages/fr/with additionalProperties');
  expect(
    check('stages: { fr: { uses: train, inputs: { datset: faces }, with: { loss: adaface } } }'),
  ).toEqual(['/stages/fr/inputs required', '/stages/fr/inputs additionalProperties']);
  expect(check('stages: { fr: { uses: trian } }')).toContain('/stages/fr/uses enum');
});

test('what is printed: relative to here, in colour where wanted, long lines cut around the fault, tabs kept', () => {
  const place = { file: '/home/me/x.yaml', line: 12, column: 3 };
  const print = (more: object, color = false) =>
    printDiagnostics([{ place, length: 2, message: 'wrong', ...more }], { color, cwd: '/home' });
  expect(print({ text: '\t\tab: 1', hint: 'do this' })).toBe(
    'me/x.yaml:12:3  wrong\n  12 | \t\tab: 1\n     | \t\t~~  do this\n',
  );
  expect(print({ hint: 'do this' })).toBe('me/x.yaml:12:3  wrong\n  do this\n');
  expect(print({ text: 'a bc' }, true)).toBe(
    '\u001b[1mme/x.yaml:12:3\u001b[22m  wrong\n  \u001b[2m12 |\u001b[22m a bc\n  \u001b[2m   |\u001b[22m   \u001b[31m~~\u001b[39m\n',
  );
  const long = `${'x'.repeat(200)}ab${'y'.repeat(200)}`;
  const [, line, marks] = print({ text: long, place: { ...place, column: 201 } }).split('\n');
  expect(line!.length).toBeLessThan(140);
  expect(line!.slice(marks!.indexOf('~'), marks!.indexOf('~') + 2)).toBe('ab');
});

test('the schemas of --json outputs are JSON Schemas that admit the examples of the design and refuse others', () => {
  const validator = (name: string) =>
    new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
      JSON.parse(readFileSync(`schemas/${name}.schema.json`, 'utf8')) as object,
    );
  const key = 'a'.repeat(64);
  const examples: Record<string, object> = {
    validate: { ok: false, errors: [{ file: '/x.yaml', line: 1, column: 1, message: 'wrong', hint: null }] },
    plan: {
      stages: [
        { name: 'a@m=0', kind: 'generate', status: 'run', key, reasons: ['no earlier result'] },
        { name: 'b', kind: 'x', status: 'maybe', reasons: ['a may change'] },
      ],
      forecast: {
        seconds: 1,
        stageSeconds: 1,
        diskBytes: 0,
        peakRssBytes: 0,
        jobs: null,
        cpus: 2,
        gpus: 0,
        stages: [],
        unknown: [{ name: 'b', because: 'no earlier run of x' }],
        cachedSeconds: 0,
      },
    },
    run: {
      run: 'r1',
      ok: true,
      seconds: 3.5,
      device: 'auto',
      stages: [
        {
          name: 'a',
          kind: 'x',
          status: 'ok',
          key,
          seconds: 1,
          peakRssBytes: 1e8,
          outputs: { images: { type: 'images', digest: key, path: '/c' } },
          metrics: { loss: 0.1 },
        },
      ],
    },
    compare: {
      baseline: null,
      rows: [
        {
          label: 'score',
          run: 'r1',
          stage: 'score',
          params: { m: 0 },
          metrics: { 'avg/accuracy': 0.9 },
          gtr: null,
          n: 1,
          std: null,
          data: null,
          members: [{ run: 'r1', stage: 'score' }],
        },
      ],
      notices: [],
    },
  };
  for (const [name, example] of Object.entries(examples)) {
    const validate = validator(name);
    expect([name, validate(example), validate.errors]).toEqual([name, true, null]);
    expect(validate({ ...example, more: 1 })).toBe(false);
  }
});
