/**
 * Keys and digests as they are today, written out. If a test here fails, every result that people have cached is lost to
 * them: each stage runs again, although nothing of it changed.
 *
 * Is that meant? A new key is right where the old one could name a wrong result: something that the result depends on was not
 * in it. It is not right for a tidier encoding, a renamed field, or a library's new version. Where it is meant, raise the
 * number in the record type that changed (engine/digest.ts, 'stage-key/1' -> 'stage-key/2'), put the digests of the failure
 * here, and say in CHANGELOG.md that results are computed again, and why.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Digest, digestOf } from '../../../engine/digest.js';
import { keyOf } from '../../../engine/plan/key.js';
import { planAll } from '../../../engine/plan/make-plan.js';
import { userCode } from '../../../engine/plan/user-code.js';
import { temporaryCache, temporaryFolder, write } from '../cache/rig.js';
import { type Checkout, checkout, loaded, runAll } from './checkout.js';

test('the canonical encoding, by record type', () => {
  // By hand: sha256 of the type, a zero byte, and {"a":{"y":true,"z":null},"b":[1e+21,0.1,0,"é\u2028"]} with that sign itself.
  const value = { b: [1e21, 0.1, -0, 'é\u2028'], a: { z: null, y: true } };
  expect(digestOf('stage-key/1', value)).toBe(pinned.stageKey);
  expect(digestOf('artifact/1', value)).toBe(pinned.artifact);
  expect(digestOf('code/1', value)).toBe(pinned.code);
  expect(digestOf('file/1', value)).toBe(pinned.file);
});

/** Only what this test states itself: settings of our own kinds may get new defaults. */
function fixed(): Checkout {
  const it = checkout();
  const { photos, tool } = it.file.stages;
  it.file.stages = {
    photos: photos!,
    tool: {
      ...tool!,
      inputs: { pictures: 'photos' },
      with: { ...withOf(tool!), run: 'ls ${{ inputs.pictures }}' },
    },
    many: {
      uses: './stages/seeded.mjs',
      matrix: { m: { from: -0.1, to: 0.2, step: 0.1 } },
      seeds: [1, 2],
      inputs: { data: 'tool', more: ['photos', 'path:data/a.txt'] },
      with: { strength: '${{ matrix.m }}', map: { text: 'é', none: null } },
      resources: { cpus: 4 },
    },
  };
  it.file['report'] = {};
  it.files['stages/seeded.mjs'] = it.files['stages/own.mjs']!.replace('seeded: false', 'seeded: true');
  return it;
}

const withOf = (stage: Checkout['file']['stages'][string]) => stage['with'] as Record<string, string>;

test('the keys of an experiment, from its file to the last instance', async () => {
  const cache = await temporaryCache();
  const experiment = await loaded(fixed());
  await runAll(experiment, cache, () => true);
  const decisions = await planAll(experiment, cache);
  const keys = [...decisions.values()].map((decision) => {
    if (decision.act !== 'reuse') throw new Error(`${decision.stage} is not cached`);
    const { components } = decision;
    // The code of our own kinds is what changes with every release; it is said in the key by its digest.
    const code = components.kind === 'command' ? ('c0de'.repeat(16) as Digest) : components.code;
    return [decision.stage, keyOf({ ...components, code })];
  });
  expect(Object.fromEntries(keys)).toEqual(pinned.keys);
});

test("the code of a user's own stage, file by file", () => {
  const folder = write(temporaryFolder(), checkout().files);
  expect(userCode(join(folder, 'stages/own.mjs'))).toEqual(pinned.ownCode);
});

test('the code of a kind as the build has it: a bundler of another version must not change what it says of a module', async () => {
  const { writeCodeDigests } = (await import(
    new URL('../../../build/code-digests.mjs', import.meta.url).href
  )) as { writeCodeDigests(dist: string, root: string): Promise<void> };
  const root = write(temporaryFolder(), {
    'package.json': '{ "type": "module", "dependencies": { "sharp": "1.0.0" } }',
    'dist/stages/a.stage.js':
      'import { schema } from "../schemas/generated/stages/a.js";\n' +
      'export const stage = { kind: "a", schema, load: () => import("./a.js") };\n',
    'dist/stages/a.js':
      '/** Words. */\nimport sharp from "sharp";\nclass A {\n  #x = 1; // private\n  static { sharp(); }\n  get x() { return this.#x ?? `t${1 + 1}`; }\n}\n' +
      'export async function run({ input: a, ...rest }) {\n  for await (const b of rest.c) if (a?.[b] === /\\/\\*/u) return new A();\n}\n',
    'dist/schemas/generated/stages/a.js':
      'export const schema = { title: "A", properties: { m: { type: "number", default: 0, description: "words" } } };\n',
  });
  await writeCodeDigests(join(root, 'dist'), root);
  const { kinds } = JSON.parse(readFileSync(join(root, 'dist/code-digests.json'), 'utf8')) as {
    kinds: Record<string, unknown>;
  };
  expect(kinds).toEqual({ a: pinned.kind });
});

const pinned = {
  stageKey: 'b6fd3506c874a099e705db7ebf9968b69079b92f701cc1c241091fe5986480db',
  artifact: 'ff2948a39b3f11907bee80ebb9295f28c594073a51b949029924eb71a0a9cd72',
  code: '65f552e7e1a75a59b2ea740d32b13fb1e4692fd7c165e72a73a647217c65bdc4',
  file: '4a0b08edea1e78a0a16e6414e2c9c17c45529cb4e972ba2f082f5bc6d3bba43f',
  keys: {
    photos: 'd3d643bbb85024716abf6d1df440b6749680535cf9fd019cd271dc822125c29d',
    tool: '3e821eee6e2ab06e30e94aaf183d17b01d1c3aabe6b09afdab6fdda9f7faff1f',
    'many@m=-0.1,seed=1': '137b52e322ff58585f4fbcd9d7eae2ef6ac7ba06bfe44764faaccd00f218934c',
    'many@m=-0.1,seed=2': 'a2e152e4f26ecb65b213ffd70e88ed5b58189f159ef30452e230719a3224e709',
    'many@m=0,seed=1': '33b0e06f24770c87b2542070ebe2c0437004d0ed6c5059e086bdc71e7e96f757',
    'many@m=0,seed=2': '6557be5e0b1e0e860d496263d9daba641b01aac8915a19ca536f3319e7823882',
    'many@m=0.1,seed=1': '3c87fbcf8d059420d3bed08bdc21e3978ac08edb42c80d6519fb2fdea2186e06',
    'many@m=0.1,seed=2': '47d6a98a125b02acccdfc4bc38f3c0ad9eeeba10ca8ee2def0d54ae07543da68',
    'many@m=0.2,seed=1': '7831318b4f21a360c739e428e808b7807d23a34b2def5372b378d1d3b08926ea',
    'many@m=0.2,seed=2': '0cfda34493ec8a57f96e9d554d13fad0b1ae49de01d5ede29c30dae0cb211135',
  },
  ownCode: {
    './helper.mjs': '365d099e8ab3d930381760f2b6c06fecad3c89219e41c7402b287d56afc1d6b3',
    './own.mjs': '828f19f40c2900604a4550e481331f22db012917f38f4cc4ba8b8dc9ef817179',
    'npm:used': '1.0.0',
  },
  kind: {
    file: 'stages/a.stage.js',
    parts: {
      'schemas/generated/stages/a.js': '354e8db56a2d29287e7d0fd0c61a79e2161c3cedf13c5a7ee8d78ca647e5ec89',
      'stages/a.js': '766ba4c40c5ab03c5771bf1e1dd09b24ad662e7fe4b609c285abf4de213a4f1d',
      'stages/a.stage.js': '8f846e406ae1c4de1281bc6074103395ef54627b5cfb9230ec6aa12e402df87a',
    },
    packages: { sharp: '1.0.0' },
  },
};
