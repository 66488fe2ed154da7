/** What an artifact's digest is taken of, and what cannot be part of one. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOfListing, listArtifact } from '../../../engine/cache/artifact.js';
import { temporaryCache, temporaryFolder, write } from './rig.js';

const digest = (folder: string) => digestOfListing(folder, listArtifact(folder, 'output x'), { modes: true });

test('the digest of two small files is the one that sha256sum gives for the written-out record', async () => {
  const folder = write(temporaryFolder(), { 'b.txt': 'hello', 'a/b.txt': '' });
  // printf 'artifact/1\0[{"path":"a/b.txt","sha256":"<of nothing>","size":0},{...,"size":5}]' | sha256sum
  expect(await digest(folder)).toBe('db7a6254660a9bdbf14460328dbaaf6b1c22f4a981361a335fd66dafb3a43095');
});

test('names, content and the executable bit count; times, empty folders and write permission do not', async () => {
  const folder = write(temporaryFolder(), { 'run.sh': 'echo', 'data/x': '1' });
  const before = await digest(folder);
  mkdirSync(join(folder, 'empty'));
  chmodSync(join(folder, 'data/x'), 0o400);
  writeFileSync(join(folder, 'run.sh'), 'echo');
  expect(await digest(folder)).toBe(before);

  const seen = new Set([before]);
  chmodSync(join(folder, 'run.sh'), 0o755);
  seen.add(await digest(folder));
  renameSync(join(folder, 'data/x'), join(folder, 'data/y'));
  seen.add(await digest(folder));
  rmSync(join(folder, 'data/y'));
  writeFileSync(join(folder, 'data/y'), '2');
  seen.add(await digest(folder));
  expect(seen.size).toBe(4);
});

test('an artifact holds no links and no pipes, and the message says which', () => {
  const folder = write(temporaryFolder(), { 'a.txt': 'x' });
  symlinkSync(join(folder, 'a.txt'), join(folder, 'link'));
  expect(() => listArtifact(folder, 'output model of train')).toThrow(
    /^output model of train holds a symbolic link, link -> .*a\.txt$/,
  );
  rmSync(join(folder, 'link'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  expect(() => listArtifact(folder, 'output model of train')).toThrow('holds pipe, which is no regular file');
});

describe('an outside input', () => {
  test('has the same digest under another path, and another one when a byte changes', async () => {
    const cache = await temporaryCache();
    const root = write(temporaryFolder(), {
      'a/1.png': 'one',
      'a/2/2.png': 'two',
      'b/1.png': 'one',
      'b/2/2.png': 'two',
    });
    const a = await cache.digestPath(join(root, 'a'));
    expect(await cache.digestPath(join(root, 'b'))).toBe(a);
    writeFileSync(join(root, 'b/2/2.png'), 'twO');
    expect(await cache.digestPath(join(root, 'b'))).not.toBe(a);
  });

  test('may be one file, which is told apart from a folder that holds it', async () => {
    const cache = await temporaryCache();
    const root = write(temporaryFolder(), { 'pairs.txt': 'x' });
    expect(await cache.digestPath(join(root, 'pairs.txt'))).not.toBe(await cache.digestPath(root));
  });

  test('may be made of links: what they point to is what counts', async () => {
    const cache = await temporaryCache();
    const root = write(temporaryFolder(), { 'plain/ann/1.png': 'one', 'store/ann/1.png': 'one' });
    mkdirSync(join(root, 'linked'));
    symlinkSync('../store/ann', join(root, 'linked/ann'));
    expect(await cache.digestPath(join(root, 'linked'))).toBe(await cache.digestPath(join(root, 'plain')));
  });

  test('may hold links that lead nowhere: they count by what they say, until there is something', async () => {
    const cache = await temporaryCache();
    const folder = write(temporaryFolder(), { 'photos/ann/1.png': 'one', 'plain/ann/1.png': 'one' });
    const photos = join(folder, 'photos');
    const digests: string[] = [await cache.digestPath(photos)];
    const after = async (change: () => void) => {
      change();
      digests.push(await cache.digestPath(photos));
    };
    await after(() => symlinkSync('../../store/2.png', join(photos, 'ann/2.png')));
    expect(await (await temporaryCache()).digestPath(photos)).toBe(digests.at(-1));
    await after(() => {
      rmSync(join(photos, 'ann/2.png'));
      symlinkSync('../../other/2.png', join(photos, 'ann/2.png'));
    });
    await after(() => symlinkSync('loop', join(photos, 'loop')));
    await after(() => write(folder, { 'other/2.png': 'two' }));
    expect(new Set(digests).size).toBe(digests.length);
    rmSync(join(photos, 'loop'));
    write(folder, { 'plain/ann/2.png': 'two' });
    expect(await cache.digestPath(photos)).toBe(await cache.digestPath(join(folder, 'plain')));
  });

  test.each([
    ['is missing', () => undefined, /photos does not exist$/],
    [
      'holds a link to itself',
      (path: string) => {
        mkdirSync(path);
        symlinkSync('.', join(path, 'ann'));
      },
      /photos holds a link to a folder around itself, ann/,
    ],
    ['is a pipe', (path: string) => execFileSync('mkfifo', [path]), /neither a file nor a folder/],
  ])('that %s is an error that says so', async (_, prepare: (path: string) => unknown, message) => {
    const path = join(temporaryFolder(), 'photos');
    prepare(path);
    const cache = await temporaryCache();
    await expect(cache.digestPath(path)).rejects.toThrow(message);
    await expect(cache.digestPath(path)).rejects.toHaveProperty('remedy', expect.stringMatching(/\.$/));
  });
});
