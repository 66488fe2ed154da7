/** What happens to inputs, clocks and engines in the world outside: a clear error or the right result, never a wrong hit. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { readOutside } from '../../../engine/cache/artifact.js';
import { openCache } from '../../../engine/cache/cache.js';
import { takeInventory } from '../../../engine/cache/inventory.js';
import { collect } from '../../../engine/cache/sweep.js';
import { verify } from '../../../engine/cache/verify.js';
import {
  by,
  components,
  forgeIndex,
  make,
  mountDisk,
  someKey,
  start,
  temporaryCache,
  temporaryFolder,
  write,
} from './rig.js';

const nobody = { running: () => [], recent: () => [], of: () => [] };

describe('an input', () => {
  /** `meanwhile` happens after the input was listed and before it is read. */
  const readWhile = (path: string, meanwhile: () => void) =>
    readOutside(path, () => {
      meanwhile();
      return undefined;
    });

  test.each([
    [
      'of which a file vanishes while it is read',
      (folder: string) => rmSync(join(folder, 'b.png')),
      /b\.png vanished while .*photos was read$/,
    ],
    [
      'that grows while it is read',
      (folder: string) => appendFileSync(join(folder, 'b.png'), '!'),
      /changed while it was read$/,
    ],
    [
      'of which a file is written with as many bytes',
      (folder: string) => writeFileSync(join(folder, 'b.png'), 'owt'),
      /changed while it was read$/,
    ],
    [
      'that gets another file while it is read',
      (folder: string) => writeFileSync(join(folder, 'c.png'), ''),
      /changed while it was read$/,
    ],
    [
      'that vanishes whole while it is read',
      (folder: string) => rmSync(folder, { recursive: true }),
      /vanished while .*photos was read$|does not exist$/,
    ],
  ])('%s has no digest, and the error says so', async (_, meanwhile, message) => {
    const folder = write(join(temporaryFolder(), 'photos'), { 'a.png': 'one', 'b.png': 'two' });
    await expect(readWhile(folder, () => meanwhile(folder))).rejects.toThrow(message);
  });

  test('that is one file and is written while it is read has no digest either', async () => {
    const file = join(write(temporaryFolder(), { 'pairs.txt': 'one' }), 'pairs.txt');
    await expect(readWhile(file, () => writeFileSync(file, 'two'))).rejects.toThrow(
      /pairs\.txt changed while it was read$/,
    );
    await expect(readWhile(file, () => rmSync(file))).rejects.toThrow(/pairs\.txt does not exist$/);
  });

  test('written again with as many bytes and its old times put back is seen', async () => {
    const cache = await temporaryCache();
    const file = join(write(temporaryFolder(), { photo: 'one' }), 'photo');
    const before = await cache.digestPath(file);
    const { atime, mtime } = statSync(file);
    writeFileSync(file, 'two');
    utimesSync(file, atime, mtime);
    expect(await cache.digestPath(file)).not.toBe(before);
  });
});

describe('a clock', () => {
  afterEach(() => vi.restoreAllMocks());
  const file = (cacheRoot: string) => join(cacheRoot, 'index');

  test('that was ahead: files from the future are read each time, and never taken for known', async () => {
    const cache = await temporaryCache();
    const path = join(write(temporaryFolder(), { photo: 'one' }), 'photo');
    const future = Date.now() / 1000 + 3600;
    utimesSync(path, future, future);
    const one = await cache.digestPath(path);
    await cache.flush();
    expect(existsSync(file(cache.root))).toBe(false);
    writeFileSync(path, 'two');
    utimesSync(path, future, future);
    expect(await cache.digestPath(path)).not.toBe(one);
  });

  test('that was set back: what was learnt of outside files in the time that comes again is forgotten', async () => {
    const root = join(temporaryFolder(), 'cache');
    const path = join(write(temporaryFolder(), { photo: 'one' }), 'photo');
    // In an hour the file is old enough to be remembered.
    const now = Date.now();
    vi.spyOn(Date, 'now').mockReturnValue(now + 3_600_000);
    const ahead = await openCache(root);
    const digest = await ahead.digestPath(path);
    const made = await make(ahead);
    await ahead.close();
    // Whatever an hour may have done to the file under the same times: here it stands as another digest.
    forgeIndex(root, (kept) => kept.replaceAll(digest, 'ba5e'.repeat(16)));
    const stale = readFileSync(file(root), 'utf8');
    expect(stale).toContain('ba5e'.repeat(16));
    const same = await openCache(root);
    expect(await same.digestPath(path)).toBe('ba5e'.repeat(16));
    writeFileSync(file(root), stale);
    vi.spyOn(Date, 'now').mockReturnValue(now);
    const back = await openCache(root);
    expect(await back.digestPath(path)).toBe(digest);
    // Artifacts are nobody else's to write: they stay known, and hits stay hits.
    expect(await back.lookup(made.key)).toEqual(made);
    await back.close();
  });

  test('that jumps between two looks makes no hit of another content', async () => {
    const cache = await temporaryCache();
    const path = join(write(temporaryFolder(), { photo: 'one' }), 'photo');
    const now = Date.now();
    const seen = new Map<string, string>();
    // Ahead, back, far back, ahead again; a write each time.
    for (const [hours, content] of [
      [24, 'one'],
      [0, 'two'],
      [-24, 'one'],
      [-9000, 'thr'],
      [24, 'two'],
    ] as const) {
      vi.spyOn(Date, 'now').mockReturnValue(now + hours * 3_600_000);
      writeFileSync(path, content);
      const digest = await cache.digestPath(path);
      expect(seen.get(content) ?? digest).toBe(digest);
      seen.set(content, digest);
    }
    expect(new Set(seen.values()).size).toBe(3);
  });
});

describe('an engine that sleeps, with its lock, for longer than any heartbeat', () => {
  test('keeps its key and its folder on the same machine; awake again, it finishes, and the other takes its result', async () => {
    const root = temporaryFolder();
    const cacheRoot = join(root, 'cache');
    const go = join(root, 'go');
    const json = JSON.stringify(components());
    const sleeper = start('engine.mjs', [cacheRoot, json, go, 'sleeper']);
    await sleeper.says('wrote');
    process.kill(sleeper.pid, 'SIGSTOP');
    // As after a night.
    const night = Date.now() / 1000 - 8 * 3600;
    const session = join(cacheRoot, 'tmp', readdirSync(join(cacheRoot, 'tmp'))[0]!);
    for (const path of [join(cacheRoot, 'locks', `${someKey()}.0`), join(session, 'owner.json')])
      utimesSync(path, night, night);
    const other = start('engine.mjs', [cacheRoot, json, go, 'other']);
    const sweeper = await openCache(cacheRoot);
    await collect(sweeper, nobody, { limits: {}, dryRun: false });
    await sweeper.close();
    writeFileSync(go, '');
    await sleep(1000);
    expect(readdirSync(session)).toContain('owner.json');
    expect(readdirSync(join(cacheRoot, 'checkpoints'))).toEqual([someKey()]);
    process.kill(sleeper.pid, 'SIGCONT');
    expect(await sleeper.ended).toContain('made by sleeper');
    expect(await other.ended).toMatch(/^got sleeper$/m);
    const cache = await openCache(cacheRoot);
    expect(await verify(cache, { all: true })).toMatchObject({ results: 1, damaged: [], unusable: [] });
    await cache.close();
    expect(readdirSync(join(cacheRoot, 'locks'))).toEqual([]);
    expect(readdirSync(join(cacheRoot, 'tmp'))).toEqual([]);
  });

  test('and whose key another machine took meanwhile: both finish, and there is one right result', async () => {
    const cache = await temporaryCache();
    const { attempt } = await cache.beginAttempt(someKey());
    write(await attempt!.outputFolder('model'), { 'config.json': '{}', 'weights/a.bin': 'weights' });
    rmSync(join(cache.root, 'locks', `${someKey()}.0`));
    const other = await openCache(cache.root);
    const made = await make(other, { by: { run: 'r2' } });
    const late = await attempt!.commit({
      components: components(),
      outputs: { model: 'files' },
      metrics: { loss: 0.5 },
      warnings: [],
      by: by(),
    });
    expect(late.outputs).toEqual(made.outputs);
    expect(await other.lookup(made.key)).toEqual(late);
    await other.close();
    expect(await verify(cache, { all: true })).toMatchObject({
      artifacts: 1,
      results: 1,
      damaged: [],
      unusable: [],
    });
    expect(readdirSync(join(cache.root, 'locks'))).toEqual([]);
  });

  test('and whose folder another machine cleared away says so', async () => {
    const cache = await temporaryCache();
    const { attempt } = await cache.beginAttempt(someKey());
    write(await attempt!.outputFolder('model'), { a: 'x' });
    for (const name of readdirSync(join(cache.root, 'tmp')))
      rmSync(join(cache.root, 'tmp', name), { recursive: true });
    const finished = {
      components: components(),
      outputs: { model: 'files' as const },
      metrics: {},
      warnings: [],
      by: by(),
    };
    await expect(attempt!.commit(finished)).rejects.toThrow(
      /^what oracle wrote has vanished from .*: another machine took this engine for dead/,
    );
    await attempt!.abandon({ keep: true });
    expect(await cache.lookup(someKey())).toBeUndefined();
  });
});

test('an output that something still writes while it is stored is refused', async () => {
  const cache = await temporaryCache();
  const { attempt } = await cache.beginAttempt(someKey());
  const folder = write(await attempt!.outputFolder('model'), { log: 'x' });
  let count = 0;
  const place = cache.objects.place.bind(cache.objects);
  vi.spyOn(cache.objects, 'place').mockImplementation((digest, ...rest) => {
    count++;
    appendFileSync(join(folder, 'log'), '!');
    return place(digest, ...rest);
  });
  const finished = {
    components: components(),
    outputs: { model: 'files' as const },
    metrics: {},
    warnings: [],
    by: by(),
  };
  await expect(attempt!.commit(finished)).rejects.toThrow(/changed while it was stored$/);
  expect(count).toBe(1);
  await attempt!.abandon({ keep: false });
  expect(takeInventory(cache).objects.size).toBe(0);
});

test('gc works on a disk without a byte left', async ({ skip }) => {
  const disk = join(temporaryFolder(), 'disk');
  if (!mountDisk(disk, 'size=512k')) skip();
  const cache = await openCache(join(disk, 'cache'));
  await make(cache, { outputs: { model: { a: 'x'.repeat(100_000) } } });
  await cache.close();
  writeFileSync(join(disk, 'fill'), '');
  expect(() => {
    for (;;) appendFileSync(join(disk, 'fill'), Buffer.alloc(4096));
  }).toThrow('ENOSPC');
  const sweeper = await openCache(cache.root);
  const { choice } = await collect(sweeper, nobody, { limits: {}, dryRun: false });
  await sweeper.close();
  expect(choice.goes).toHaveLength(1);
  expect(takeInventory(sweeper).bytes).toBe(0);
  // And there is room to run again.
  expect(await make(cache, { outputs: { model: { a: 'x'.repeat(50_000) } } })).toBeDefined();
  await cache.close();
});
