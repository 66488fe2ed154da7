import { describe, expect, test } from 'vitest';
import { naturalOrder } from '../../../stages/faces/import/folder.js';
import { drawPairs } from '../../../stages/faces/import/pairs.js';
import { readPairs } from '../../../stages/faces/import/pairs-file.js';

const photos = [
  { identity: 'Ann Lee', name: 'Ann_Lee_0002.jpg' },
  { identity: 'Ann Lee', name: 'Ann_Lee_0004.jpg' },
  { identity: 'bob', name: '3.pgm' },
  { identity: 'bob', name: '12.pgm' },
  { identity: 'cy', name: 'front.png' },
  { identity: 'cy', name: 'side.png' },
];
const read = (text: string, folds = 3) => readPairs(text, photos, folds, 'pairs.txt');

describe('reads pairs', () => {
  test('by the number in the name, not the place in the folder, with the header of LFW', () => {
    const text = '2\t1\nAnn Lee\t2\t4\nAnn Lee\t4\tbob\t12\nbob\t3\t12\nbob\t3\tAnn Lee\t2\n';
    expect(read(text)).toEqual([
      { first: 0, second: 1, same: true, fold: 0 },
      { first: 1, second: 3, same: false, fold: 0 },
      { first: 2, second: 3, same: true, fold: 1 },
      { first: 2, second: 0, same: false, fold: 1 },
    ]);
  });

  test('without a header: a matched pair after a mismatched one opens a fold', () => {
    const text = 'bob 3 12\nbob 3 cy front.png\ncy front.png side.png\ncy side.png bob 12\n';
    expect(read(text).map(({ fold, same }) => [fold, same])).toEqual([
      [0, true],
      [0, false],
      [1, true],
      [1, false],
    ]);
  });

  test('with one number as header and one run of each: pairs are dealt to folds in turn', () => {
    const text =
      '3\nbob\t3\t12\nAnn Lee\t2\t4\ncy\tfront.png\tside.png\nbob\t3\tAnn Lee\t2\nbob\t3\tAnn Lee\t4\nbob\t12\tAnn Lee\t2';
    expect(read(text, 2).map(({ fold }) => fold)).toEqual([0, 1, 0, 0, 1, 0]);
  });

  test('with Windows line ends, a byte order mark and blank lines', () => {
    expect(read('\uFEFFbob\t3\t12\r\n\r\nbob\t3\tcy\tside.png\r\n')).toHaveLength(2);
  });
});

describe('refuses pairs, naming the line', () => {
  test.each([
    ['dora\t1\t2', "pairs.txt:1: there is no folder of 'dora'"],
    ['bob\t3\t12\nbob\t1\t12', 'pairs.txt:2: bob has no photograph with the number 1'],
    ['cy\tfront.png\tback.png', "pairs.txt:1: cy has no photograph 'back.png'"],
    ['bob\t3', 'pairs.txt:1: the header is not'],
    ['bob\t3\t12\nbob\t3', 'pairs.txt:2: 2 fields'],
    ['bob\t3\t3', 'pairs.txt:1: bob 3 is paired with itself'],
    [
      '2\t1\nbob\t3\t12',
      'the header states 2 folds of 1 matched and 1 mismatched pairs, which is 4 lines; there are 1',
    ],
    ['', 'pairs.txt lists no pairs'],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test('where two files of a person have one number', () => {
    const twice = [...photos, { identity: 'bob', name: 'copy_03.png' }];
    expect(() => readPairs('bob\t3\t12', twice, 2, 'pairs.txt')).toThrow(
      'bob has 2 photographs with the number 3: 3.pgm, copy_03.png',
    );
  });
});

describe('draws pairs', () => {
  /** People with these numbers of photographs, numbered through. */
  const people = (...counts: number[]) => {
    let next = 0;
    return counts.map((count) => Array.from({ length: count }, () => next++));
  };
  const ownerOf = (all: number[][]) => (photo: number) => all.findIndex((own) => own.includes(photo));

  test('as many matched as mismatched in each fold, none twice, nobody in two folds', () => {
    const all = people(8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 1, 1);
    const pairs = drawPairs(all, 5, 30, 1);
    const owner = ownerOf(all);
    const folds = new Map<number, Set<number>>();
    for (let fold = 0; fold < 5; fold++) {
      const inside = pairs.filter((pair) => pair.fold === fold);
      expect(inside.filter(({ same }) => same)).toHaveLength(30);
      expect(inside.filter(({ same }) => !same)).toHaveLength(30);
      folds.set(fold, new Set(inside.flatMap(({ first, second }) => [owner(first), owner(second)])));
    }
    for (const { first, second, same } of pairs) expect(owner(first) === owner(second)).toBe(same);
    expect(new Set(pairs.map(({ first, second }) => [first, second].sort((a, b) => a - b).join())).size).toBe(
      300,
    );
    const everybody = [...folds.values()].flatMap((fold) => [...fold]);
    expect(new Set(everybody).size).toBe(everybody.length);
  });

  test('the same pairs from one seed, others from another', () => {
    const all = people(5, 5, 5, 5, 5, 5);
    expect(drawPairs(all, 3, 10, 7)).toEqual(drawPairs(all, 3, 10, 7));
    expect(drawPairs(all, 3, 10, 7)).not.toEqual(drawPairs(all, 3, 10, 8));
  });

  test('a person with a hundred photographs gives no more matched pairs than the others can', () => {
    const all = people(100, 3, 3, 3);
    const pairs = drawPairs(all, 2, 6, 1);
    const owner = ownerOf(all);
    const fold = pairs.find(({ first }) => owner(first) === 0)!.fold;
    const matched = pairs.filter((pair) => pair.fold === fold && pair.same).map(({ first }) => owner(first));
    // One of each person in turn: of six, three are of the person with a hundred and three of the other one.
    expect(matched.filter((person) => person === 0)).toHaveLength(3);
    expect(new Set(matched).size).toBe(2);
  });

  test('fewer folds where people are few, and all pairs there are', () => {
    const pairs = drawPairs(people(2, 2, 2, 2), 10, 300, 1);
    expect(new Set(pairs.map(({ fold }) => fold)).size).toBe(2);
    // Two people of two photographs: 2 matched pairs, and 2 of the 4 mismatched.
    expect(pairs).toHaveLength(8);
  });

  test.each([
    [[8, 8, 8], '3 people, 3 with two photographs or more, do not fill two folds'],
    [[8, 1, 1, 1], '4 people, 1 with two photographs or more'],
    [[], '0 people'],
  ])('refuses people with %j photographs', (counts, message) => {
    expect(() => drawPairs(people(...counts), 10, 300, 1)).toThrow(message);
  });
});

test('files come in natural order', () => {
  expect(['10.pgm', '2.pgm', '1.pgm', 'b1', 'a10', 'a9'].sort(naturalOrder)).toEqual([
    '1.pgm',
    '2.pgm',
    '10.pgm',
    'a9',
    'a10',
    'b1',
  ]);
});
