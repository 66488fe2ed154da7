/**
 * Reads verification pairs from a text file, in either of two forms:
 *
 * - LFW's pairs.txt: `name<TAB>i<TAB>j` (one person) and `name<TAB>i<TAB>other<TAB>j` (two), under the header `folds<TAB>n` (each fold has n matched
 *   lines, then n mismatched ones), under `n` alone, or under none;
 * - a list of paths, as those made of CFP, AgeDB and CALFW: `path path 1` for one person, `path path 0` for two; the label may come first, and without
 *   one the folders tell.
 *
 * Fields are parted by tabs, by commas or by spaces. Which photograph is meant: locate.ts.
 */
import { StageError } from '../../contract.js';
import { type Located, type Locator, locatorOf, type Named } from './locate.js';
import type { ListedPair } from './pair.js';

export interface PairsFile {
  /** Pairs of photographs that exist. */
  pairs: ListedPair[];
  /** Lines that name a photograph that does not. */
  absent: { line: number; why: string }[];
  /** Pairs that the list calls one person's though they lie in two folders, or the other way round. */
  contradicted: number;
}

/** One line, understood. */
interface Line {
  number: number;
  first: Located;
  second: Located;
  /** Undefined: the folders tell. */
  same: boolean | undefined;
}

/**
 * @param text    the file's content
 * @param photos  what the folder holds
 * @param folds   how many folds to make where neither a header nor the order of the lines shows any
 * @param shownAs the file's name in messages
 * @throws StageError naming the line that cannot be understood
 */
export function readPairs(text: string, photos: readonly Named[], folds: number, shownAs: string): PairsFile {
  const fail = (line: number, why: string) =>
    new StageError(
      `pairs: ${shownAs}:${line}: ${why}`,
      "Forms: 'name<TAB>i<TAB>j' and 'name<TAB>i<TAB>other<TAB>j' as in LFW's pairs.txt, or 'path<TAB>path<TAB>1' and '..<TAB>0'.",
    );
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .map((line, i) => ({ number: i + 1, text: line.trim() }))
    .filter(({ text: line }) => line !== '' && !line.startsWith('#'));
  const header = takeHeader(lines, fail);

  const locator = locatorOf(photos);
  const understood = lines.map(({ number, text: line }): Line => {
    const fields = fieldsOf(line);
    const read = asPaths(fields, locator) ?? asLfw(fields, locator);
    if (!read)
      throw fail(
        number,
        `${fields.length} field${fields.length === 1 ? '' : 's'}, which is no pair (names with spaces: part fields by tabs)`,
      );
    if (typeof read.first === 'number' && read.first === read.second)
      throw fail(number, `${photos[read.first]!.file} is paired with itself`);
    return { number, ...read };
  });
  if (understood.length === 0)
    throw new StageError(`pairs: ${shownAs} lists no pairs`, 'Give the file of pairs.');

  const identityOf = (photo: Located) => (typeof photo === 'number' ? photos[photo]!.identity : undefined);
  const kinds = understood.map(({ first, second, same }) => same ?? identityOf(first) === identityOf(second));
  const fold = foldsOf(kinds, header, folds, (why) => fail(1, why));

  const file: PairsFile = { pairs: [], absent: [], contradicted: 0 };
  understood.forEach(({ number, first, second }, i) => {
    const why = [first, second].find((one) => typeof one === 'string');
    if (why !== undefined) file.absent.push({ line: number, why });
    else {
      const pair = { first: first as number, second: second as number, same: kinds[i]!, fold: fold[i]! };
      file.pairs.push(pair);
      if ((identityOf(pair.first) === identityOf(pair.second)) !== pair.same) file.contradicted++;
    }
  });
  return file;
}

type Failure = (line: number, why: string) => StageError;

/** Takes away a first line of one or two numbers, which is returned, or one of column names. */
function takeHeader(lines: { number: number; text: string }[], fail: Failure): number[] | undefined {
  const first = lines[0] && fieldsOf(lines[0].text);
  if (!first) return undefined;
  const columns = /^(name|person|image_?num|image|img|file|path|same|is_?same|label|match|id)\d*$/i;
  if (first.every((field) => columns.test(field))) {
    lines.shift();
    return undefined;
  }
  if (first.length > 2 || first.some(isPath)) return undefined;
  const numbers = first.map(Number);
  if (!numbers.every((value) => Number.isInteger(value) && value > 0))
    throw fail(lines[0]!.number, `the header is not 'folds<TAB>pairs per fold' or one number`);
  lines.shift();
  return numbers;
}

/** Tabs part fields, or commas, or else spaces. */
function fieldsOf(line: string): string[] {
  const comma = line.split(',').length;
  const parted = line.includes('\t') ? line.split(/\t+/) : comma > 2 ? line.split(',') : undefined;
  if (parted) {
    const fields = parted.map((field) => field.trim().replace(/^"(.*)"$/, '$1'));
    while (fields.at(-1) === '') fields.pop(); // a comma at the end
    return fields;
  }
  const words = line.split(/\s+/);
  // A name of several words before numbers: 'Ann Lee 2 4', 'Ann Lee 2 Bob Roe 4'.
  if (words.length > 3 && !(words.length === 4 && isNumber(words[1]!))) {
    const numbered = /^(.+?)\s+(\d+)\s+(\d+)$/.exec(line) ?? /^(.+?)\s+(\d+)\s+(.+?)\s+(\d+)$/.exec(line);
    if (numbered) return numbered.slice(1);
  }
  return words;
}

const isNumber = (field: string) => /^\d+$/.test(field);
const isPath = (field: string) => /[/\\]|\.(jpe?g|png|webp|tiff?|avif|gif|p[gp]m|bmp|heic)$/i.test(field);
const labels = new Map([
  ['1', true],
  ['0', false],
  ['-1', false],
  ['true', true],
  ['false', false],
]);

function asPaths(fields: readonly string[], { byPath }: Locator): Omit<Line, 'number'> | undefined {
  const ends = [fields.at(-1)!, fields[0]!].map((field) => labels.get(field.toLowerCase()));
  const same = ends[0] ?? ends[1];
  const rest = ends[0] !== undefined ? fields.slice(0, -1) : ends[1] !== undefined ? fields.slice(1) : fields;
  if (rest.length === 2 && rest.every(isPath))
    return { first: byPath(rest[0]!), second: byPath(rest[1]!), same };
  // Spaces in names: the place that leaves a photograph on either side.
  if (rest.length > 2 && isPath(rest.at(-1)!) && !isNumber(rest[1]!))
    for (let at = 1; at < rest.length; at++) {
      const [first, second] = [rest.slice(0, at), rest.slice(at)].map((words) => byPath(words.join(' ')));
      if (typeof first === 'number' && typeof second === 'number') return { first, second, same };
    }
  return undefined;
}

function asLfw(fields: readonly string[], { byPerson }: Locator): Omit<Line, 'number'> | undefined {
  if (fields.length !== 3 && fields.length !== 4) return undefined;
  const [name, i, third, fourth] = fields as [string, string, string, string?];
  const other = fourth === undefined ? name : third;
  return { first: byPerson(name, i), second: byPerson(other, fourth ?? third), same: other === name };
}

/**
 * The fold of each pair: as the header says; or by runs, where a matched pair after a mismatched one opens a fold and all folds are
 * alike; or else consecutive parts of the matched and of the mismatched pairs, as insightface's KFold without shuffling.
 *
 * @param same  of each pair, whether it is one person
 * @param folds most folds by runs, and the number of folds else
 */
function foldsOf(
  same: readonly boolean[],
  header: readonly number[] | undefined,
  folds: number,
  fail: (why: string) => StageError,
): number[] {
  if (header?.length === 2) {
    const [count, perFold] = header as [number, number];
    if (same.length !== 2 * count * perFold)
      throw fail(
        `the header states ${count} folds of ${perFold} matched and ${perFold} mismatched pairs, ` +
          `which is ${2 * count * perFold} lines; there are ${same.length}`,
      );
    if (count > 1) return same.map((_, i) => Math.floor(i / (2 * perFold)));
  }
  let run = 0;
  const runs = same.map((one, i) => (i > 0 && one && !same[i - 1]! ? ++run : run));
  const shapes = new Set<string>();
  for (let fold = 0; fold <= run; fold++) {
    const inside = same.filter((_, i) => runs[i] === fold);
    shapes.add(`${inside.length} ${inside.filter(Boolean).length}`);
  }
  if (run > 0 && run < folds && shapes.size === 1) return runs;
  const matched = same.filter(Boolean).length;
  const made = Math.min(folds, matched, same.length - matched);
  const seen = { matched: 0, mismatched: 0 };
  return same.map((one) => {
    const [at, of] = one ? [seen.matched++, matched] : [seen.mismatched++, same.length - matched];
    return Math.floor((at * made) / of);
  });
}
