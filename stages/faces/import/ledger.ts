/**
 * The ledger of an import: what became of every file, and why: for the report (result.json), for spreadsheets (ledger.csv), and for
 * stages that look for a photograph's face by the name of its file (files.json).
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { PhotoFolder } from './folder.js';
import { type Looked, usable } from './looked.js';
import type { LeftOut } from './selection.js';

const kindsOfUse = ['images', 'verification', 'inquiry'] as const;
export type Use = (typeof kindsOfUse)[number];

export interface LedgerLine {
  file: string;
  identity: string;
  /** Path inside the person's folder. */
  name: string;
  /** Where it went; several where people are shared; none where it was left out. */
  uses: Use[];
  /** Its row in the output images. */
  row?: number;
  looked?: Looked;
  /** Why it was left out, beside what `looked` says. */
  left?: LeftOut | 'in_no_pair' | 'not_in_a_persons_folder';
}

const reasons: Record<Looked['sight'] | NonNullable<LedgerLine['left']>, string> = {
  face: '',
  as_it_is: '',
  centre_crop: 'no face found: the middle of the picture',
  no_face: 'no face found',
  too_small: 'smaller than minSize',
  no_picture: 'no picture',
  unsupported: '',
  damaged: 'damaged',
  few_images: 'its person has fewer pictures than minImages',
  over_maximum: 'its person has more pictures than maxImages',
  spare_inquiry: 'its person is an inquiry person with another picture',
  in_no_pair: 'in no verification pair',
  not_in_a_persons_folder: "not in a person's folder",
};

/** What became of the photographs, by their numbers. */
export interface Fates {
  isUsed(photo: number, use: Use): boolean;
  /** Why a usable one went nowhere, where its selection says so. */
  left(photo: number): LeftOut | undefined;
}

/** A line for each file, one after the other: there may be millions. @param looked of each photograph, in order */
export function* ledgerLines(
  { photos, stray }: PhotoFolder,
  looked: Iterable<Looked>,
  fates: Fates,
): Generator<LedgerLine> {
  // Images are written in the order of the photographs.
  let row = 0;
  let i = 0;
  for (const seen of looked) {
    const uses = kindsOfUse.filter((use) => fates.isUsed(i, use));
    yield {
      file: photos.file(i),
      identity: photos.identity(i),
      name: photos.name(i),
      uses,
      looked: seen,
      ...(uses.includes('images') ? { row: row++ } : {}),
      ...(uses.length === 0 && usable.includes(seen.sight) ? { left: fates.left(i) ?? 'in_no_pair' } : {}),
    };
    i++;
  }
  for (const file of stray)
    yield { file, identity: '', name: file, uses: [], left: 'not_in_a_persons_folder' };
}

/** The word by which a line is counted: a use, or the reason for none. */
function fateOf({ uses, looked, left }: LedgerLine): string {
  return uses.length > 0 ? 'used' : (left ?? looked!.sight);
}

/** Why, in words; several faces and central crops are remarked of pictures that are used, too. */
export function reasonOf({ looked, left }: LedgerLine): string {
  const seen = looked ? [reasons[looked.sight], looked.message ?? ''].filter((part) => part !== '') : [];
  const said = [left ? reasons[left] : '', seen.join(': ')];
  if ((looked?.faces ?? 0) > 1) said.push(`${looked!.faces} faces: the one nearest the centre`);
  return said.filter((part) => part !== '').join('; ');
}

const leftOut: Record<string, string> = {
  no_face: 'left out: no face found',
  too_small: 'left out: smaller than minSize',
  no_picture: 'left out: no picture',
  unsupported: 'left out: a format that is not read',
  damaged: 'left out: damaged',
  few_images: 'left out: people with fewer pictures than minImages',
  over_maximum: "left out: beyond a person's maxImages",
  spare_inquiry: 'left out: more than one picture of an inquiry person',
  in_no_pair: 'left out: in no verification pair',
  not_in_a_persons_folder: "left out: not in a person's folder",
};

/** Counts of a ledger's lines. */
export class LedgerCounts {
  readonly #fates = new Map<string, number>();
  readonly #uses = new Map<Use, number>();
  readonly #sights = new Map<Looked['sight'], number>();
  #files = 0;
  /** With several faces: of all, and of those used. */
  severalFaces = 0;
  #severalUsed = 0;
  /** Used though no face was found. */
  middlesUsed = 0;

  constructor(lines: Iterable<LedgerLine>) {
    const more = <T>(counts: Map<T, number>, what: T) => counts.set(what, (counts.get(what) ?? 0) + 1);
    for (const line of lines) {
      const { uses, looked } = line;
      this.#files++;
      more(this.#fates, fateOf(line));
      uses.forEach((use) => more(this.#uses, use));
      if (looked) more(this.#sights, looked.sight);
      if ((looked?.faces ?? 0) > 1) {
        this.severalFaces++;
        if (uses.length > 0) this.#severalUsed++;
      }
      if (uses.length > 0 && looked!.sight === 'centre_crop') this.middlesUsed++;
    }
  }

  of(...sights: Looked['sight'][]): number {
    return sights.reduce((sum, sight) => sum + (this.#sights.get(sight) ?? 0), 0);
  }

  /** How many files were left out, by the word of their fate. */
  get losses(): Record<string, number> {
    return Object.fromEntries([...this.#fates].filter(([fate]) => fate !== 'used'));
  }

  /** Files by what became of them, in words. */
  get inWords(): Record<string, number> {
    const counts = new Map([['files', this.#files]]);
    const put = (words: string, count = 0) => {
      if (count > 0) counts.set(words, count);
    };
    put('used', this.#fates.get('used'));
    for (const use of kindsOfUse) put(`used in ${use}`, this.#uses.get(use));
    put('used: the face nearest the centre of several', this.#severalUsed);
    put('used: the middle, no face found', this.middlesUsed);
    for (const [fate, words] of Object.entries(leftOut)) put(words, this.#fates.get(fate));
    return Object.fromEntries(counts);
  }
}

/** A file of the collection, as other stages see it. */
export interface LedgerFile {
  /** Path inside the collection's folder. */
  file: string;
  /** The person; empty for a file that belongs to nobody. */
  identity: string;
  /** Path inside the person's folder. */
  name: string;
  /** Its row in the images that were made beside the ledger; absent where it is not among them. */
  row?: number;
  /** Why not, in words. */
  reason?: string;
}

const filesName = 'files.json';

/** @returns the files in the ledger's order; undefined where the folder holds no ledger of an import */
export function readLedgerFiles(folder: string): LedgerFile[] | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, filesName), 'utf8');
  } catch {
    return undefined;
  }
  return JSON.parse(text) as LedgerFile[];
}

/**
 * result.json with the summary under `ledger`: source, counts, and entries, the lines with a remark; ledger.csv and files.json with a row
 * per file. Written as the lines come.
 */
export function writeLedger(
  folder: string,
  summary: { source: string; counts: Record<string, number> },
  lines: Iterable<LedgerLine>,
  rest: Record<string, unknown>,
): void {
  const whole = JSON.stringify({ ...rest, ledger: { ...summary, entries: [] } }, null, 1);
  const [before, after] = [whole.slice(0, whole.lastIndexOf('[]')), whole.slice(whole.lastIndexOf('[]') + 2)];
  using result = new TextFile(join(folder, 'result.json'));
  using files = new TextFile(join(folder, filesName));
  using csv = new TextFile(join(folder, 'ledger.csv'));
  result.write(`${before}[`);
  files.write('[\n');
  csv.write('file,identity,fate,uses,reason,width,height,faces,score,left,top,right,bottom,border\n');
  let [entries, rows] = [0, 0];
  for (const line of lines) {
    const reason = reasonOf(line);
    if (reason) {
      const entry = { file: line.file, fate: line.uses.join(' + ') || 'left out', reason };
      const text = JSON.stringify(entry, null, 1).replaceAll('\n', '\n   ');
      result.write(`${entries++ > 0 ? ',' : ''}\n   ${text}`);
    }
    files.write(`${rows++ > 0 ? ',\n' : ''}${JSON.stringify(fileOf(line, reason))}`);
    csv.write(`${cellsOf(line, reason).map(cell).join(',')}\n`);
  }
  result.write(`${entries > 0 ? '\n  ' : ''}]${after}`);
  files.write('\n]\n');
}

const fileOf = ({ file, identity, name, row }: LedgerLine, reason: string): LedgerFile => ({
  file,
  identity,
  name,
  ...(row === undefined ? { reason: reason || 'not asked for' } : { row }),
});

function cellsOf(line: LedgerLine, reason: string): (string | number | undefined)[] {
  const { file, identity, uses, looked } = line;
  const { width, height, faces, score, border, box = ['', '', '', ''] } = looked ?? {};
  return [file, identity, fateOf(line), uses.join(' '), reason, width, height, faces, score, ...box, border];
}

const cell = (value: string | number | undefined): string => {
  const text = String(value ?? '');
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const pieceBytes = 2 ** 16;

/** Written in pieces, and whole when it is disposed of. */
class TextFile implements Disposable {
  readonly #file: number;
  readonly #piece = Buffer.alloc(pieceBytes);
  #filled = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  write(text: string): void {
    const most = 3 * text.length; // bytes of UTF-8
    if (this.#filled + most > pieceBytes) this.#flush();
    if (most > pieceBytes) this.#append(Buffer.from(text));
    else this.#filled += this.#piece.write(text, this.#filled);
  }

  [Symbol.dispose](): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    this.#append(this.#piece.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #append(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) from += writeSync(this.#file, bytes, from);
  }
}
