/** What an engine leaves that is killed between writing a result and letting its key go. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCache } from '../../../engine/cache/cache.js';
import { thisProcess } from '../../../engine/cache/owner.js';
import { make, someKey, temporaryFolder, write } from './rig.js';

const dead = JSON.stringify({ ...thisProcess(), pid: 2 ** 22 + 1, started: '1' });
const living = JSON.stringify(thisProcess());

/** A cache with a result of `someKey()`, and beside it what is said. */
async function leaving(files: (key: string) => Record<string, string>) {
  const root = temporaryFolder();
  const cache = await openCache(root);
  await make(cache);
  await cache.close();
  write(root, files(someKey()));
  return root;
}
const left = (root: string, folder: string) =>
  existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : [];

test('the next engine removes the lock, the checkpoint and the failed attempt of a finished stage', async () => {
  const root = await leaving((key) => ({
    [`locks/${key}.0`]: dead,
    [`locks/${key}.1`]: dead,
    [`checkpoints/${key}/onnx/training.safetensors`]: 'x',
    [`failed/${key}/outputs/half`]: 'x',
  }));
  const cache = await openCache(root);
  for (const folder of ['locks', 'checkpoints', 'failed']) expect(left(root, folder), folder).toEqual([]);
  expect(await cache.lookup(someKey())).toMatchObject({ key: someKey() });
  await cache.close();
});

test('what an unfinished stage has left stays', async () => {
  const other = someKey({ seed: 9 });
  const root = await leaving(() => ({
    [`locks/${other}.0`]: dead,
    [`checkpoints/${other}/step`]: 'x',
    [`failed/${other}/half`]: 'x',
    'locks/sweep.0': dead,
  }));
  await (await openCache(root)).close();
  expect(left(root, 'locks').sort()).toEqual([`${other}.0`, 'sweep.0'].sort());
  expect(left(root, 'checkpoints')).toEqual([other]);
  expect(left(root, 'failed')).toEqual([other]);
});

test('so does that of one which somebody runs once more, by force', async () => {
  const root = await leaving((key) => ({ [`locks/${key}.0`]: living, [`checkpoints/${key}/step`]: 'x' }));
  await (await openCache(root)).close();
  expect(left(root, 'locks')).toEqual([`${someKey()}.0`]);
  expect(left(root, 'checkpoints')).toEqual([someKey()]);
});

test('a cache that was never used has nothing to clear, and none is made', async () => {
  const root = join(temporaryFolder(), 'none');
  await (await openCache(root)).close();
  expect(existsSync(root)).toBe(false);
  mkdirSync(root);
  writeFileSync(join(root, 'locks'), 'no folder');
  await (await openCache(root)).close();
});
