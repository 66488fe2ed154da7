/** Disks that are full, read-only or somebody else's: clear words, and nothing half-written. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { openCache } from '../../../engine/cache/cache.js';
import { CacheError, explained, inWords } from '../../../engine/cache/trouble.js';
import { by, components, make, mountDisk, someKey, start, temporaryFolder, write } from './rig.js';

test('a full disk is named, with what is free and what to do, and keeps earlier results whole', async ({
  skip,
}) => {
  const disk = join(temporaryFolder(), 'disk');
  if (!mountDisk(disk, 'size=256k')) skip();
  const cache = await openCache(join(disk, 'cache'));
  const made = await make(cache);
  const other = { seed: 2 };
  const { attempt } = await cache.beginAttempt(someKey(other));
  write(await attempt!.outputFolder('model'), { a: 'x'.repeat(1000) });
  // Not one byte is left for the result's own file.
  const fill = join(disk, 'fill');
  writeFileSync(fill, '');
  expect(() => {
    for (;;) writeFileSync(fill, Buffer.alloc(4096), { flag: 'a' });
  }).toThrow('ENOSPC');
  const commit = attempt!.commit({
    components: components({ ...other, code: 'ff'.repeat(32) as never }),
    outputs: { model: 'files' },
    metrics: {},
    warnings: [],
    by: by(),
  });
  // Another code digest is another key: said before anything is moved.
  await expect(commit).rejects.toThrow('do not have its key');
  const failed = await attempt!
    .commit({
      components: components(other),
      outputs: { model: 'files' },
      metrics: {},
      warnings: [],
      by: by(),
    })
    .catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(CacheError);
  expect((failed as CacheError).message).toMatch(
    /^cannot store the result of oracle: no space left on the disk of .*cache \(free: \d/,
  );
  expect((failed as CacheError).remedy).toMatch(/^Free some space.*--runs-dir/);
  await attempt!.abandon({ keep: true });
  expect(await cache.lookup(someKey(other))).toBeUndefined();
  expect(await cache.lookup(someKey())).toEqual(made);
  rmSync(fill);
  expect(await make(cache, { components: other })).toMatchObject({ outputs: made.outputs });
  await cache.close();
  expect(readdirSync(join(disk, 'cache/tmp'))).toEqual([]);
});

test('a full disk on which not even a lock fits leaves no lock', async ({ skip }) => {
  const disk = join(temporaryFolder(), 'disk');
  if (!mountDisk(disk, 'size=64k')) skip();
  mkdirSync(join(disk, 'cache/locks'), { recursive: true });
  expect(() => {
    for (;;) writeFileSync(join(disk, 'fill'), Buffer.alloc(4096), { flag: 'a' });
  }).toThrow('ENOSPC');
  const cache = await openCache(join(disk, 'cache'));
  await expect(cache.beginAttempt(someKey())).rejects.toThrow(/cannot lock a stage: no space left/);
  expect(readdirSync(join(disk, 'cache/locks'))).toEqual([]);
});

test('from a read-only disk results are used, and a stage that must run says why it cannot', async ({
  skip,
}) => {
  const disk = join(temporaryFolder(), 'disk');
  if (!mountDisk(disk, 'size=1m')) skip();
  const cache = await openCache(join(disk, 'cache'));
  const made = await make(cache);
  await cache.close();
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  const reader = await openCache(join(disk, 'cache'));
  expect(await reader.lookup(someKey())).toEqual(made);
  await reader.close();
  await expect(reader.beginAttempt(someKey({ seed: 2 }))).rejects.toThrow(
    /cannot lock a stage: .* is on a read-only file system/,
  );
});

test("in somebody else's folder results are used, and writing is refused by name", async () => {
  const root = join(temporaryFolder(), 'cache');
  const cache = await openCache(root);
  await make(cache);
  await cache.close();
  chmodSync(dirname(root), 0o755);
  // As root the folders are simply another user's; else they are made unwritable.
  if (process.getuid!() !== 0) for (const name of ['locks', 'tmp']) chmodSync(join(root, name), 0o555);
  const said = await start('refused.mjs', [root, JSON.stringify(components()), '10']).ended;
  expect(said).toMatch(/^found r1$/m);
  expect(said).toMatch(
    /CacheError: cannot lock a stage: no permission for .*cache.* \| Give yourself the right/,
  );
  for (const name of ['locks', 'tmp']) chmodSync(join(root, name), 0o755);
});

test('a file where the cache should be is named', async () => {
  const root = join(write(temporaryFolder(), { cache: '' }), 'cache');
  const cache = await openCache(root);
  expect(await cache.lookup(someKey())).toBeUndefined();
  await expect(cache.beginAttempt(someKey())).rejects.toThrow(
    /cannot lock a stage: a file is where .*cache.* needs a folder/,
  );
});

test('a bug is not dressed up as trouble with files', () => {
  const bug = new TypeError('x is not a function');
  expect(explained(bug, 'store', '/')).toBe(bug);
});

test.each([
  [0, '0 bytes'],
  [1023, '1023 bytes'],
  [1536, '1.50 KiB'],
  [3 * 1024 ** 3, '3.00 GiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
])('%d bytes are %s', (bytes, words) => expect(inWords(bytes)).toBe(words));
