/** Archives between caches: the way there, and everything a hostile one may try. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { FORMAT, LIST } from '../../../engine/cache/archive.js';
import { type LocalCache, openCache } from '../../../engine/cache/cache.js';
import { exportResults, withOrigins } from '../../../engine/cache/export.js';
import { importArchive } from '../../../engine/cache/import.js';
import { takeInventory } from '../../../engine/cache/inventory.js';
import { CacheError } from '../../../engine/cache/trouble.js';
import { verify } from '../../../engine/cache/verify.js';
import { type Digest, digestOf } from '../../../engine/digest.js';
import { keyOf } from '../../../engine/plan/key.js';
import type { StageResult } from '../../../engine/plan/plan.js';
import { by, components, make, mountDisk, temporaryCache, temporaryFolder } from './rig.js';

const codeParts = { 'stages/recognition/fr-train.js': 'aa'.repeat(32), 'npm:sharp': '0.35.5' };
const code = digestOf('code/1', codeParts) as Digest;

/** images <- groups (refer to them) <- model, and a result that has nothing to do with them. */
async function chain(
  cache: LocalCache,
): Promise<Record<'images' | 'groups' | 'model' | 'other', StageResult>> {
  const images = await make(cache, {
    components: { kind: 'faces-render', code, codeParts, inputs: {} },
    outputs: {
      images: { 'shard-0.npy': 'pixels', [`deep/${'long-'.repeat(40)}/Gesicht-ä.png`]: 'ä', 'empty.txt': '' },
    },
  });
  const { digest } = images.outputs['images']!;
  const groups = await make(cache, {
    components: { kind: 'similarity-bucketing', code, codeParts, inputs: { dataset: [digest] } },
    outputs: { groups: { 'groups.json': '{}', 'references.json': JSON.stringify([digest]) } },
  });
  const model = await make(cache, {
    components: { code, codeParts, inputs: { dataset: [groups.outputs['groups']!.digest] } },
    outputs: { model: { 'model.safetensors': 'w'.repeat(300_000) } },
  });
  const other = await make(cache, {
    components: { seed: 9, code, codeParts, inputs: {} },
    outputs: { x: { x: 'x' } },
  });
  return { images, groups, model, other };
}

async function exported(cache: LocalCache, keys?: Iterable<StageResult>, gzip = false): Promise<Buffer> {
  const inventory = takeInventory(cache);
  const names = keys ? [...keys].map(({ key }) => key) : inventory.results.keys();
  const out = new PassThrough();
  const [bytes] = await Promise.all([
    buffer(out),
    exportResults(cache, withOrigins(inventory, names), inventory, out, { gzip }),
  ]);
  return bytes;
}

const into = (cache: LocalCache, archive: Buffer) => importArchive(cache, Readable.from([archive]));

/** Nothing of an archive is in the cache or beside it. */
function isUntouched(cache: LocalCache): void {
  const { bytes, results, objects } = takeInventory(cache);
  expect({ bytes, results: results.size, objects: objects.size }).toEqual({
    bytes: 0,
    results: 0,
    objects: 0,
  });
  const mine = readdirSync(join(cache.root, 'tmp')).flatMap((name) =>
    readdirSync(join(cache.root, 'tmp', name)),
  );
  expect(mine.filter((name) => name !== 'owner.json' && name !== 'uses')).toEqual([]);
}

describe('an archive', () => {
  test.each([
    ['plain', false],
    ['gzipped', true],
  ])('%s brings another cache the results, sound to the last byte', async (_, gzip) => {
    const cache = await temporaryCache();
    const made = await chain(cache);
    const archive = await exported(cache, undefined, gzip);
    const other = await temporaryCache();
    expect(await into(other, archive)).toEqual({
      results: 4,
      artifacts: 4,
      bytes: 6 + 2 + 2 + 68 + 300_000 + 1,
      known: 0,
    });
    for (const result of Object.values(made)) expect(await other.lookup(result.key)).toEqual(result);
    expect(await verify(other, { all: true })).toMatchObject({
      artifacts: 4,
      results: 4,
      damaged: [],
      unusable: [],
    });
    expect(statSync(other.objectPath(made.model.outputs['model']!.digest)).mode & 0o777).toBe(0o555);
    // Here they are known, there is nothing to do, and what was here stays.
    expect(await into(other, archive)).toEqual({ results: 0, artifacts: 0, bytes: 0, known: 4 });
  });

  test('of the same results has the same bytes, from whatever cache and however old', async () => {
    const [one, two] = [await temporaryCache(), await temporaryCache()];
    await chain(one);
    const archive = await exported(one);
    await into(two, archive);
    expect(await exported(two)).toEqual(archive);
    expect(gunzipSync(await exported(two, undefined, true))).toEqual(archive);
    expect(createHash('sha256').update(archive).digest('hex')).toBe(
      createHash('sha256')
        .update(await exported(one))
        .digest('hex'),
    );
  });

  test('of one result holds all that it came of, and no more', async () => {
    const cache = await temporaryCache();
    const { images, groups, model, other } = await chain(cache);
    const there = await temporaryCache();
    await into(there, await exported(cache, [model]));
    for (const { key } of [images, groups, model]) expect(await there.lookup(key)).toBeDefined();
    expect(await there.lookup(other.key)).toBeUndefined();
  });

  test('can be read by tar, and a program in it stays one', async () => {
    const cache = await temporaryCache();
    const { attempt } = await cache.beginAttempt(keyOf(components()));
    writeFileSync(join(await attempt!.outputFolder('model'), 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await attempt!.commit({
      components: components(),
      outputs: { model: 'files' },
      metrics: {},
      warnings: [],
      by: by(),
    });
    const { execFileSync } = await import('node:child_process');
    const said = execFileSync('tar', ['tvf', '-'], { input: await exported(cache) }).toString();
    expect(said).toMatch(/^-r-xr-xr-x 0\/0 +10 1970-01-01 .* objects\/[0-9a-f]{64}\/run\.sh$/m);
  });

  test('of something damaged is not made: the stage must run first', async () => {
    const cache = await temporaryCache();
    const { model } = await chain(cache);
    const file = join(cache.objectPath(model.outputs['model']!.digest), 'model.safetensors');
    const { chmodSync } = await import('node:fs');
    chmodSync(file, 0o644);
    writeFileSync(file, 'v'.repeat(300_000));
    await expect(exported(cache, [model])).rejects.toThrow(
      'the result of oracle cannot be exported: its content has changed',
    );
  });

  test('may refer to what is here already, and a damaged artifact here is replaced', async () => {
    const cache = await temporaryCache();
    const { images, groups } = await chain(cache);
    const archive = await exported(cache);
    const there = await temporaryCache();
    await into(there, archive);
    const { chmodSync } = await import('node:fs');
    const path = there.objectPath(images.outputs['images']!.digest);
    chmodSync(join(path, 'shard-0.npy'), 0o644);
    writeFileSync(join(path, 'shard-0.npy'), 'other!');
    expect((await into(there, archive)).artifacts).toBe(1);
    expect(await there.lookup(groups.key)).toEqual(groups);
  });
});

interface TarEntry {
  name: string;
  content?: string | Buffer;
  type?: 'file' | 'symlink' | 'link' | 'directory' | 'character-device' | 'block-device' | 'fifo';
  linkname?: string;
}

async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content = '', type = 'file', linkname } of entries) {
    tar.entry({ name, type, mtime: new Date(0), ...(linkname === undefined ? {} : { linkname }) }, content);
  }
  tar.finalize();
  return buffer(Readable.from(tar));
}

/** What a sound archive of one result consists of, to be spoilt. */
function sound(change: Partial<StageResult> = {}) {
  const files = [{ path: 'weights', content: 'abc' }];
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const digest = digestOf(
    'artifact/1',
    files.map(({ path, content }) => ({ path, size: content.length, sha256: sha256(content) })),
  );
  const { codeParts: _, ...parts } = components({ code, inputs: {} });
  const key = keyOf({ ...parts, codeParts });
  const result = {
    key,
    components: parts,
    outputs: { model: { type: 'model', digest, bytes: 3, files: 1 } },
    metrics: { loss: 0.5 },
    warnings: [],
    by: by(),
    ...change,
  };
  const stored = JSON.stringify({
    format: 'cemiflow-result/1',
    sha256: sha256(JSON.stringify(result)),
    result,
  });
  const record = JSON.stringify(codeParts);
  const list = {
    format: FORMAT,
    code: { [code]: record.length },
    results: { [key]: stored.length } as Record<string, number>,
    objects: { [digest]: files.map(({ path, content }) => ({ path, size: content.length })) } as Record<
      string,
      unknown
    >,
  };
  return {
    digest,
    key,
    list,
    entries: [
      { name: LIST, content: JSON.stringify(list) },
      { name: `code/${code}.json`, content: record },
      { name: `results/${key}.json`, content: stored },
      { name: `objects/${digest}/weights`, content: 'abc' },
    ] as TarEntry[],
  };
}

/** The same with another list. */
const listed = (change: object, entries = sound().entries): TarEntry[] => [
  { name: LIST, content: JSON.stringify({ ...sound().list, ...change }) },
  ...entries.slice(1),
];
const withFile = (path: unknown, size: unknown = 3) =>
  listed({ objects: { [sound().digest]: [{ path, size }] } });
const replaced = (index: number, change: Partial<TarEntry>) =>
  sound().entries.map((entry, at) => (at === index ? { ...entry, ...change } : entry));

test('the archive that the hostile ones are made of is sound', async () => {
  const cache = await temporaryCache();
  expect(await into(cache, await tarOf(sound().entries))).toEqual({
    results: 1,
    artifacts: 1,
    bytes: 3,
    known: 0,
  });
  expect(await cache.lookup(sound().key)).toMatchObject({
    metrics: { loss: 0.5 },
    components: { codeParts },
  });
});

describe('a hostile archive is refused, and nothing of it stays:', () => {
  const cases: [string, () => TarEntry[] | Promise<Buffer> | Buffer, RegExp][] = [
    [
      'a path that leads out',
      () => withFile('../../../../evil'),
      /has a file "\.\.\/\.\.\/\.\.\/\.\.\/evil": no plain path/,
    ],
    ['one that leads out further below', () => withFile('a/../../evil'), /no plain path/],
    ['an absolute path', () => withFile('/etc/cron.d/evil'), /no plain path/],
    ['a path with a zero byte', () => withFile('a\0b'), /no plain path/],
    ['an empty name', () => withFile('a//b'), /no plain path/],
    ['a name too long for any disk', () => withFile('x'.repeat(256)), /no plain path/],
    ['a path that is no text', () => withFile({ evil: 1 }), /no plain path/],
    ['a size below nothing', () => withFile('weights', -1), /has no size/],
    ['a size beyond all numbers', () => withFile('weights', 1e300), /has no size/],
    ['a size the disk does not have', () => withFile('weights', 2 ** 50), /the disk of .* has .* free/],
    [
      'a file that is a folder, too',
      () =>
        listed({
          objects: {
            [sound().digest]: [
              { path: 'a', size: 1 },
              { path: 'a/b', size: 1 },
            ],
          },
        }),
      /has "a" as a file and as a folder/,
    ],
    [
      'a file twice in the list',
      () =>
        listed({
          objects: {
            [sound().digest]: [
              { path: 'a', size: 1 },
              { path: 'a', size: 1 },
            ],
          },
        }),
      /has two files "a"/,
    ],
    ['an artifact without a file', () => listed({ objects: { [sound().digest]: [] } }), /has no files/],
    [
      'a digest that is none',
      () => listed({ objects: { '../../evil': [{ path: 'a', size: 1 }] } }),
      /which is no digest/,
    ],
    ['a list of the wrong shape', () => listed({ results: [] }), /its list has no results/],
    ['a list that is no JSON', () => replaced(0, { content: '{"format":' }), /is no JSON/],
    ['a list that is null', () => replaced(0, { content: 'null' }), /its format is undefined/],
    [
      'another format',
      () => listed({ format: 'cemiflow-archive/2' }),
      /its format is "cemiflow-archive\/2", and this cemiflow reads/,
    ],
    [
      'an entry that leads out, under a sound list',
      () => replaced(3, { name: `objects/${sound().digest}/../evil` }),
      /holds "objects\/.*evil" where its list has/,
    ],
    ['an absolute entry', () => replaced(3, { name: '/tmp/evil' }), /holds "\/tmp\/evil" where its list has/],
    [
      'a symbolic link',
      () => replaced(3, { type: 'symlink', content: '', linkname: '/etc/passwd' }),
      /is a symlink, no file/,
    ],
    [
      'a hard link',
      () => replaced(3, { type: 'link', content: '', linkname: '/etc/passwd' }),
      /is a link, no file/,
    ],
    [
      'a folder',
      () => replaced(3, { type: 'directory', content: '' }),
      /is a directory, no file|where its list has/,
    ],
    [
      'a device',
      () => replaced(3, { type: 'character-device', content: '' }),
      /is a character-device, no file/,
    ],
    ['a pipe', () => replaced(3, { type: 'fifo', content: '' }), /is a fifo, no file/],
    ['an entry twice', () => [...sound().entries, sound().entries[3]!], /which its list does not name/],
    [
      'an entry that is not listed',
      () => [...sound().entries, { name: 'evil', content: 'x' }],
      /holds "evil", which its list does not name/,
    ],
    [
      'entries in another order',
      () => [0, 2, 1, 3].map((at) => sound().entries[at]!),
      /where its list has "code\//,
    ],
    ['an entry larger than listed', () => replaced(3, { content: 'abcd' }), /has 4 bytes, and 3 in its list/],
    [
      'content that is not what its digest says',
      () => replaced(3, { content: 'abd' }),
      /the content of artifact [0-9a-f]{12} is not what its digest says/,
    ],
    [
      'code that is not what its digest says',
      () => replaced(1, { content: (sound().entries[1]!.content as string).replace('0.35.5', '0.35.6') }),
      /code [0-9a-f]{12} is not what its digest says/,
    ],
    [
      'a metric that was changed',
      () => replaced(2, { content: (sound().entries[2]!.content as string).replace('0.5', '0.9') }),
      /its result file is damaged/,
    ],
    [
      'a result under the key of another',
      () => {
        const { codeParts: _, ...parts } = components({ code, inputs: {}, seed: 2 });
        return sound({ components: parts as never }).entries;
      },
      /does not have the key of its parts/,
    ],
    [
      'a result that is none',
      () => sound({ metrics: { loss: 'low' } as never }).entries,
      /is none: \/metrics\/loss must be number/,
    ],
    [
      'a result with more than a result has',
      () => sound({ evil: 1 } as never).entries,
      /must NOT have additional properties/,
    ],
    [
      'a stage name that moves the cursor',
      () => sound({ by: by({ stage: '\u001b[2J' }) }).entries,
      /is none: \/by\/stage must match pattern/,
    ],
    [
      'a result whose artifact is missing',
      () => [...listed({ objects: {} }).slice(0, 3)],
      /lacks artifact [0-9a-f]{12}, which a result of it needs/,
    ],
    [
      'an end too early',
      () => sound().entries.slice(0, 3),
      /ends before "objects\/.*weights": it was cut short/,
    ],
    [
      'no list',
      () => sound().entries.slice(1),
      /holds "code\/.*" where its list has "cemiflow-archive.json"/,
    ],
    ['nothing', () => [], /it is empty, or no tar archive/],
    ['no bytes', () => Buffer.alloc(0), /it is empty, or no tar archive/],
    ['a text', () => Buffer.from('not a tar\n'), /it was cut short, or is no tar archive/],
    ['a picture', () => Buffer.alloc(4096, 'PNG'), /it is no tar archive, or is damaged/],
    [
      'one cut in the middle of a file',
      async () => (await tarOf(sound().entries)).subarray(0, 512 * 7 + 1),
      /cut short|ends before/,
    ],
    [
      'gzip cut in the middle',
      async () => gzipSync(await tarOf(sound().entries)).subarray(0, 300),
      /its compression is damaged/,
    ],
    [
      'gzip with a flipped bit',
      async () => {
        const zipped = gzipSync(await tarOf(sound().entries));
        zipped[100]! ^= 1;
        return zipped;
      },
      /refused/,
    ],
    ['zeros without an end', () => Buffer.alloc(80 * 1024 * 1024), /it is longer than its list says/],
    [
      'zeros without an end, packed small',
      () => gzipSync(Buffer.alloc(80 * 1024 * 1024)),
      /it is longer than its list says/,
    ],
    [
      'zeros after the last entry, packed small',
      async () => gzipSync(Buffer.concat([await tarOf(sound().entries), Buffer.alloc(80 * 1024 * 1024)])),
      /it is longer than its list says/,
    ],
    [
      'a list without an end',
      () => replaced(0, { content: Buffer.alloc(70 * 1024 * 1024, ' ') }),
      /is larger than|longer than its list/,
    ],
    ['a list of a million brackets', () => replaced(0, { content: '['.repeat(1_000_000) }), /is no JSON/],
    [
      'settings a million deep',
      () => {
        const { entries, key, list } = sound();
        const deep = (entries[2]!.content as string).replace(
          '"settings":{',
          `"settings":{"x":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)},`,
        );
        const results = { [key]: deep.length };
        return [
          { name: LIST, content: JSON.stringify({ ...list, results }) },
          entries[1]!,
          { ...entries[2]!, content: deep },
          entries[3]!,
        ];
      },
      /refused/,
    ],
    [
      'a record larger than any',
      () => listed({ results: { [sound().key]: 2 ** 30 } }),
      /has no sensible size/,
    ],
    [
      'prototype names',
      () =>
        replaced(0, { content: JSON.stringify(sound().list).replace('"code":{', '"code":{"__proto__":1,') }),
      /"__proto__", which is no digest/,
    ],
  ];

  test.each(cases)('%s', async (_, make_, message) => {
    const cache = await temporaryCache();
    const made = await make_();
    const failed = await into(cache, Buffer.isBuffer(made) ? made : await tarOf(made)).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(CacheError);
    expect((failed as CacheError).message).toMatch(message);
    expect((failed as CacheError).remedy).toMatch(/\.$/);
    isUntouched(cache);
    // What was refused once does not stand in the way of a sound one.
    expect((await into(cache, await tarOf(sound().entries))).results).toBe(1);
  });
});

test('an endless source is not read for ever, and is let go', async () => {
  const cache = await temporaryCache();
  let sent = 0;
  const archive = await tarOf(sound().entries);
  const endless = Readable.from(
    (function* () {
      yield archive.subarray(0, -1024);
      for (;;) {
        sent++;
        yield Buffer.alloc(65_536);
      }
    })(),
  );
  await expect(importArchive(cache, endless)).rejects.toThrow('it is longer than its list says');
  expect(sent).toBeLessThan(100);
  expect(endless.destroyed).toBe(true);
  isUntouched(cache);
});

test('a disk that fills up while an archive comes in is named, and is as empty afterwards', async ({
  skip,
}) => {
  const disk = join(temporaryFolder(), 'disk');
  if (!mountDisk(disk, 'size=600k')) skip();
  const cache = await temporaryCache();
  await chain(cache);
  const archive = await exported(cache);
  const there = await openCache(join(disk, 'cache'));
  await there.session.open();
  // Room for the list to be believed, and gone when the files come.
  const source = Readable.from(
    (function* () {
      yield archive.subarray(0, 100_000);
      writeFileSync(join(disk, 'fill'), Buffer.alloc(400_000));
      yield archive.subarray(100_000);
    })(),
  );
  await expect(importArchive(there, source)).rejects.toThrow(/^cannot import: no space left on the disk/);
  expect(takeInventory(there).bytes).toBe(0);
  await there.close();
  expect(readdirSync(join(disk, 'cache/tmp'))).toEqual([]);
  expect(existsSync(join(disk, 'fill'))).toBe(true);
});

test('a sweep beside an import takes nothing of it', async () => {
  const cache = await temporaryCache();
  const { model } = await chain(cache);
  const archive = await exported(cache);
  const there = await temporaryCache();
  const { collect } = await import('../../../engine/cache/sweep.js');
  let go = () => {};
  const paused = new Promise<void>((resolve) => (go = resolve));
  const source = Readable.from(
    (async function* () {
      yield archive.subarray(0, archive.length - 2048);
      await paused;
      yield archive.subarray(archive.length - 2048);
    })(),
  );
  const importing = importArchive(there, source);
  const sweeper = await openCache(there.root);
  const runs = { running: () => [], recent: () => [], of: () => [] };
  await collect(sweeper, runs, { limits: {}, dryRun: false });
  go();
  await importing;
  await collect(sweeper, runs, { limits: {}, dryRun: false });
  await sweeper.close();
  expect(await there.lookup(model.key)).toEqual(model);
  expect(
    readFileSync(join(there.objectPath(model.outputs['model']!.digest), 'model.safetensors'), 'utf8'),
  ).toHaveLength(300_000);
});
