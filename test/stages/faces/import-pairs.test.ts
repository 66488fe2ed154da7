import { describe, expect, test } from 'vitest';
import { drawPairs } from '../../../stages/faces/pairs/draw.js';
import { readPairs } from '../../../stages/faces/pairs/file.js';

const photos = [
  ['Ann Lee', 'Ann_Lee_0002.jpg'],
  ['Ann Lee', 'Ann_Lee_0004.jpg'],
  ['bob', '3.pgm'],
  ['bob', '12.pgm'],
  ['cy', 'front.png'],
  ['cy', 'side.png'],
  ['Zoé', 'Zoé_1.jpg'],
].map(([identity, name]) => ({ identity: identity!, name: name!, file: `${identity}/${name}` }));
const read = (text: string, folds = 3, of = photos) => readPairs(text, of, folds, 'pairs.txt').pairs;
/** [first, second] of each pair. */
const pictures = (text: string) => read(text).map(({ first, second }) => [first, second]);

describe("reads LFW's pairs", () => {
  test('by the number in the name, not the place in the folder, with the header of LFW', () => {
    const text = '2\t1\nAnn Lee\t2\t4\nAnn Lee\t4\tbob\t12\nbob\t3\t12\nbob\t3\tAnn Lee\t2\n';
    expect(read(text)).toEqual([
      { first: 0, second: 1, same: true, fold: 0 },
      { first: 1, second: 3, same: false, fold: 0 },
      { first: 2, second: 3, same: true, fold: 1 },
      { first: 2, second: 0, same: false, fold: 1 },
    ]);
  });

  test.each([
    ['spaces for tabs', 'bob 3 12\nbob 3 cy front.png'],
    [
      'Windows line ends, a byte order mark and blank lines',
      '\uFEFFbob\t3\t12\r\n\r\nbob\t3\tcy\tfront.png\r\n',
    ],
    ['comments', '# mine\nbob\t3\t12\n# others\nbob\t3\tcy\tfront.png'],
    [
      'commas, column names and a comma at the end',
      'name,imagenum1,imagenum2,\nbob,3,12,\nbob,3,cy,front.png',
    ],
    ['quoted fields', '"bob","3","12"\n"bob","3","cy","front.png"'],
  ])('with %s', (_, text) => {
    expect(pictures(text)).toEqual([
      [2, 3],
      [2, 4],
    ]);
  });

  test('with names of several words among spaces', () => {
    expect(pictures('Ann Lee 2 4\nAnn Lee 4 bob 12\nbob 3 Ann Lee 2')).toEqual([
      [0, 1],
      [1, 3],
      [2, 0],
    ]);
  });

  test('with an accent written as another file system does', () => {
    expect(pictures('Zoe\u0301\t1\tbob\t3')).toEqual([[6, 2]]);
  });

  test('with numbers for names', () => {
    const numbered = [1, 2].flatMap((person) =>
      [1, 2].map((i) => ({ identity: `00${person}`, name: `${i}.jpg`, file: `00${person}/${i}.jpg` })),
    );
    expect(read('001 1 2\n001 1 002 1', 2, numbered)).toMatchObject([
      { first: 0, second: 1, same: true },
      { first: 0, second: 2, same: false },
    ]);
  });
});

describe('reads lists of paths', () => {
  test.each([
    ['the label last', 'bob/3.pgm bob/12.pgm 1\nbob/3.pgm cy/side.png 0'],
    ['the label first', '1\tbob/3.pgm\tbob/12.pgm\n0\tbob/3.pgm\tcy/side.png'],
    [
      'the label as a word, commas',
      'file1,file2,same\nbob/3.pgm,bob/12.pgm,True\nbob/3.pgm,cy/side.png,False',
    ],
    ['no label: the folders tell', 'bob/3.pgm bob/12.pgm\nbob/3.pgm cy/side.png'],
    [
      'other folders before it',
      '/data/faces/bob/3.pgm ./bob/12.pgm 1\n..\\faces\\bob\\3.pgm cy\\side.png -1',
    ],
    ['file names only', '3.pgm 12.pgm 1\n3.pgm side.png 0'],
  ])('with %s', (_, text) => {
    expect(read(text)).toMatchObject([
      { first: 2, second: 3, same: true },
      { first: 2, second: 5, same: false },
    ]);
  });

  test('with spaces in names', () => {
    expect(
      read('Ann Lee/Ann_Lee_0002.jpg Ann Lee/Ann_Lee_0004.jpg 1\nAnn Lee/Ann_Lee_0002.jpg bob/3.pgm 0'),
    ).toMatchObject([
      { first: 0, second: 1, same: true },
      { first: 0, second: 2, same: false },
    ]);
  });

  test('the list is believed where folders say otherwise, and that is counted', () => {
    expect(readPairs('bob/3.pgm cy/side.png 1', photos, 2, 'x')).toMatchObject({
      pairs: [{ same: true }],
      contradicted: 1,
    });
  });

  test('a path of which only the last part is there is not taken for another file', () => {
    expect(readPairs('dora/3.pgm bob/3.pgm 0', photos, 2, 'x')).toMatchObject({
      pairs: [],
      absent: [{ line: 1, why: "there is no photograph 'dora/3.pgm'" }],
    });
  });
});

describe('folds', () => {
  const folds = (text: string, wanted: number) => read(text, wanted).map(({ fold }) => fold);
  const same = 'bob 3 12';
  const other = 'bob 3 cy front.png';
  const list = (...lines: string[]) => lines.join('\n');

  test('without a header: a matched pair after a mismatched one opens a fold, where all are alike', () => {
    expect(folds(list(same, same, other, other, same, same, other, other), 10)).toEqual([
      0, 0, 0, 0, 1, 1, 1, 1,
    ]);
  });

  test('with one number as header and one run of each: consecutive parts of either kind', () => {
    expect(folds(list('3', same, same, same, other, other, other), 3)).toEqual([0, 1, 2, 0, 1, 2]);
    expect(folds(list('4', same, same, same, same, other, other, other, other), 2)).toEqual([
      0, 0, 1, 1, 0, 0, 1, 1,
    ]);
  });

  test('a list that alternates has no folds of its own', () => {
    const alternating = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? same : other));
    expect(folds(list(...alternating), 3)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  });

  test("LFW's development list, of one fold in its header, is parted", () => {
    expect(folds(list('1\t2', same, same, other, other), 10)).toEqual([0, 1, 0, 1]);
  });
});

describe('refuses pairs, naming the line', () => {
  test.each([
    ['bob\t3', 'pairs.txt:1: the header is not'],
    ['bob\t3\t12\nbob\t3', 'pairs.txt:2: 2 fields'],
    ['bob\t3\t12\nAnn Lee bob Roe cy x', 'pairs.txt:2: 6 fields'],
    ['bob\t3\t3', 'pairs.txt:1: bob/3.pgm is paired with itself'],
    [
      '2\t1\nbob\t3\t12',
      'the header states 2 folds of 1 matched and 1 mismatched pairs, which is 4 lines; there are 1',
    ],
    ['', 'pairs.txt lists no pairs'],
    ['10\t300', 'pairs.txt lists no pairs'],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test.each([
    ['dora\t1\t2', "there is no folder of 'dora'"],
    ['bob\t1\t12', 'bob has no photograph with the number 1 at the end of its name'],
    ['cy\tfront.png\tback.png', "cy has no photograph 'back.png'"],
    ['cy/back.png cy/front.png 1', "there is no photograph 'cy/back.png'"],
  ])('%j: which photograph is not there', (text, why) => {
    expect(readPairs(`bob\t3\t12\n${text}`, photos, 2, 'pairs.txt').absent).toEqual([{ line: 2, why }]);
  });

  test('where two files of a person have one number, or several end alike', () => {
    const twice = [...photos, { identity: 'bob', name: 'copy_03.png', file: 'bob/copy_03.png' }];
    const absent = (text: string) => readPairs(text, twice, 2, 'pairs.txt').absent[0]!.why;
    expect(absent('bob\t3\t12')).toBe('bob has 2 photographs with the number 3: bob/3.pgm, bob/copy_03.png');
    twice.push({ identity: 'eve', name: '3.pgm', file: 'eve/3.pgm' });
    expect(absent('3.pgm 12.pgm 1')).toBe("2 photographs end in '3.pgm': bob/3.pgm, eve/3.pgm");
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
    const pairs = drawPairs(all, 5, 30, 1, '');
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

  test('none twice of people with hundreds of photographs, whose pairs are not listed', () => {
    const all = people(400, 400, 400, 400);
    const pairs = drawPairs(all, 2, 2000, 1, '');
    const owner = ownerOf(all);
    for (const { first, second, same } of pairs) expect(owner(first) === owner(second)).toBe(same);
    expect(pairs.filter(({ same }) => same)).toHaveLength(4000);
    expect(new Set(pairs.map(({ first, second }) => [first, second].sort((a, b) => a - b).join())).size).toBe(
      8000,
    );
  });

  test('the same pairs from one seed, others from another', () => {
    const all = people(5, 5, 5, 5, 5, 5);
    expect(drawPairs(all, 3, 10, 7, '')).toEqual(drawPairs(all, 3, 10, 7, ''));
    expect(drawPairs(all, 3, 10, 7, '')).not.toEqual(drawPairs(all, 3, 10, 8, ''));
  });

  test('a person with a hundred photographs gives no more matched pairs than the others can', () => {
    const all = people(100, 3, 3, 3);
    const pairs = drawPairs(all, 2, 6, 1, '');
    const owner = ownerOf(all);
    const fold = pairs.find(({ first }) => owner(first) === 0)!.fold;
    const matched = pairs.filter((pair) => pair.fold === fold && pair.same).map(({ first }) => owner(first));
    // One of each person in turn: of six, three are of the person with a hundred and three of the other one.
    expect(matched.filter((person) => person === 0)).toHaveLength(3);
    expect(new Set(matched).size).toBe(2);
  });

  test('fewer folds where people are few, and all pairs there are', () => {
    const pairs = drawPairs(people(2, 2, 2, 2), 10, 300, 1, '');
    expect(new Set(pairs.map(({ fold }) => fold)).size).toBe(2);
    // Two people of two photographs: 2 matched pairs, and 2 of the 4 mismatched.
    expect(pairs).toHaveLength(8);
  });

  test.each([
    [[8, 8, 8], '3 people, 3 with two photographs or more, do not fill two folds'],
    [[8, 1, 1, 1], '4 people, 1 with two photographs or more'],
    [[], '0 people'],
  ])('refuses people with %j photographs', (counts, message) => {
    expect(() => drawPairs(people(...counts), 10, 300, 1, '')).toThrow(message);
  });
});
