/** The index may be lost, late or wrong in any way: what it says is looked at again before it is used. */
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type LocalCache, isDamaged, openCache } from '../../../engine/cache/cache.js';
import type { StageResult } from '../../../engine/plan/plan.js';
import {
  components,
  forgeIndex,
  make,
  namesInIndex,
  start,
  temporaryCache,
  temporaryFolder,
  write,
} from './rig.js';

/** A cache with one result that a fresh process finds by the index alone. */
async function indexed(): Promise<{ root: string; made: StageResult; object: string; file: string }> {
  const cache = await temporaryCache();
  const made = await make(cache);
  await cache.close();
  const { key, outputs } = made;
  return {
    root: cache.root,
    made,
    object: cache.objectPath(outputs['model']!.digest),
    file: cache.results.path(key),
  };
}

async function opened(root: string): Promise<LocalCache> {
  const cache = await openCache(root);
  onTestFinished(() => cache.close());
  return cache;
}

const look = async (root: string, made: StageResult) => (await opened(root)).lookup(made.key, components());

test('what it knows is not read again', async () => {
  const { root, made, file } = await indexed();
  // Whole seconds can be put back exactly.
  utimesSync(file, 1000, 1000);
  const first = await opened(root);
  expect(await first.lookup(made.key, components())).toEqual(made);
  await first.close();
  const { size, mtime } = statSync(file);
  writeFileSync(file, 'x'.repeat(size));
  utimesSync(file, mtime, mtime);
  expect(await look(root, made)).toEqual(made);
});

describe('a result', () => {
  test('that was removed by hand is none', async () => {
    const { root, made, file } = await indexed();
    rmSync(file);
    expect(await look(root, made)).toBeUndefined();
  });

  test.each([
    ['damaged', (text: string) => text.replace('"loss":0.5', '"loss":0.4'), 'is damaged'],
    ['cut short', (text: string) => text.slice(0, -9), 'is no JSON'],
    ['emptied', () => '', 'is no JSON'],
  ])('whose file was %s is not used', async (_, harm, detail) => {
    const { root, made, file } = await indexed();
    writeFileSync(file, harm(readFileSync(file, 'utf8')));
    expect(await look(root, made)).toEqual({
      damaged: [{ output: '', detail: `its result file ${detail}` }],
    });
  });

  test('that another engine made anew is seen, also where the index still has the old one', async () => {
    const { root, made } = await indexed();
    const before = readFileSync(join(root, 'index'));
    const other = await opened(root);
    const again = await make(other, { force: true, outputs: { model: { 'weights/a.bin': 'others' } } });
    await other.close();
    writeFileSync(join(root, 'index'), before);
    expect(again.outputs).not.toEqual(made.outputs);
    expect(await look(root, made)).toEqual(again);
  });
});

describe('an artifact', () => {
  const open = (path: string) => {
    chmodSync(dirname(path), 0o755);
    if (existsSync(path)) chmodSync(path, 0o644);
    return path;
  };
  test.each<[string, (object: string) => void, string]>([
    [
      'with another content in a file of the same size and time',
      (object) => {
        const file = open(join(object, 'weights/a.bin'));
        const { atime, mtime } = statSync(file);
        writeFileSync(file, 'wEights');
        utimesSync(file, atime, mtime);
      },
      'its content has changed',
    ],
    [
      'with a file replaced by another',
      (object) => {
        const file = open(join(object, 'weights/a.bin'));
        writeFileSync(`${file}.new`, 'wEights');
        renameSync(`${file}.new`, file);
      },
      'its content has changed',
    ],
    [
      'cut short',
      (object) => writeFileSync(open(join(object, 'config.json')), '{'),
      'its content has changed',
    ],
    [
      'with a file more',
      (object) => writeFileSync(open(join(object, 'more')), ''),
      'its content has changed',
    ],
    [
      'with a file more below',
      (object) => writeFileSync(open(join(object, 'weights/more')), ''),
      'its content has changed',
    ],
    ['with a file less', (object) => rmSync(open(join(object, 'config.json'))), 'its content has changed'],
    [
      'with a folder for a file',
      (object) => {
        const file = open(join(object, 'config.json'));
        rmSync(file);
        write(file, { x: '' });
      },
      'its content has changed',
    ],
    [
      'that is gone',
      (object) => {
        chmodSync(object, 0o755);
        chmodSync(join(object, 'weights'), 0o755);
        rmSync(object, { recursive: true });
      },
      'its folder is missing',
    ],
  ])('%s is not used', async (_, harm, detail) => {
    const { root, made, object } = await indexed();
    harm(object);
    expect(await look(root, made)).toEqual({ damaged: [{ output: 'model', detail }] });
  });

  test('that one known well refers to, and that was damaged, damages that one', async () => {
    const cache = await temporaryCache();
    const faces = await make(cache, { components: { kind: 'faces-render' } });
    const { digest } = faces.outputs['model']!;
    const groups = { groups: { 'references.json': JSON.stringify([digest]) } };
    const made = await make(cache, { outputs: groups });
    await cache.close();
    writeFileSync(open(join(cache.objectPath(digest), 'config.json')), '[]');
    expect(await look(cache.root, made)).toEqual({
      damaged: [{ output: 'groups', detail: `it refers to ${digest.slice(0, 12)}: its content has changed` }],
    });
  });

  test('of a cache that was copied elsewhere is read once, and known again', async () => {
    const { root, made } = await indexed();
    const copy = join(temporaryFolder(), 'copy');
    cpSync(root, copy, { recursive: true });
    const cache = await opened(copy);
    expect(await cache.lookup(made.key, components())).toEqual(made);
    await cache.close();
    expect(namesInIndex(copy)).toHaveLength(2);
  });
});

test.each([
  ['none', (file: string) => rmSync(file)],
  ['empty', (file: string) => writeFileSync(file, '')],
  ['cut short', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, -20))],
  ['longer', (file: string) => appendFileSync(file, '"x"\t{}\n')],
  [
    'with a flipped bit',
    (file: string) => writeFileSync(file, readFileSync(file, 'utf8').replace('"loss":0.5', '"loss":0.4')),
  ],
  [
    'of another version',
    (file: string) => writeFileSync(file, readFileSync(file, 'utf8').replace('index/1', 'index/0')),
  ],
  [
    'a folder',
    (file: string) => {
      rmSync(file);
      write(file, { x: '' });
    },
  ],
])('an index that is %s counts as none: hits stay hits, with the right figures', async (_, harm) => {
  const { root, made } = await indexed();
  harm(join(root, 'index'));
  expect(await look(root, made)).toEqual(made);
});

test('what an older version had in its place is not believed, and goes', async () => {
  const { root, made, object } = await indexed();
  const { digest } = made.outputs['model']!;
  rmSync(join(root, 'index'));
  const old = { format: 'cemiflow-stat/1', saved: 0, entries: { [digest]: { stamp: '', digest } } };
  writeFileSync(join(root, 'stat.json'), JSON.stringify(old));
  const cache = await opened(root);
  expect(await cache.lookup(made.key, components())).toEqual(made);
  await cache.close();
  expect(existsSync(join(root, 'stat.json'))).toBe(false);
  expect(namesInIndex(root).sort()).toEqual([digest, `result ${made.key}`].sort());
  expect(existsSync(object)).toBe(true);
});

test('entries whose stage and artifact were swept by another engine are no result', async () => {
  const { root, made, object, file } = await indexed();
  const cache = await opened(root);
  // It has read the index, and now another one takes both away.
  rmSync(file);
  chmodSync(object, 0o755);
  chmodSync(join(object, 'weights'), 0o755);
  rmSync(object, { recursive: true });
  await cache.foresee(new Set(['oracle']));
  expect(await cache.lookup(made.key, components())).toBeUndefined();
  await cache.close();
  expect(namesInIndex(root)).toEqual([made.outputs['model']!.digest]);
});

test('what is foreseen is noted as in use before it is looked at', async () => {
  const { root, made } = await indexed();
  const cache = await opened(root);
  await cache.foresee(new Set(['oracle', 'another']));
  const [own] = readdirSync(join(root, 'tmp'));
  const noted = readFileSync(join(root, 'tmp', own!, 'uses'), 'utf8');
  expect(noted.trim().split('\n').sort()).toEqual([made.key, made.outputs['model']!.digest].sort());
});

test('an entry of the future, when the clock was set back, is used only where it is of the cache', async () => {
  const { root, made, file } = await indexed();
  const photo = join(write(temporaryFolder(), { photo: 'one' }), 'photo');
  utimesSync(photo, 1000, 1000);
  const { size, mtimeNs, ctimeNs, ino } = statSync(photo, { bigint: true });
  const stamp = `${size}:${mtimeNs}:${ctimeNs}:${ino}`;
  const entry = `"${photo}"\t${JSON.stringify({ stamp, digest: 'ba5e'.repeat(16) })}\n`;
  const saved = (when: number) => (text: string) => text.replace(/^\d+/, String(when)) + entry;
  forgeIndex(root, saved(Date.now() + 3_600_000));
  const cache = await opened(root);
  expect(await cache.digestPath(photo)).not.toBe('ba5e'.repeat(16));
  utimesSync(file, 1000, 1000);
  expect(await cache.lookup(made.key, components())).toEqual(made);
});

test('engines that write it at once, and are killed while they do, leave it whole or as it was', async () => {
  const root = join(temporaryFolder(), 'cache');
  const first = await openCache(root);
  const made = await make(first);
  await first.close();
  for (let round = 0; round < 5; round++) {
    const writers = [1, 2].map((number) => start('indexer.mjs', [root, `${round}-${number}`]));
    await Promise.all(writers.map((writer) => writer.says('saved')));
    await sleep(20 * Math.random());
    writers[0]!.kill();
    await sleep(20 * Math.random());
    writers[1]!.kill();
    await Promise.all(writers.map(({ ended }) => ended));
    // Throws where it is torn.
    expect(namesInIndex(root)).toContain(`result ${made.key}`);
  }
  const cache = await openCache(root);
  const found = await cache.lookup(made.key, components());
  expect(found && isDamaged(found)).toBe(false);
  expect(found).toEqual(made);
  await cache.close();
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
});
