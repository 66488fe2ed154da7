import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hashFiles } from '../../../engine/cache/hasher.js';
import { start } from './rig.js';

const folder = mkdtempSync(join(tmpdir(), 'cemiflow-hash-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(content: Buffer): { path: string; size: number } {
  const path = join(folder, String(files++));
  writeFileSync(path, content);
  return { path, size: content.length };
}
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

test.each([0, 1, 262_143, 262_144, 262_145, 3_000_001, 70_000_000])(
  'a file of %d bytes has the hash of its bytes',
  async (size) => {
    const content = Buffer.alloc(size, 'cemiflow');
    expect(await hashFiles([file(content)])).toEqual([sha256(content)]);
  },
);

test('many files, in threads, have their hashes in their order', async () => {
  const contents = Array.from({ length: 700 }, (_, i) => randomBytes(i % 50 === 0 ? 900_000 : i));
  expect(await hashFiles(contents.map(file))).toEqual(contents.map(sha256));
  // The threads serve again, several callers at once.
  const both = await Promise.all([hashFiles(contents.map(file)), hashFiles(contents.map(file).reverse())]);
  expect(both[0]).toEqual(both[1]!.reverse());
});

const many = () => Array.from({ length: 300 }, () => file(Buffer.from('x')));

test.each([
  ['here', () => [file(Buffer.from('longer'))]],
  ['in a thread', () => [...many(), file(Buffer.from('longer'))]],
])('a file that is longer or shorter than it was has no hash, %s', async (_, make) => {
  for (const size of [3, 7]) {
    const listed = make();
    listed.at(-1)!.size = size;
    await expect(hashFiles(listed)).rejects.toThrow(`${listed.at(-1)!.path} changed while it was read`);
  }
});

test.each([
  ['here', () => []],
  ['in a thread', many],
])('what the disk answers is told as it is, %s', async (_, make) => {
  const gone = { path: join(folder, 'gone'), size: 1 };
  await expect(hashFiles([...make(), gone])).rejects.toMatchObject({ code: 'ENOENT', path: gone.path });
});

test('a process that has hashed in threads ends, also where one of them had nothing to do', async () => {
  const big = Buffer.alloc(5 * 1024 * 1024, 'x'); // a task each, and one thread takes both
  const paths = [file(big), file(big)].map(({ path }) => path);
  expect((await start('hashing.mjs', paths).ended).trim()).toBe(`${sha256(big)} ${sha256(big)}`);
});
