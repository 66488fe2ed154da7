/**
 * The archive that `cache export` writes and `cache import` reads: a tar file, optionally gzipped, whose first entry lists
 * all others in their order, with their sizes:
 *
 *     cemiflow-archive.json                the list
 *     code/<digest>.json                   the modules behind a code digest
 *     results/<key>.json                   as in the cache
 *     objects/<digest>/<path>              the artifacts' files
 *
 * The same content gives the same bytes: sorted, without times, owners and places. What the list says is checked before
 * a byte is written, and every entry must be the next of the list, so that nothing else can come in.
 */
import type { Digest, StageKey } from '../digest.js';
import { CacheError } from './trouble.js';

export const FORMAT = 'cemiflow-archive/1';
export const LIST = 'cemiflow-archive.json';

export interface ArchiveList {
  format: typeof FORMAT;
  /** By digest, bytes. */
  code: Readonly<Record<string, number>>;
  /** By key, bytes. */
  results: Readonly<Record<string, number>>;
  objects: Readonly<Record<string, readonly ArchivedFile[]>>;
}

export interface ArchivedFile {
  /** In the artifact, with '/'. */
  path: string;
  size: number;
  executable?: true;
}

export type Entry = { name: string; size: number } & (
  | { of: 'code'; digest: string }
  | { of: 'result'; key: StageKey }
  | { of: 'object'; digest: Digest; file: ArchivedFile }
);

/** All entries after the list, in their order. */
export function* entriesOf({ code, results, objects }: ArchiveList): Generator<Entry> {
  for (const [digest, size] of sorted(code)) yield { of: 'code', digest, name: `code/${digest}.json`, size };
  for (const [key, size] of sorted(results)) {
    yield { of: 'result', key: key as StageKey, name: `results/${key}.json`, size };
  }
  for (const [digest, files] of sorted(objects)) {
    for (const file of files) {
      const name = `objects/${digest}/${file.path}`;
      yield { of: 'object', digest: digest as Digest, file, name, size: file.size };
    }
  }
}

const sorted = <T>(map: Readonly<Record<string, T>>): [string, T][] =>
  Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));

export const LIST_BYTES = 64 * 1024 * 1024;
/** Of one result or code record: thousands of inputs take some hundred KiB. */
export const RECORD_BYTES = 16 * 1024 * 1024;
const PATH_BYTES = 4096;
const NAME_BYTES = 255;

/** The archive cannot be taken for what it says. */
export const refused = (why: string, cause?: unknown): CacheError =>
  new CacheError(
    `the archive is refused: ${why}`,
    'Nothing was imported. Export it again, or fetch it again from where it came.',
    { cause },
  );

/** The list an archive begins with. Throws a CacheError where it is none, or names what must not be written. */
export function readList(text: string): ArchiveList {
  let value: Partial<ArchiveList> | null;
  try {
    value = JSON.parse(text) as Partial<ArchiveList> | null;
  } catch (error) {
    throw refused(`its ${LIST} is no JSON`, error);
  }
  if (value?.format !== FORMAT) {
    throw refused(
      `its format is ${JSON.stringify(value?.format)?.slice(0, 40)}, and this cemiflow reads ${FORMAT}`,
    );
  }
  const { code, results, objects } = value;
  for (const [what, sizes] of Object.entries({ code, results })) {
    for (const [name, bytes] of entriesIn(sizes, what)) {
      if (!isSize(bytes) || bytes > RECORD_BYTES)
        throw refused(`${what} ${name.slice(0, 12)} has no sensible size`);
    }
  }
  for (const [digest, files] of entriesIn(objects, 'objects')) checkFiles(files, digest.slice(0, 12));
  return value as ArchiveList;
}

function entriesIn(value: unknown, what: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused(`its list has no ${what}`);
  const entries = Object.entries(value);
  const odd = entries.find(([name]) => !/^[0-9a-f]{64}$/.test(name));
  if (odd) throw refused(`its list names ${what} ${JSON.stringify(odd[0].slice(0, 80))}, which is no digest`);
  return entries;
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function checkFiles(files: unknown, of: string): void {
  if (!Array.isArray(files) || files.length === 0) throw refused(`artifact ${of} has no files`);
  const seen = new Set<string>();
  const folders = new Set<string>();
  for (const file of files as (Partial<ArchivedFile> | null)[]) {
    const path = file?.path;
    const shown = JSON.stringify(path)?.slice(0, 80);
    if (typeof path !== 'string' || !isPlain(path))
      throw refused(`artifact ${of} has a file ${shown}: no plain path`);
    if (!isSize(file?.size)) throw refused(`file ${shown} of artifact ${of} has no size`);
    if (file.executable !== undefined && file.executable !== true)
      throw refused(`file ${shown} of artifact ${of} has an odd mode`);
    if (seen.has(path)) throw refused(`artifact ${of} has two files ${shown}`);
    seen.add(path);
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
  }
  const both = [...seen].find((path) => folders.has(path));
  if (both !== undefined)
    throw refused(`artifact ${of} has ${JSON.stringify(both.slice(0, 80))} as a file and as a folder`);
}

/** Relative, below its folder, and no name that a file system would take for something else. */
function isPlain(path: string): boolean {
  return (
    Buffer.byteLength(path) <= PATH_BYTES &&
    !path.includes('\0') &&
    !/^[A-Za-z]:|\\/.test(path) &&
    path
      .split('/')
      .every((name) => name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= NAME_BYTES)
  );
}
