/**
 * The index: what this and earlier engines found out about the cache and about outside inputs, in one file, so that a run of
 * thousands of stages with nothing to do opens one file instead of thousands. It only remembers: each entry says how what it
 * tells of looked then (size, times, inode), and whoever uses one looks again. Losing it costs time, never a result.
 *
 *     cemiflow-index/1 <tab> sha256 of all that follows <line end>
 *     when it was written <line end>
 *     name <tab> value <line end> ...                      both as JSON, which writes tabs and line ends otherwise
 *
 * It is replaced as a whole; of two engines that write at once each takes in what the other had written before. A file that is
 * torn, damaged or of another version counts as none.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../sha256.js';
import { writeDurably } from './durable.js';

const FORMAT = 'cemiflow-index/1';
/** What versions before the index had in its place. */
const OLD = 'stat.json';

/** An entry that nobody has asked for yet is still text. */
type Entries = Map<string, object | string>;

export class IndexFile {
  private readonly entries: Entries;
  private readonly learnt: Entries = new Map();
  private readonly forgotten = new Set<string>();
  private readonly file: string;
  /** What this engine wrote last, and how the file looked then. */
  private written: { entries: Entries; looks: Stats } | undefined;

  /** @param root of the cache */
  constructor(private readonly root: string) {
    this.file = join(root, 'index');
    this.entries = read(this.file);
  }

  names(): Iterable<string> {
    return this.entries.keys();
  }

  get(name: string): object | undefined {
    const entry = this.entries.get(name);
    if (typeof entry !== 'string') return entry;
    const value = JSON.parse(entry) as object;
    this.entries.set(name, value);
    return value;
  }

  /** @param onDisk when what the entry vouches for is: a power cut could leave the entry without it, so it is not saved before. */
  set(name: string, value: object, onDisk?: Promise<void>): void {
    this.entries.set(name, value);
    this.forgotten.delete(name);
    if (!onDisk) this.learnt.set(name, value);
    else
      onDisk.then(
        () => {
          if (this.entries.get(name) === value) this.learnt.set(name, value);
        },
        () => undefined,
      );
  }

  forget(name: string): void {
    this.entries.delete(name);
    this.learnt.delete(name);
    this.forgotten.add(name);
  }

  get changed(): boolean {
    return this.learnt.size > 0 || this.forgotten.size > 0;
  }

  /** Writes what was learnt over what other engines wrote meanwhile. */
  async save(temporary: string): Promise<void> {
    const merged = this.asWritten() ?? read(this.file);
    for (const [name, value] of this.learnt) merged.set(name, value);
    for (const name of this.forgotten) merged.delete(name);
    this.learnt.clear();
    this.forgotten.clear();
    this.written = undefined;
    const looks = await writeDurably(this.file, contentOf(merged), temporary);
    this.written = { entries: merged, looks };
    rmSync(join(this.root, OLD), { force: true });
  }

  /** What is in the file, where nobody else has written it since. */
  private asWritten(): Entries | undefined {
    if (!this.written) return undefined;
    const { entries, looks } = this.written;
    const now = statSync(this.file, { throwIfNoEntry: false });
    const same = now?.ino === looks.ino && now.size === looks.size && now.mtimeMs === looks.mtimeMs;
    return same ? entries : undefined;
  }
}

/** Letters that are put into one piece: the whole of a large index as one text, and as bytes, would be in memory several times. */
const PIECE = 256 * 1024;

function contentOf(entries: Entries): Buffer[] {
  const pieces: Buffer[] = [];
  const hash = createHash('sha256');
  let lines = [`${Date.now()}\n`];
  let length = 0;
  const close = () => {
    const piece = Buffer.from(lines.join(''));
    hash.update(piece);
    pieces.push(piece);
    lines = [];
    length = 0;
  };
  for (const [name, value] of entries) {
    const line = `${JSON.stringify(name)}\t${typeof value === 'string' ? value : JSON.stringify(value)}\n`;
    lines.push(line);
    length += line.length;
    if (length > PIECE) close();
  }
  close();
  return [Buffer.from(`${FORMAT}\t${hash.digest('hex')}\n`), ...pieces];
}

function read(file: string): Entries {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch {
    // Missing, or not to be read: everything is looked up anew.
    return new Map();
  }
  const head = content.indexOf('\n') + 1;
  const rest = content.subarray(head);
  if (content.toString('latin1', 0, head) !== `${FORMAT}\t${sha256(rest)}\n`) return new Map();
  const text = rest.toString('utf8');
  const entries: Entries = new Map();
  const first = text.indexOf('\n');
  // The clock was set back: times come again, and another content of an outside file may get the very same ones.
  const again = Number(text.slice(0, first)) > Date.now();
  for (let from = first + 1; from < text.length;) {
    const tab = text.indexOf('\t', from);
    const end = text.indexOf('\n', tab);
    const quoted = text.slice(from, tab);
    const name = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
    if (!again || isOfCache(name)) entries.set(name, text.slice(tab + 1, end));
    from = end + 1;
  }
  return entries;
}

/** Artifacts and results (stat-cache.ts, results.ts): nobody but an engine writes there. Other names are outside paths. */
const isOfCache = (name: string) => /^(result )?[0-9a-f]{64}$/.test(name);
