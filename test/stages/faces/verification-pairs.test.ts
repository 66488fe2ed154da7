import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../../stages/data/dataset.js';
import { openVerification } from '../../../stages/data/verification-set.js';
import { stage as facesImport } from '../../../stages/faces/faces-import.stage.js';
import { stage } from '../../../stages/faces/verification-pairs.stage.js';
import { bytesOf, StageLab } from '../recognition/stage-lab.js';
import { collection } from './import-photos.js';

/** Pictures of 16 pixels, one colour each, counted by its red; every person's are there. */
async function faces(lab: StageLab, people: Record<string, number>, spoil?: (folder: string) => void) {
  const folder = await collection(lab.path(), people);
  spoil?.(folder);
  const { outputs } = await lab.run(facesImport, {
    inputs: { photos: { ...lab.input('files', folder), from: 'path:../my photos' } },
    settings: { align: 'none', size: 16, split: { verification: 0 } },
  });
  return {
    dataset: lab.input('images', outputs['images']!),
    ledger: lab.input('result', outputs['ledger']!),
  };
}

async function paired(
  lab: StageLab,
  inputs: Awaited<ReturnType<typeof faces>>,
  pairs: string | undefined,
  settings: object = {},
  seed = 1,
) {
  const given: Record<string, ReturnType<StageLab['input']>> = { ...inputs };
  if (pairs !== undefined) {
    const file = join(lab.path(), 'pairs.txt');
    writeFileSync(file, pairs);
    given['pairs'] = { ...lab.input('files', file), from: 'path:pairs.txt' };
  }
  const ran = await lab.run(stage, { inputs: given, settings, seed });
  const verification = openVerification(ran.outputs['verification']!);
  const [protocol] = verification.info.protocols;
  const { images, ...rest } = verification.protocol(protocol!.name);
  /** The number of a picture, by its colour. */
  const numbers = Array.from(rest.pairs, (row) => images.read([row])[0]!);
  const input = { ...lab.input('groups', ran.outputs['others']!) };
  const others = openDataset({ input: () => input, artifact: () => inputs.dataset.path }, 'dataset', 0);
  return { ran, info: verification.info, protocol: protocol!, numbers, others, ...rest };
}

const people = { a: 3, b: 3, c: 3, d: 3, e: 2 };
const pairs = '2\t1\na\t1\t2\na\t1\tb\t3\nc\t2\t3\nc\t2\td\t1\n';
const twice = (text: string) => text.split('\n').slice(1).join('\n').repeat(2);

test('given pairs: their pictures in their folds, and the faces of everybody else as a group', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, people);
  const { protocol, numbers, same, folds, others, info, ran } = await paired(lab, inputs, pairs);
  // Colours count the files: a 1 2 3, b 4 5 6, c 7 8 9, d 10 11 12, e 13 14.
  expect(numbers).toEqual([1, 2, 1, 6, 8, 9, 8, 10]);
  expect([[...same], [...folds]]).toEqual([
    [1, 0, 1, 0],
    [0, 0, 1, 1],
  ]);
  expect(protocol).toMatchObject({ name: 'my photos', pairs: 4, folds: 2, identitiesDisjoint: true });
  expect(info.provenance).toMatchObject({
    realData: ['my photos'],
    delivered: { identities: 4, images: 6 },
    settings: { align: 'none', pairs: 'given', given: 4, used: 4 },
  });
  expect([others.count, others.identities, others.read([0])[0]]).toEqual([2, 1, 13]);
  expect(ran.metrics.get('pairs')).toBe(4);
});

test('without a file they are drawn: the same from one seed, others from another', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, { a: 4, b: 4, c: 4, d: 4 });
  const settings = { folds: 2, pairsPerFold: 3, protocol: 'mine' };
  const [one, again, other] = await Promise.all(
    [1, 1, 2].map((seed) => paired(lab, inputs, undefined, settings, seed)),
  );
  expect(one!.protocol).toMatchObject({ name: 'mine', pairs: 12, folds: 2, identitiesDisjoint: true });
  expect(bytesOf(again!.ran.outputs['verification']!)).toEqual(bytesOf(one!.ran.outputs['verification']!));
  expect(other!.numbers).not.toEqual(one!.numbers);
});

test('two people fill two folds that share them, which is said', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, { a: 3, b: 2 });
  const { ran, protocol, same, folds, pairs: rows } = await paired(lab, inputs, undefined);
  // 4 matched pairs; as many of the 6 mismatched; half of them in each fold.
  expect([[...same], [...folds]]).toEqual([
    [1, 1, 0, 0, 1, 1, 0, 0],
    [0, 0, 0, 0, 1, 1, 1, 1],
  ]);
  const keys = same.map(
    (_, i) => Math.min(rows[2 * i]!, rows[2 * i + 1]!) * 8 + Math.max(rows[2 * i]!, rows[2 * i + 1]!),
  );
  expect(new Set(keys).size).toBe(8);
  expect(protocol.identitiesDisjoint).toBe(false);
  expect(ran.warnings.join()).toContain('2 people are too few for folds of their own');
});

test('drawn pairs need no ledger', async () => {
  using lab = new StageLab();
  const { dataset } = await faces(lab, { a: 2, b: 2, c: 2, d: 2 });
  const { outputs } = await lab.run(stage, { inputs: { dataset }, settings: {} });
  expect(openVerification(outputs['verification']!).info.protocols[0]!.folds).toBe(2);
});

test('a pair with a picture that was not imported is left out, and said with the reason', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, people, (folder) =>
    writeFileSync(join(folder, 'd', 'd_0001.png'), 'broken'),
  );
  const { ran, protocol } = await paired(lab, inputs, twice(pairs), { folds: 2 });
  expect(protocol.pairs).toBe(6);
  expect(ran.warnings.join()).toMatch(/2 of 8 given pairs are left out.*d\/d_0001\.png \(no picture/);
  expect(ran.metrics.get('pairs_left_out')).toBe(2);
});

test('with missing: drop, a part of a collection serves with the whole pairs file', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, people);
  const text = twice(pairs) + 'zoe\t1\t2\n';
  const { ran, protocol } = await paired(lab, inputs, text, { missing: 'drop', folds: 2 });
  expect(protocol.pairs).toBe(8);
  expect(ran.warnings.join()).toContain('1 of 9 given pairs are left out: their photographs do not exist');
  expect(ran.lines.join('\n')).toContain("pairs.txt:9: there is no folder of 'zoe'");
});

test('people in two folds are said not to be disjoint', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, people);
  const { protocol } = await paired(lab, inputs, '2\t1\na\t1\t2\na\t1\tb\t3\na\t2\t3\nc\t2\td\t1\n');
  expect(protocol.identitiesDisjoint).toBe(false);
});

test('a list that contradicts the folders is followed, and said', async () => {
  using lab = new StageLab();
  const inputs = await faces(lab, people);
  const list =
    'a/a_0001.png b/b_0001.png 1\na/a_0001.png a/a_0002.png 1\nc/c_0001.png d/d_0001.png 0\nc/c_0002.png d/d_0001.png 0';
  const { ran, same } = await paired(lab, inputs, list, { folds: 2 });
  expect([...same]).toEqual([1, 1, 0, 0]);
  expect(ran.warnings.join()).toContain('1 of 4 given pairs say one person of two folders');
});

describe('refuses, with a remedy', () => {
  const failing = async (
    lab: StageLab,
    inputs: Awaited<ReturnType<typeof faces>>,
    text: string | undefined,
  ) => {
    const error = await paired(lab, inputs, text).then(
      () => undefined,
      (reason: unknown) => reason as Error & { remedy?: string },
    );
    expect(error?.name).toBe('StageError');
    return `${error!.message} ${error!.remedy ?? ''}`;
  };

  test('pairs of photographs that are not there: how many, which first, and what else can be done', async () => {
    using lab = new StageLab();
    const inputs = await faces(lab, people);
    expect(await failing(lab, inputs, `${pairs.slice(4)}zoe\t1\t2\n`)).toMatch(
      /1 of 5 pairs in pairs\.txt name photographs that do not exist.*pairs\.txt:5: there is no folder of 'zoe'.*missing: drop/,
    );
    expect(await failing(lab, inputs, 'zoe\t1\t2\n')).not.toContain('drop');
  });

  test.each([
    ['a\t1\t2\na\t1\tb\t1', '1 pair of one person and 1 of two, which do not fill two folds'],
    ['a\t1\t2\na\t2\t3\nb\t1\t2', '3 pairs of one person and 0 of two'],
    ['a\t1\tb\t2\nc\t1\td\t1', '0 pairs of one person and 2 of two'],
  ])('too few pairs: %j', async (text, message) => {
    using lab = new StageLab();
    expect(await failing(lab, await faces(lab, people), text)).toMatch(
      new RegExp(`${message}.*at least two pairs of each kind`),
    );
  });

  test('too few people to draw from', async () => {
    using lab = new StageLab();
    expect(await failing(lab, await faces(lab, { a: 1, b: 1, c: 1, d: 1 }), undefined)).toMatch(
      /4 people, 0 with two photographs or more, do not fill two folds.*four people or more/,
    );
  });

  test('a file that is no text', async () => {
    using lab = new StageLab();
    expect(await failing(lab, await faces(lab, people), 'PK\u0000\u0001')).toContain(
      'pairs.txt is no text file',
    );
  });

  test('given pairs without the ledger, with one of another import, or with a result that is none', async () => {
    using lab = new StageLab();
    const inputs = await faces(lab, people);
    const { dataset } = inputs;
    expect(await failing(lab, { dataset } as typeof inputs, pairs)).toContain('as input ledger that output');
    const other = await faces(lab, { a: 3, b: 3, c: 3, d: 3, f: 2 });
    expect(await failing(lab, { dataset, ledger: other.ledger }, pairs)).toContain('is of another import');
    const none = lab.input('result', lab.path());
    expect(await failing(lab, { dataset, ledger: none }, pairs)).toContain('is no ledger of an import');
  });
});

test('files.json of the ledger names the file of every face, and says of the others why they are none', async () => {
  using lab = new StageLab();
  const { ledger } = await faces(lab, { a: 2, b: 1 }, (folder) => {
    writeFileSync(join(folder, 'a', 'notes.txt'), 'text');
    writeFileSync(join(folder, 'readme.txt'), 'text');
  });
  expect(JSON.parse(readFileSync(join(ledger.path, 'files.json'), 'utf8'))).toMatchObject([
    { file: 'a/a_0001.png', identity: 'a', name: 'a_0001.png', row: 0 },
    { file: 'a/a_0002.png', row: 1 },
    { file: 'a/notes.txt', reason: expect.stringContaining('no picture') as string },
    { file: 'b/b_0001.png', identity: 'b', row: 2 },
    { file: 'readme.txt', identity: '', reason: "not in a person's folder" },
  ]);
});
