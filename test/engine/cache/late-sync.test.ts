import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LateSync } from '../../../engine/cache/late-sync.js';
import { IndexFile } from '../../../engine/cache/index-file.js';
import { StatCache } from '../../../engine/cache/stat-cache.js';
import type { Digest } from '../../../engine/digest.js';

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'cemiflow-late-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test('files and folders are synced beside the work, and settled waits for all of them', async () => {
  using place = folder();
  const late = new LateSync(place.path);
  const done: string[] = [];
  for (let i = 0; i < 20; i++) {
    const file = join(place.path, `${i}`);
    writeFileSync(file, 'x');
    void late.add(file, place.path).then(() => done.push(file));
  }
  expect(done).toEqual([]);
  await late.settled();
  await Promise.resolve();
  expect(late.waiting).toBe(0);
  expect(done).toHaveLength(20);
});

test('a path that waits already is not synced twice', async () => {
  using place = folder();
  const late = new LateSync(place.path);
  for (let i = 0; i < 100; i++) void late.add(place.path, join(place.path, 'gone'));
  // Two may have begun; each of both names waits once at most.
  expect(late.waiting).toBeLessThanOrEqual(2);
  await late.settled();
});

test('what is gone again needs no sync; what cannot be opened is told once, to whoever settles', async () => {
  using place = folder();
  const late = new LateSync(place.path);
  await late.add(join(place.path, 'never', 'there'));
  // A name longer than file systems have.
  void late.add(join(place.path, 'x'.repeat(300)));
  await expect(late.settled()).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  await late.settled();
});

test('the stat cache vouches for content on disk only, and remembers it meanwhile', async () => {
  using place = folder();
  const digest = 'd'.repeat(64) as Digest;
  const index = new IndexFile(place.path);
  const stats = new StatCache(index);
  let arrived!: () => void;
  const onDisk = new Promise<void>((resolve) => (arrived = resolve));
  stats.learn('a', { stamp: 'now' }, digest, { onDisk });
  stats.learn('b', { stamp: 'now' }, digest, { onDisk: Promise.reject(new Error('EIO')) });
  await Promise.resolve();
  expect(stats.recall('a', 'now')).toBe(digest);
  expect(index.changed).toBe(false);
  arrived();
  await onDisk;
  await Promise.resolve();
  await index.save(place.path);
  expect(new StatCache(new IndexFile(place.path)).recall('a', 'now')).toBe(digest);
  expect(new StatCache(new IndexFile(place.path)).recall('b', 'now')).toBe(undefined);
});
