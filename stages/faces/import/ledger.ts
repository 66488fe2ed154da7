/**
 * The ledger of an import: what became of every file, and why: for the report (result.json), for spreadsheets (ledger.csv), and for
 * stages that look for a photograph's face by the name of its file (files.json).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PhotoFolder } from './folder.js';
import type { Looked } from './looked.js';
import type { LeftOut } from './selection.js';

export type Use = 'images' | 'verification' | 'inquiry';

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

export function ledgerLines(
  found: PhotoFolder,
  looked: readonly Looked[],
  used: Record<Use, ReadonlySet<number>>,
  left: ReadonlyMap<number, LeftOut>,
): LedgerLine[] {
  // Images are written in the order of the photographs.
  let row = 0;
  const lines = found.photos.map(({ identity, name, file }, i): LedgerLine => {
    const uses = (['images', 'verification', 'inquiry'] as const).filter((use) => used[use].has(i));
    const line: LedgerLine = { file, identity, name, uses, looked: looked[i]! };
    if (used.images.has(i)) line.row = row++;
    if (uses.length === 0 && ['face', 'centre_crop', 'as_it_is'].includes(looked[i]!.sight))
      line.left = left.get(i) ?? 'in_no_pair';
    return line;
  });
  const stray = found.stray.map((file): LedgerLine => ({
    file,
    identity: '',
    name: file,
    uses: [],
    left: 'not_in_a_persons_folder',
  }));
  return [...lines, ...stray];
}

/** The word by which a line is counted: a use, or the reason for none. */
export function fateOf({ uses, looked, left }: LedgerLine): string {
  return uses.length > 0 ? 'used' : (left ?? looked!.sight);
}

/** Why, in words; several faces and central crops are remarked of pictures that are used, too. */
export function reasonOf({ looked, left }: LedgerLine): string {
  const seen = looked ? [reasons[looked.sight], looked.message ?? ''].filter((part) => part !== '') : [];
  const said = [left ? reasons[left] : '', seen.join(': ')];
  if ((looked?.faces ?? 0) > 1) said.push(`${looked!.faces} faces: the one nearest the centre`);
  return said.filter((part) => part !== '').join('; ');
}

export interface LedgerSummary {
  source: string;
  /** Files by what became of them, in words. */
  counts: Record<string, number>;
  /** Lines with a remark. */
  entries: { file: string; fate: string; reason: string }[];
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

export function summarise(source: string, lines: readonly LedgerLine[]): LedgerSummary {
  const counts = new Map([['files', lines.length]]);
  const put = (what: string, of: (line: LedgerLine) => boolean) => {
    const count = lines.filter(of).length;
    if (count > 0) counts.set(what, count);
  };
  const used = ({ uses }: LedgerLine) => uses.length > 0;
  put('used', used);
  for (const use of ['images', 'verification', 'inquiry'] as const)
    put(`used in ${use}`, ({ uses }) => uses.includes(use));
  put('used: the face nearest the centre of several', (line) => used(line) && (line.looked!.faces ?? 0) > 1);
  put('used: the middle, no face found', (line) => used(line) && line.looked!.sight === 'centre_crop');
  for (const [fate, words] of Object.entries(leftOut)) put(words, (line) => fateOf(line) === fate);
  const entries = lines.flatMap((line) => {
    const reason = reasonOf(line);
    return reason ? [{ file: line.file, fate: line.uses.join(' + ') || 'left out', reason }] : [];
  });
  return { source, counts: Object.fromEntries(counts), entries };
}

/** How many files were left out, by the word of their fate. */
export function lossesOf(lines: readonly LedgerLine[]): Record<string, number> {
  const losses: Record<string, number> = {};
  for (const line of lines) {
    const fate = fateOf(line);
    if (fate !== 'used') losses[fate] = (losses[fate] ?? 0) + 1;
  }
  return losses;
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

/** result.json with the summary under `ledger`; ledger.csv and files.json with a row per file. */
export function writeLedger(
  folder: string,
  summary: LedgerSummary,
  lines: readonly LedgerLine[],
  rest: Record<string, unknown>,
): void {
  writeFileSync(join(folder, 'result.json'), JSON.stringify({ ...rest, ledger: summary }, null, 1));
  const files = lines.map((line): LedgerFile => {
    const { file, identity, name, row } = line;
    return {
      file,
      identity,
      name,
      ...(row === undefined ? { reason: reasonOf(line) || 'not asked for' } : { row }),
    };
  });
  writeFileSync(join(folder, filesName), `[\n${files.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
  const header = 'file,identity,fate,uses,reason,width,height,faces,score,left,top,right,bottom,border';
  const rows = lines.map((line) => {
    const { looked } = line;
    const box = looked?.box ?? ['', '', '', ''];
    return [
      line.file,
      line.identity,
      fateOf(line),
      line.uses.join(' '),
      reasonOf(line),
      looked?.width,
      looked?.height,
      looked?.faces,
      looked?.score,
      ...box,
      looked?.border,
    ].map(cell);
  });
  writeFileSync(join(folder, 'ledger.csv'), [header, ...rows.map((row) => row.join(','))].join('\n') + '\n');
}

const cell = (value: string | number | undefined): string => {
  const text = String(value ?? '');
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
