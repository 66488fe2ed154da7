/** Lists of photographs, of what was seen in them and of what became of them: made for millions, and the same as short ones. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findPhotos } from '../../../stages/faces/import/folder.js';
import { type LedgerLine, readLedgerFiles, writeLedger } from '../../../stages/faces/import/ledger.js';
import { type Looked, LookedStore } from '../../../stages/faces/import/looked.js';
import { naturalOrder, naturalOrderInFolder } from '../../../stages/faces/import/natural-order.js';
import { Random } from '../../../stages/tensors/random.js';
import { StageLab } from '../recognition/stage-lab.js';

/** The order as it is defined, run by run. */
function byRuns(a: string, b: string): number {
  const runs = (text: string) => text.match(/\d+|\D+/g) ?? [];
  const [left, right] = [runs(a), runs(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    const numbers = /^\d/.test(x) && /^\d/.test(y);
    const order = numbers ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0;
    if (order !== 0) return order;
  }
  return left.length - right.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Names that share much: few signs, of all kinds. */
function names(count: number, signs: readonly string[], purpose: string): string[] {
  const random = new Random(1, purpose);
  const sign = () => signs[random.int(signs.length)]!;
  return Array.from({ length: count }, () => Array.from({ length: 1 + random.int(7) }, sign).join(''));
}

describe('natural order', () => {
  test('counts', () => {
    const files = ['10.pgm', '2.pgm', '1.pgm', 'b1', 'a10', 'a9'];
    expect(files.sort(naturalOrder)).toEqual(['1.pgm', '2.pgm', '10.pgm', 'a9', 'a10', 'b1']);
  });

  test('is that of runs of digits and of others, whatever the names', () => {
    const signs = ['0', '1', '9', '12345678901234567', 'a', 'B', '-', '.', ' ', '/', 'é', '٣', '😀'];
    const some = names(1500, signs, 'names');
    for (const a of some.slice(0, 50))
      for (const b of ['', ...some]) {
        expect(Math.sign(naturalOrder(a, b)), `${a} and ${b}`).toBe(Math.sign(byRuns(a, b)));
        if (b === '') continue;
        const inFolder = Math.sign(naturalOrderInFolder(a, b));
        expect(inFolder, `${a} and ${b} in a folder`).toBe(Math.sign(byRuns(`2/${a}`, `2/${b}`)));
      }
  });
});

describe('photographs come by person, then by path', () => {
  const signs = ['0', '1', '2', 'a', 'B', '-', '_', ' ', '+'];
  const tree = () => {
    const folders = ['0', '1', '01', '-1', 'a', 'a/0', 'a/00', 'a/-', 'b/1', 'b/x/1', 'b/x/01'];
    const files = folders.flatMap((folder, i) =>
      // More than are kept together, in one of them and in two that lie between each other.
      names(['1', 'b/x/1', 'b/x/01'].includes(folder) ? 400 : 12, signs, `files ${i}`).map(
        (name) => `${folder}/${name}.jpg`,
      ),
    );
    return [...new Set(files)];
  };

  test.each([
    ['first', '', (file: string) => file.split('/')[0]!],
    ['last', '', (file: string) => file.split('/').at(-2)!],
    ['first', 'archive/all/', (file: string) => file.split('/')[0]!],
  ] as const)('person: %s, in "%s"', async (person, around, identityOf) => {
    using lab = new StageLab();
    const folder = lab.path();
    const files = tree();
    for (const file of files) {
      mkdirSync(join(folder, around, file, '..'), { recursive: true });
      writeFileSync(join(folder, around, file), '');
    }
    const { photos, identities } = await findPhotos(folder, 'mine', person);
    const found = Array.from({ length: photos.length }, (_, i) => i);
    const order = (a: string, b: string) =>
      byRuns(identityOf(a), identityOf(b)) || byRuns(around + a, around + b);
    const sorted = files.sort(order);
    expect(found.map((i) => photos.file(i))).toEqual(sorted.map((file) => around + file));
    expect(found.map((i) => photos.identity(i))).toEqual(sorted.map(identityOf));
    const name = (file: string) =>
      file
        .slice(file.lastIndexOf(`${identityOf(file)}/`))
        .split('/')
        .slice(1);
    const inFirst = (file: string) => file.slice(file.indexOf('/') + 1);
    expect(found.map((i) => photos.name(i))).toEqual(
      sorted.map((file) => (person === 'first' ? inFirst(file) : name(file).join('/'))),
    );
    expect(identities).toEqual([...new Set(sorted.map(identityOf))]);
    // From the last to the first, too: nothing depends on which was asked for before.
    expect(found.reverse().map((i) => photos.file(i))).toEqual(sorted.reverse().map((file) => around + file));
  });
});

test('what was seen in photographs, and their pixels, are found again, also by a later attempt', () => {
  using lab = new StageLab();
  const folder = lab.path();
  const count = 500;
  const looked = Array.from({ length: count }, (_, i): Looked => {
    if (i % 3 === 1) return { sight: 'damaged', message: `é${'long'.repeat(i)}` };
    return { sight: i % 5 === 0 ? 'centre_crop' : 'face', width: i, height: 2 * i };
  });
  const crop = (i: number) => Uint8Array.of(i & 255, i >> 8, 7);
  const open = () => new LookedStore(folder, count, 3, 'here');
  const store = open();
  for (let from = 0; from < count; from += 4)
    store.add(
      looked.slice(from, from + 4).map((one, k) => ({
        looked: one,
        ...(one.sight === 'damaged' ? {} : { crop: crop(from + k) }),
      })),
    );
  const usable = [...looked.keys()].filter((i) => i % 3 !== 1);
  for (const each of [store, (store.save(), open())]) {
    expect([each.count, each.usable]).toEqual([count, usable.length]);
    expect([...each.each()]).toEqual(looked);
    expect([...looked.keys()].filter((i) => each.isUsable(i))).toEqual(usable);
    expect(each.read(usable)).toEqual(Uint8Array.from(usable.flatMap((i) => [...crop(i)])));
    expect(each.read([498], new Uint8Array(3))).toEqual(crop(498));
    expect(() => each.read([499])).toThrow('photograph 499 has no pixels');
  }
});

test('a ledger has a row for each file, however many and however long', () => {
  using lab = new StageLab();
  const folder = lab.path();
  const lines = Array.from({ length: 4000 }, (_, i): LedgerLine => {
    const name = i === 2000 ? 'ü'.repeat(50_000) : `ä${i}.jpg`;
    const row = i % 2 === 0 ? { row: i / 2 } : {};
    return {
      file: `ö/${name}`,
      identity: 'ö',
      name,
      uses: i % 2 === 0 ? ['images'] : [],
      looked: { sight: 'no_face' },
      ...row,
    };
  });
  writeLedger(folder, { source: 'mine', counts: {} }, lines, { pairs: 3 });
  expect(readLedgerFiles(folder)).toEqual(
    lines.map(({ file, identity, name, row }) => ({
      file,
      identity,
      name,
      ...(row === undefined ? { reason: 'no face found' } : { row }),
    })),
  );
  const csv = readFileSync(join(folder, 'ledger.csv'), 'utf8').split('\n');
  expect(csv.slice(1, -1).map((line) => line.split(',')[0])).toEqual(lines.map(({ file }) => file));
  const { ledger, pairs } = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as {
    ledger: { entries: { file: string }[] };
    pairs: number;
  };
  expect(pairs).toBe(3);
  expect(ledger.entries.map(({ file }) => file)).toEqual(lines.map(({ file }) => file));
});
