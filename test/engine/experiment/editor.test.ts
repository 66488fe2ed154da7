/** What an editor makes of our schemas, with the real yaml-language-server. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { initExperiment } from '../../../engine/experiment/template.js';
import { registry } from '../../../stages/registry.js';
import { Editor } from './language-server.js';

const folder = resolve('experiments');
const head = '# yaml-language-server: $schema=../schemas/experiment.schema.json\n';
let editor: Editor;
beforeAll(async () => {
  editor = await Editor.open();
});
afterAll(() => editor[Symbol.dispose]());

let files = 0;
const typed = (text: string) => editor.type(resolve(folder, `unsaved-${(files += 1)}.yaml`), head + text);
const labels = async (text: string) =>
  (await (await typed(text)).completions()).map(({ label }) => label).sort();

interface Setting {
  description: string;
  default?: unknown;
}
const settingsOf = (kind: string) =>
  (registry.get(kind)!.schema['properties'] ?? {}) as Record<string, Setting>;

/** Without the offer to write all required keys at once. */
const withoutWhole = (offered: string[], kind: string) =>
  offered.filter((label) => label !== `settings of ${kind}` && label !== `inputs of ${kind}`);

describe('completion', () => {
  test('after uses: every kind, each with what it does', async () => {
    const offered = await (await typed('stages:\n  a:\n    uses: |\n')).completions();
    expect(offered.map(({ label }) => label).sort()).toEqual(registry.kinds());
    const { documentation } = offered.find(({ label }) => label === 'generate')!;
    expect(JSON.stringify(documentation)).toContain('Generates a labelled face set');
  });

  test.each(registry.kinds())("under with of %s: its settings, and nobody else's", async (kind) => {
    const offered = await labels(`stages:\n  a:\n    uses: ${kind}\n    with:\n      |\n`);
    expect(withoutWhole(offered, kind)).toEqual(Object.keys(settingsOf(kind)).sort());
  });

  test('under with of another stage of the file, of what is not there yet', async () => {
    const file = `stages:
  faces: { uses: faces-render }
  a:
    uses: diffusion-train
    with:
      method: cemiface
      |
`;
    const offered = await labels(file);
    expect(offered).toContain('lambda');
    expect(offered).not.toContain('method');
  });

  test.each(registry.kinds().filter((kind) => !('*' in registry.get(kind)!.inputs)))(
    'under inputs of %s: its inputs',
    async (kind) => {
      const offered = await labels(`stages:\n  a:\n    uses: ${kind}\n    inputs:\n      |\n`);
      expect(withoutWhole(offered, kind)).toEqual(Object.keys(registry.get(kind)!.inputs).sort());
    },
  );

  test('of values, of settings within settings, of the keys of a stage and of the file', async () => {
    expect(await labels('stages:\n  a:\n    uses: fr-train\n    with:\n      loss: |\n')).toEqual([
      'adaface',
      'arcface',
      'cosface',
    ]);
    const vary = await labels('stages:\n  a:\n    uses: faces-render\n    with:\n      vary:\n        |\n');
    expect(vary).toEqual(expect.arrayContaining(['yaw', 'glasses', 'light']));
    expect(await labels('stages:\n  a:\n    uses: evaluate\n    |\n')).toEqual(
      expect.arrayContaining(['with', 'inputs', 'matrix', 'seeds', 'after', 'resources', 'retry', 'timeout']),
    );
    expect(await labels('|\n')).toEqual(
      expect.arrayContaining(['name', 'params', 'profiles', 'extends', 'stages', 'report', 'seed']),
    );
  });
});

describe('hover', () => {
  test.each(registry.kinds())(
    'on each setting of %s: what it means and what holds without it',
    async (kind) => {
      const settings = Object.entries(settingsOf(kind));
      // A value that is wrong for most of them must not hide the words.
      const lines = settings.map(([name]) => `      ${name}: 1`).join('\n');
      const open = await typed(`stages:\n  a:\n    uses: ${kind}\n    with:\n${lines}\n`);
      for (const [index, [name, { description, default: standard }]] of settings.entries()) {
        const words = plain((await open.hover({ line: 5 + index, character: 7 })) ?? '');
        expect(words, name).toContain(`${name} of ${kind}`);
        expect(words, name).toContain(plain(description).slice(0, 60));
        if (standard !== undefined)
          expect(words, name).toContain(`Default: ${plain(JSON.stringify(standard))}`);
      }
    },
  );

  test('names the source of a default in the paper', async () => {
    const open = await typed('stages:\n  a:\n    uses: diffusion-train\n    with:\n      lamb|da: 0.05\n');
    expect(await open.hover()).toMatch(/Sun et al|paper|eq\.|Table/);
  });
});

/** Without what Markdown escapes and breaks. */
const plain = (text: string) => text.replaceAll('\\', '').replaceAll('&nbsp;', ' ').replace(/\s+/g, ' ');

describe('diagnostics', () => {
  test('a typo in a setting, a kind, an input, a value; at its place', async () => {
    const open = await typed(`stages:
  fr:
    uses: fr-train
    inputs: { datset: faces }
    with:
      lamda: 1
      loss: arcfase
      lr: fast
  b: { uses: fr-trian }
`);
    const problems = (await open.problems()).map(({ range: { start }, message }) => [
      `${start.line + 1}:${start.character + 1}`,
      message,
    ]);
    expect(problems).toEqual(
      expect.arrayContaining([
        ['5:15', 'Property datset is not allowed.'],
        ['7:7', 'Property lamda is not allowed.'],
        ['8:13', 'Value is not accepted. Valid values: "cosface", "arcface", "adaface".'],
        ['9:11', 'This must be number, or an expression: ${{ ... }}'],
        ['10:14', expect.stringContaining('Valid values: "center-compute", "command"')],
      ]),
    );
  });

  test("none where every value is an expression, or the stage is one's own", async () => {
    const open = await typed(`stages:
  fr:
    uses: fr-train
    matrix: { m: "\${{ params.list }}" }
    inputs: { dataset: "\${{ params.set }}" }
    with: { loss: "\${{ params.loss }}", lr: "\${{ matrix.m }}", network: { widths: ["\${{ params.w }}"], blocks: "\${{ params.b }}" }, milestones: "\${{ params.list }}" }
  all: { uses: fr-train, inputs: { dataset: fr }, with: "\${{ params.settings }}" }
  photos: { uses: faces-import, inputs: { photos: path:x }, with: { background: "\${{ params.colour }}" } }
  own: { uses: ./own.js, with: { anything: [1] } }
`);
    expect(await open.problems()).toEqual([]);
  });

  test.each(readdirSync(folder).filter((name) => name.endsWith('.yaml')))(
    'none in experiments/%s, which names the schema by a path that is there',
    async (name) => {
      const text = readFileSync(resolve(folder, name), 'utf8');
      const [, schema] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text) ?? [];
      expect(schema && existsSync(resolve(folder, schema))).toBe(true);
      const open = await editor.type(resolve(folder, name), text.replaceAll('|', ' '));
      expect(await open.problems()).toEqual([]);
    },
  );

  test('none in what init writes, wherever it is written', async () => {
    const file = resolve(folder, 'deeper/first.yaml');
    const schema = '../../schemas/experiment.schema.json';
    const text = initExperiment({ name: 'first', schema });
    expect(existsSync(resolve(dirname(file), schema))).toBe(true);
    const open = await editor.type(file, `${text}\nnonsense: 1\n`);
    // The server did read the schema: it objects to what is put below, and to nothing else.
    expect((await open.problems()).map(({ message }) => message)).toEqual([
      'Property nonsense is not allowed.',
    ]);
  });
});
