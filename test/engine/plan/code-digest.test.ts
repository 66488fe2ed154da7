/** What counts as a change of a stage's code: in our own modules (at build time) and in a user's (as they are). */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { codeDigest } from '../../../engine/plan/code-digest.js';
import { userCode } from '../../../engine/plan/user-code.js';
import { temporaryFolder, write } from '../cache/rig.js';

const { writeCodeDigests } = (await import(
  new URL('../../../build/code-digests.mjs', import.meta.url).href
)) as { writeCodeDigests(dist: string, root: string): Promise<void> };

interface Built {
  kinds: Record<string, { file: string; parts: Record<string, string>; packages: Record<string, string> }>;
}

const source = {
  'package.json': JSON.stringify({
    type: 'module',
    dependencies: { sharp: '1.0.0', yaml: '2.0.0', '@x/y': '3.0.0' },
    optionalDependencies: { 'onnxruntime-node': '4.0.0' },
  }),
  'node_modules/sharp/package.json': JSON.stringify({ version: '1.0.0' }),
  'dist/stages/a/train.stage.js':
    'import { schema } from "../../schemas/generated/stages/train.js";\n' +
    'export const stage = { kind: "fr-train", schema, load: () => import("./train.js") };\n',
  'dist/stages/a/train.js':
    'import { loss } from "../b/losses.js";\nconst worker = new URL("./worker.js", import.meta.url);\n' +
    'export const run = () => [loss, worker, import("onnxruntime-node")];\n',
  'dist/stages/a/worker.js': 'import "../b/deep.js";\nimport sharp from "sharp";\nsharp();\n',
  'dist/stages/b/losses.js': '// eq. (11)\nexport function loss(cos) {\n  return (1 - cos) ** 2;\n}\n',
  'dist/stages/b/deep.js': 'export const deep = require.resolve("@x/y/package.json");\n',
  'dist/stages/b/unused.js': 'import "yaml";\n',
  'dist/schemas/generated/stages/train.js':
    'export const schema = { title: "Train", properties: { description: { description: "words", type: "string" } } };\n',
};

/** Builds the tree with these files changed, each time in a folder of its own: Node loads a module once. */
async function built(change: Record<string, string> = {}): Promise<Built['kinds'][string]> {
  const root = write(temporaryFolder(), { ...source, ...change });
  await writeCodeDigests(join(root, 'dist'), root);
  return (JSON.parse(readFileSync(join(root, 'dist/code-digests.json'), 'utf8')) as Built).kinds['fr-train']!;
}

describe('of our own stages, the build', () => {
  test('finds every module behind a kind, workers and lazy imports too, and the packages they use', async () => {
    const { file, parts, packages } = await built();
    expect(file).toBe('stages/a/train.stage.js');
    expect(Object.keys(parts)).toEqual([
      'schemas/generated/stages/train.js',
      'stages/a/train.js',
      'stages/a/train.stage.js',
      'stages/a/worker.js',
      'stages/b/deep.js',
      'stages/b/losses.js',
    ]);
    // Of one that is not installed here, the version that it would have.
    expect(packages).toEqual({ sharp: '1.0.0', '@x/y': '3.0.0', 'onnxruntime-node': '4.0.0' });
  });

  test("sees no change in comments, white space, a schema's words, or what the kind does not use", async () => {
    const changed = await built({
      'dist/stages/b/losses.js':
        '/* CemiFace, eq. (11) */ export function loss(cos) { return (1 - cos) ** 2; }',
      'dist/stages/b/unused.js': 'import "yaml";\nthrow 1;\n',
      'dist/schemas/generated/stages/train.js':
        'export const schema = { title: "FrTrain", properties: { description: { type: "string", description: "better words" } } };\n',
      'node_modules/yaml/package.json': JSON.stringify({ version: '2.0.1' }),
    });
    expect(changed).toEqual(await built());
  });

  test.each([
    [
      'a sign',
      'dist/stages/b/losses.js',
      'export function loss(cos) {\n  return (1 + cos) ** 2;\n}\n',
      'stages/b/losses.js',
    ],
    ['a module behind a worker', 'dist/stages/b/deep.js', 'export const deep = 2;\n', 'stages/b/deep.js'],
    [
      'a setting whose name is a word of schemas',
      'dist/schemas/generated/stages/train.js',
      'export const schema = { properties: { title: { type: "string" } } };\n',
      'schemas/generated/stages/train.js',
    ],
  ])('sees %s', async (_, path, text, part) => {
    const [before, after] = [await built(), await built({ [path]: text })];
    const changed = Object.keys(before.parts).filter((name) => before.parts[name] !== after.parts[name]);
    expect(changed).toEqual([part]);
  });

  test('sees another version of a package that the kind uses', async () => {
    const { packages } = await built({
      'node_modules/sharp/package.json': JSON.stringify({ version: '1.0.1' }),
    });
    expect(packages['sharp']).toBe('1.0.1');
  });

  test('says which declaration cannot be loaded, and goes on with the others', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    onTestFinished(() => warn.mockRestore());
    expect(await built({ 'dist/stages/a/broken.stage.js': 'import "./nowhere.js";\n' })).toEqual(
      await built(),
    );
    expect(warn.mock.calls).toEqual([
      [expect.stringMatching(/broken\.stage\.js cannot be loaded.*nowhere\.js/)],
    ]);
  });
});

test('every stage that this repository ships has a digest', async () => {
  const file = fileURLToPath(new URL('../../../dist/code-digests.json', import.meta.url));
  expect(existsSync(file), 'build first: npm run build').toBe(true);
  const { kinds } = JSON.parse(readFileSync(file, 'utf8')) as Built;
  expect(Object.keys(kinds)).not.toEqual([]);
  for (const kind of Object.keys(kinds)) {
    const { digest, parts } = await codeDigest(kind);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.keys(parts).length, kind).toBeGreaterThan(1);
  }
  await expect(codeDigest('no-such-kind')).rejects.toThrow(
    "does not know the code of stage kind 'no-such-kind'",
  );
});

describe("a user's own stage", () => {
  const files = {
    'mine/stage.js': [
      "import { help } from './lib/help.js';",
      "import sharp from 'sharp';",
      "import fs from 'node:fs';",
      "export * from './lib/more.js';",
      "const table = new URL('./table.csv', import.meta.url);",
      "export const load = () => import('./lib/run.mjs');",
    ].join('\n'),
    'mine/lib/help.js': "import './more.js';",
    'mine/lib/more.js': "import '../stage.js';",
    'mine/lib/run.mjs': 'const text = \'from "./not-there.js"\';',
    'mine/lib/unused.js': '',
    'mine/table.csv': '1,2',
    'node_modules/sharp/package.json': JSON.stringify({ version: '0.35.5' }),
  };

  test('is the file and all that it imports by relative path, and the packages it names', () => {
    const root = write(temporaryFolder(), files);
    const parts = userCode(join(root, 'mine/stage.js'));
    expect(Object.keys(parts)).toEqual([
      './lib/help.js',
      './lib/more.js',
      './lib/run.mjs',
      './stage.js',
      './table.csv',
      'npm:sharp',
    ]);
    expect(parts['npm:sharp']).toBe('0.35.5');
  });

  const digestWith = async (change: Record<string, string> = {}) => {
    const root = write(temporaryFolder(), { ...files, ...change });
    return (await codeDigest('./stage.js', join(root, 'mine/stage.js'))).digest;
  };

  test('has the same digest in another folder, and another one when a file behind it changes', async () => {
    const before = await digestWith();
    expect(await digestWith()).toBe(before);
    expect(await digestWith({ 'mine/lib/unused.js': 'x' })).toBe(before);
    const others: Record<string, string>[] = [
      { 'mine/table.csv': '1,3' },
      { 'mine/lib/more.js': '' },
      { 'mine/lib/run.mjs': '' },
      { 'node_modules/sharp/package.json': JSON.stringify({ version: '0.35.6' }) },
    ];
    for (const change of others) expect(await digestWith(change)).not.toBe(before);
  });

  const loss = 'export const loss = (cos) => { return (1 - cos) ** 2; };\nexport const url = /\\/\\/x/;\n';
  test.each([
    ['a comment', `// eq. (11), see import('./unused.js')\n${loss}/* import './unused.js' */`],
    ['white space, line breaks and quotes', loss.replaceAll(/([{;(])/g, '$1\n\t')],
    [
      'brackets and semicolons',
      loss.replace('(cos)', 'cos').replace('; }', ' }').replace('(1 - cos)', '((1) - cos)'),
    ],
  ])('sees no change in %s', async (_, text) => {
    const before = await digestWith({ 'mine/lib/more.js': loss });
    expect(await digestWith({ 'mine/lib/more.js': text })).toBe(before);
  });

  test.each([
    ['a number', loss.replace('2', '3')],
    ['what follows // in a regular expression', loss.replace('x/', 'y/')],
    ['what a line break means', loss.replace('return ', 'return\n')],
    ['a number too large for JSON', loss.replace('2', '1e999')],
    ['a name', loss.replaceAll('cos', 'c')],
    ['the words of a template', `${loss}export const t = \`//  a\`;`],
  ])('sees %s', async (_, text) => {
    const before = await digestWith({ 'mine/lib/more.js': loss.replace('2', '1e998') });
    expect(await digestWith({ 'mine/lib/more.js': text })).not.toBe(before);
    expect(await digestWith({ 'mine/lib/more.js': text.replace('//  a', '// a') })).not.toBe(before);
  });

  test('that our parser does not know counts as it is, comments too, and what it imports is found', async () => {
    const odd = "import './unused.js';\nexport const x = @@1; // odd\n";
    const before = await digestWith({ 'mine/lib/more.js': odd });
    expect(await digestWith({ 'mine/lib/more.js': odd.replace('odd', 'even') })).not.toBe(before);
    expect(await digestWith({ 'mine/lib/more.js': odd, 'mine/lib/unused.js': '1' })).not.toBe(before);
  });

  const typed = 'export const loss = (cos: number): number => cos; // eq. (11)\n';
  // Nodes that run a stage in TypeScript can say what is left without its types.
  test.runIf('stripTypeScriptTypes' in nodeModule)(
    'in TypeScript is what is left of it without types',
    () => {
      const lossIn = (text: string) => userCode(join(write(temporaryFolder(), { 'a.ts': text }), 'a.ts'));
      expect(lossIn('export const loss = (cos) => cos;')).toEqual(lossIn(typed));
      expect(lossIn(typed.replace('=> cos', '=> -cos'))).not.toEqual(lossIn(typed));
      // Node itself does not run these: all of the text counts.
      expect(lossIn('enum A { B } // 1')).not.toEqual(lossIn('enum A { B } // 2'));
    },
  );

  test('finds what require means without an ending, what package.json calls #name, and files by their URL', () => {
    const root = write(temporaryFolder(), {
      'package.json': JSON.stringify({ imports: { '#table': './data/table.json', '#used': 'used' } }),
      'stage.cjs': "require('./help'); require('.'); require('#table'); require('#used');\nreturn;\n",
      'help.js': "import './a%20b.mjs?x=1';",
      'a b.mjs': '',
      'index.js': '',
      'data/table.json': '{}',
      'node_modules/used/package.json': JSON.stringify({ version: '1.2.3' }),
      'node_modules/used/index.js': '',
    });
    expect(Object.keys(userCode(join(root, 'stage.cjs')))).toEqual([
      './a b.mjs',
      './data/table.json',
      './help.js',
      './index.js',
      './stage.cjs',
      'npm:used',
    ]);
  });

  test('that cannot be read is an error that names it', () => {
    const folder = join(temporaryFolder(), 'stage.js');
    mkdirSync(folder);
    expect(() => userCode(folder)).toThrow(/^cannot read the code of the stage .*stage\.js: EISDIR/);
  });
});
