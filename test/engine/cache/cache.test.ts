/** What the cache keeps, what it notices, and what it never hands out. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listArtifact } from '../../../engine/cache/artifact.js';
import { type Cache, isDamaged, openCache } from '../../../engine/cache/cache.js';
import { takeInventory } from '../../../engine/cache/inventory.js';
import { removeTree } from '../../../engine/cache/session.js';
import { verify } from '../../../engine/cache/verify.js';
import type { StageResult } from '../../../engine/plan/plan.js';
import { by, components, forgeIndex, make, someKey, temporaryCache, temporaryFolder, write } from './rig.js';

const resultFile = (cache: Cache, key: string) => join(cache.root, 'results', key.slice(0, 2), `${key}.json`);

test('a result is found again by its key, also by another process, with all that was said of it', async () => {
  const cache = await temporaryCache();
  expect(await cache.lookup(someKey())).toBeUndefined();
  const made = await make(cache);
  expect(await cache.lookup(someKey())).toEqual(made);
  expect(await (await openCache(cache.root)).lookup(someKey())).toEqual(made);
  expect(made.components.codeParts).toEqual(components().codeParts);
  expect(made.outputs['model']).toMatchObject({ type: 'files', bytes: 9, files: 2 });
});

test('what is kept cannot be written, and nothing else is left', async () => {
  const cache = await temporaryCache();
  const made = await make(cache);
  const folder = cache.objectPath(made.outputs['model']!.digest);
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect(mode(folder)).toBe('555');
  expect(mode(join(folder, 'weights'))).toBe('555');
  expect(mode(join(folder, 'weights/a.bin'))).toBe('444');
  expect(readdirSync(join(cache.root, 'checkpoints'))).toEqual([]);
  expect(readdirSync(join(cache.root, 'locks'))).toEqual([]);
  await cache.close();
  expect(readdirSync(join(cache.root, 'tmp'))).toEqual([]);
});

test('a program stays executable', async () => {
  const cache = await temporaryCache();
  const { attempt } = await cache.beginAttempt(someKey());
  const folder = write(await attempt!.outputFolder('model'), { 'run.sh': 'echo', data: '1' });
  chmodSync(join(folder, 'run.sh'), 0o700);
  const made = await attempt!.commit({
    components: components(),
    outputs: { model: 'files' },
    metrics: {},
    warnings: [],
    by: by(),
  });
  const object = cache.objectPath(made.outputs['model']!.digest);
  expect(statSync(join(object, 'run.sh')).mode & 0o777).toBe(0o555);
  expect(await cache.lookup(someKey())).toEqual(made);
});

test('two stages that make the same bytes share one object', async () => {
  const cache = await temporaryCache();
  const one = await make(cache, { components: { seed: 1 } });
  const two = await make(cache, { components: { seed: 2 } });
  expect(one.key).not.toBe(two.key);
  expect(one.outputs).toEqual(two.outputs);
  const { objects, results } = takeInventory(cache);
  expect([...objects.values()].map(({ bytes }) => bytes)).toEqual([9]);
  expect(results.size).toBe(2);
});

describe('damage', () => {
  /** Opens up what is read-only, as a user with a mind to could. */
  const open = (path: string) => {
    chmodSync(dirname(path), 0o755);
    chmodSync(path, 0o644);
    return path;
  };
  const cases: [string, (object: string) => void, string][] = [
    [
      'a flipped bit',
      (object) => {
        const file = open(join(object, 'weights/a.bin'));
        const content = readFileSync(file);
        content[0]! ^= 1;
        writeFileSync(file, content);
        // As by a copy that keeps times: size, name and mtime are as they were.
        utimesSync(file, 1000, 1000);
      },
      'its content has changed',
    ],
    [
      'a truncated file',
      (object) => truncateSync(open(join(object, 'weights/a.bin')), 3),
      'its content has changed',
    ],
    ['a missing file', (object) => rmSync(open(join(object, 'weights/a.bin'))), 'its content has changed'],
    [
      'a file too many',
      (object) => {
        chmodSync(object, 0o755);
        writeFileSync(join(object, 'extra'), '');
      },
      'its content has changed',
    ],
    [
      'a link in place of a file',
      (object) => {
        rmSync(open(join(object, 'weights/a.bin')));
        symlinkSync('/etc/passwd', join(object, 'weights/a.bin'));
      },
      'its content has changed',
    ],
    ['a missing folder', (object) => removeTreeSync(object), 'its folder is missing'],
  ];
  const removeTreeSync = (path: string) => rmSync(path, { recursive: true, force: true });

  test.each(cases)('%s: the output is not used, is moved away, and made anew', async (_, harm, detail) => {
    const cache = await temporaryCache();
    const made = await make(cache);
    const object = cache.objectPath(made.outputs['model']!.digest);
    // Times in whole seconds can be put back exactly; then the stat cache learns this state.
    utimesSync(join(object, 'weights/a.bin'), 1000, 1000);
    expect(await cache.lookup(made.key)).toEqual(made);
    await cache.close();
    harm(object);
    const fresh = await openCache(cache.root);
    expect(await fresh.lookup(made.key)).toEqual({ damaged: [{ output: 'model', detail }] });
    expect(existsSync(object)).toBe(false);
    // It stays unusable until the stage has run.
    expect(isDamaged(await fresh.lookup(made.key))).toBe(true);
    await make(fresh);
    expect(await fresh.lookup(made.key)).toEqual(made);
    expect(readFileSync(join(object, 'weights/a.bin'), 'utf8')).toBe('weights');
    await fresh.close();
  });

  test('a flipped bit in the result file is no new metric: the stage runs again', async () => {
    const cache = await temporaryCache();
    const { key } = await make(cache);
    const file = resultFile(cache, key);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"loss":0.5', '"loss":0.4'));
    expect(await cache.lookup(key)).toEqual({
      damaged: [{ output: '', detail: 'its result file is damaged' }],
    });
    writeFileSync(file, '{"format":');
    expect(await cache.lookup(key)).toEqual({
      damaged: [{ output: '', detail: 'its result file is no JSON' }],
    });
    await make(cache);
    expect((await cache.lookup(key)) as StageResult).toMatchObject({ metrics: { loss: 0.5 } });
  });

  test('verify reads every byte; a lookup trusts what it hashed before', async () => {
    const cache = await temporaryCache();
    const made = await make(cache);
    const { digest } = made.outputs['model']!;
    const file = open(join(cache.objectPath(digest), 'weights/a.bin'));
    appendFileSync(file, '!');
    // A stat cache that takes the damaged state for sound stands for a disk that flips a bit under an unchanged inode.
    const { stamp } = listArtifact(cache.objectPath(digest), 'x');
    await cache.close();
    forgeIndex(cache.root, (text) => `${text}"${digest}"\t${JSON.stringify({ stamp, digest })}\n`);
    const fresh = await openCache(cache.root);
    expect(isDamaged(await fresh.lookup(made.key))).toBe(false);
    const whole = { artifacts: 1, results: 1, damaged: [], unusable: [] };
    expect(await verify(fresh, { all: false })).toEqual(whole);
    expect(await verify(fresh, { all: true })).toEqual({
      ...whole,
      damaged: [{ digest, detail: 'its content has changed' }],
      unusable: [{ key: made.key, stage: 'oracle', detail: 'output model: its content has changed' }],
    });
    expect(isDamaged(await fresh.lookup(made.key))).toBe(true);
    await fresh.close();
  });
});

describe('references', () => {
  const groups = (digest: string) => ({
    groups: { 'groups.json': '{}', 'references.json': JSON.stringify([digest]) },
  });

  test('an artifact whose reference is damaged is damaged itself', async () => {
    const cache = await temporaryCache();
    const images = await make(cache, { outputs: { images: { 'shard-0.npy': 'pixels' } } });
    const { digest } = images.outputs['images']!;
    const made = await make(cache, { components: { kind: 'similarity-bucketing' }, outputs: groups(digest) });
    expect(await cache.lookup(made.key)).toEqual(made);
    await removeTree(cache.objectPath(digest));
    expect(await cache.lookup(made.key)).toEqual({
      damaged: [{ output: 'groups', detail: `it refers to ${digest.slice(0, 12)}: its folder is missing` }],
    });
  });

  test('to an outside input: a copy of it comes into the cache, and outlives the folder', async () => {
    const cache = await temporaryCache();
    const folder = write(temporaryFolder(), { 'set.json': '{}', 'deep/shard-0.npy': 'pixels' });
    symlinkSync(join(folder, 'set.json'), join(folder, 'link.json'));
    chmodSync(join(folder, 'set.json'), 0o755);
    const digest = await cache.digestPath(folder);
    const outside = new Map([[digest, folder]]);
    const made = await make(cache, { outputs: groups(digest), outside });
    await removeTree(folder);
    expect(await cache.lookup(made.key)).toEqual(made);
    expect(readFileSync(join(cache.objectPath(digest), 'deep/shard-0.npy'), 'utf8')).toBe('pixels');
    expect(lstatSync(join(cache.objectPath(digest), 'link.json')).isFile()).toBe(true);
    expect(statSync(join(cache.objectPath(digest), 'set.json')).mode & 0o777).toBe(0o444);
    expect((await verify(cache, { all: true })).damaged).toEqual([]);
  });

  test.each([
    ['that has changed since', () => undefined, (folder: string) => write(folder, { 'set.json': '[]' })],
    [
      'with a link that leads nowhere',
      (folder: string) => symlinkSync('/nowhere', join(folder, 'odd')),
      () => undefined,
    ],
  ])('to an outside input %s: refused, and nothing is left', async (_, before, after) => {
    const cache = await temporaryCache();
    const folder = write(temporaryFolder(), { 'set.json': '{}' });
    before(folder);
    const digest = await cache.digestPath(folder);
    after(folder);
    const outside = new Map([[digest, folder]]);
    await expect(make(cache, { outputs: groups(digest), outside })).rejects.toThrow(
      /cannot be kept in the cache, where an output refers to it: it changed, or holds links that lead nowhere/,
    );
    expect(cache.objects.all()).toEqual([]);
  });

  test('to an outside input that is a single file is refused', async () => {
    const cache = await temporaryCache();
    const file = join(write(temporaryFolder(), { 'set.json': '{}' }), 'set.json');
    const digest = await cache.digestPath(file);
    const outside = new Map([[digest, file]]);
    await expect(make(cache, { outputs: groups(digest), outside })).rejects.toThrow(/which is a single file/);
  });

  test.each([
    [
      'to nothing in the cache',
      JSON.stringify(['ab'.repeat(32)]),
      /refers to artifact abababababab: its folder is missing/,
    ],
    ['that is no list of digests', '{"a":1}', /references.json is no list of digests/],
    ['that is no JSON', '[', /references.json is no list of digests/],
  ])('a reference %s is refused', async (_, text, message) => {
    const cache = await temporaryCache();
    await expect(make(cache, { outputs: { groups: { 'references.json': text } } })).rejects.toThrow(message);
  });
});

describe('an attempt', () => {
  test('gets an empty output folder each time, and keeps its checkpoint over attempts', async () => {
    const cache = await temporaryCache();
    const { attempt: first } = await cache.beginAttempt(someKey());
    write(await first!.outputFolder('model'), { half: 'done' });
    writeFileSync(join(first!.checkpoint, 'step'), '10');
    await first!.abandon({ keep: true });
    const { attempt: second } = await cache.beginAttempt(someKey());
    expect(readdirSync(await second!.outputFolder('model'))).toEqual([]);
    expect(readFileSync(join(second!.checkpoint, 'step'), 'utf8')).toBe('10');
    await second!.abandon({ keep: false });
    expect(existsSync(second!.checkpoint)).toBe(false);
    expect(readdirSync(join(cache.root, 'locks'))).toEqual([]);
  });

  test('that left an output empty is refused by name, and leaves nothing', async () => {
    const cache = await temporaryCache();
    await expect(make(cache, { outputs: { model: { a: '1' }, extra: {} } })).rejects.toThrow(
      'output extra of oracle is empty: the stage ended well and wrote nothing there',
    );
    expect(takeInventory(cache).objects.size).toBe(0);
    expect(await cache.lookup(someKey())).toBeUndefined();
  });

  test('whose output has a second name elsewhere keeps bytes of its own', async () => {
    const cache = await temporaryCache();
    const outside = join(write(temporaryFolder(), { photo: 'mine' }), 'photo');
    const { attempt } = await cache.beginAttempt(someKey());
    linkSync(outside, join(await attempt!.outputFolder('model'), 'photo'));
    const made = await attempt!.commit({
      components: components(),
      outputs: { model: 'files' },
      metrics: {},
      warnings: [],
      by: by(),
    });
    appendFileSync(outside, ' again');
    expect(statSync(outside).mode & 0o200).toBe(0o200);
    expect(await cache.lookup(someKey())).toEqual(made);
  });

  test('with a metric that is no number keeps its outputs and says so', async () => {
    const cache = await temporaryCache();
    const { attempt } = await cache.beginAttempt(someKey());
    write(await attempt!.outputFolder('model'), { a: '1' });
    const made = await attempt!.commit({
      components: components(),
      outputs: { model: 'files' },
      metrics: { loss: NaN, lr: 0.1 },
      warnings: ['the paper trains longer'],
      by: by(),
    });
    expect(made.metrics).toEqual({ lr: 0.1 });
    expect(made.warnings).toEqual(['the paper trains longer', 'metric loss ended as NaN']);
    expect(await cache.lookup(someKey())).toEqual(made);
  });

  test('is not given for a key that has a result, unless forced; a forced one replaces it', async () => {
    const cache = await temporaryCache();
    const made = await make(cache);
    expect(await cache.beginAttempt(someKey())).toEqual({ result: made });
    const again = await make(cache, {
      force: true,
      by: { run: 'r2' },
      outputs: { model: { other: 'bytes' } },
    });
    expect(again.outputs).not.toEqual(made.outputs);
    expect(await cache.lookup(someKey())).toEqual(again);
  });

  test('cannot be committed under components of another key', async () => {
    const cache = await temporaryCache();
    const { attempt } = await cache.beginAttempt(someKey());
    write(await attempt!.outputFolder('model'), { a: '1' });
    const wrong = { components: components({ seed: 9 }), outputs: {}, metrics: {}, warnings: [], by: by() };
    await expect(attempt!.commit(wrong)).rejects.toThrow('do not have its key');
    await attempt!.abandon({ keep: false });
  });
});

describe('the nearest earlier result', () => {
  test('is the latest of that stage name', async () => {
    const cache = await temporaryCache();
    await make(cache, { components: { seed: 1 }, by: { at: '2026-01-01T00:00:00.000Z' } });
    const late = await make(cache, { components: { seed: 2 }, by: { at: '2026-01-03T00:00:00.000Z' } });
    await make(cache, { components: { seed: 3 }, by: { at: '2026-01-02T00:00:00.000Z' } });
    expect((await (await openCache(cache.root)).nearest(components(), 'oracle'))?.key).toBe(late.key);
  });

  test('of its kind, where another experiment calls something else by that name', async () => {
    const cache = await temporaryCache();
    const own = await make(cache, { components: { seed: 1 }, by: { at: '2026-01-01T00:00:00.000Z' } });
    const other = await make(cache, {
      components: { kind: 'generate' },
      by: { at: '2026-01-02T00:00:00.000Z' },
    });
    const again = await openCache(cache.root);
    expect((await again.nearest(components(), 'oracle'))?.key).toBe(own.key);
    expect((await again.nearest(components({ kind: 'quality' }), 'oracle'))?.key).toBe(other.key);
  });

  test('else the one of the same kind that differs least; else none', async () => {
    const cache = await temporaryCache();
    await make(cache, { components: { seed: 7, cpus: 9 } });
    const near = await make(cache, { components: { seed: 8 } });
    await make(cache, { components: { seed: 9, settings: { m: 9, s: 9 } } });
    expect((await cache.nearest(components(), 'renamed'))?.key).toBe(near.key);
    expect(await cache.nearest(components({ kind: 'generate' }), 'renamed')).toBeUndefined();
  });
});
