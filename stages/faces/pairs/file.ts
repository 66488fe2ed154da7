/**
 * Reads verification pairs in the format of LFW's pairs.txt: an optional header, `folds<TAB>n` or `n`, then lines
 * `name<TAB>i<TAB>j` (one person) and `name<TAB>i<TAB>other<TAB>j` (two). Each fold has its n matched lines first, then its n mismatched ones.
 *
 * i and j are the number at the end of a file's name (`X_0003.jpg` and `3.pgm` are 3), not its place in the folder; where they are no
 * numbers, they are the file's name.
 */
import { StageError } from '../../contract.js';
import type { FoundPhoto } from './folder.js';

export interface ListedPair {
  /** Indexes into the photographs. */
  first: number;
  second: number;
  same: boolean;
  fold: number;
}

/**
 * @param text    the file's content
 * @param photos  what the folder holds
 * @param folds   how many folds to make where the file states none and its lines show none
 * @param shownAs the file's name in messages
 * @throws StageError naming the line where a person or a photograph does not exist or a line cannot be understood
 */
export function readPairs(
  text: string,
  photos: readonly FoundPhoto[],
  folds: number,
  shownAs: string,
): ListedPair[] {
  const find = lookup(photos);
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, i) => ({ number: i + 1, fields: fieldsOf(line) }))
    .filter(({ fields }) => fields.length > 0);
  const fail = (line: number, why: string, remedy?: string) =>
    new StageError(`pairs: ${shownAs}:${line}: ${why}`, remedy);

  const header = lines[0] && lines[0].fields.length <= 2 ? lines.shift()!.fields.map(Number) : undefined;
  if (header && !header.every((value) => Number.isInteger(value) && value > 0))
    throw fail(1, `the header is not 'folds<TAB>pairs per fold' or one number`);

  const pairs = lines.map(({ number, fields }) => {
    if (fields.length !== 3 && fields.length !== 4)
      throw fail(
        number,
        `${fields.length} fields; a pair has 3 (name, i, j) or 4 (name, i, other, j), parted by tabs`,
      );
    const locate = (identity: string, which: string): number => {
      const answer = find(identity, which);
      if (typeof answer === 'string')
        throw fail(number, answer, 'Give the folder of photographs that the file was made for.');
      return answer;
    };
    const [name, i, third, fourth] = fields as [string, string, string, string?];
    const other = fourth === undefined ? name : third;
    const pair = {
      first: locate(name, i),
      second: locate(other, fourth ?? third),
      same: other === name,
      fold: 0,
    };
    if (pair.first === pair.second) throw fail(number, `${name} ${i} is paired with itself`);
    return pair;
  });
  if (pairs.length === 0) throw new StageError(`pairs: ${shownAs} lists no pairs`);

  if (header?.length === 2) {
    const [count, perFold] = header as [number, number];
    if (pairs.length !== 2 * count * perFold)
      throw fail(
        1,
        `the header states ${count} folds of ${perFold} matched and ${perFold} mismatched pairs, ` +
          `which is ${2 * count * perFold} lines; there are ${pairs.length}`,
      );
    pairs.forEach((pair, i) => (pair.fold = Math.floor(i / (2 * perFold))));
  } else foldByRuns(pairs, folds);
  return pairs;
}

/** Tabs part fields, so that names may have spaces; a line without any is parted at its spaces. */
const fieldsOf = (line: string) =>
  line.trim() === ''
    ? []
    : line
        .trim()
        .split(line.includes('\t') ? /\t+/ : /\s+/)
        .map((field) => field.trim());

/** A matched pair after a mismatched one opens a fold. Where that gives one fold only, pairs are dealt to `folds` in turn. */
function foldByRuns(pairs: ListedPair[], folds: number): void {
  let fold = 0;
  pairs.forEach((pair, i) => {
    if (i > 0 && pair.same && !pairs[i - 1]!.same) fold++;
    pair.fold = fold;
  });
  if (fold > 0) return;
  const dealt = { same: 0, other: 0 };
  for (const pair of pairs) pair.fold = dealt[pair.same ? 'same' : 'other']++ % folds;
}

/** Index of a photograph, or a sentence that says why there is none. */
function lookup(photos: readonly FoundPhoto[]): (identity: string, which: string) => number | string {
  const people = new Map<string, { names: Map<string, number>; numbers: Map<number, number[]> }>();
  photos.forEach(({ identity, name }, index) => {
    let person = people.get(identity);
    if (!person) people.set(identity, (person = { names: new Map(), numbers: new Map() }));
    person.names.set(name, index);
    const digits = /(\d+)(\.[^.]*)?$/.exec(name)?.[1];
    if (digits === undefined) return;
    const same = person.numbers.get(Number(digits)) ?? [];
    person.numbers.set(Number(digits), [...same, index]);
  });
  return (identity, which) => {
    const person = people.get(identity);
    if (!person) return `there is no folder of '${identity}'`;
    if (!/^\d+$/.test(which)) return person.names.get(which) ?? `${identity} has no photograph '${which}'`;
    const found = person.numbers.get(Number(which)) ?? [];
    if (found.length === 0)
      return `${identity} has no photograph with the number ${which} at the end of its name`;
    if (found.length > 1)
      return `${identity} has ${found.length} photographs with the number ${which}: ${found.map((i) => photos[i]!.name).join(', ')}`;
    return found[0]!;
  };
}
