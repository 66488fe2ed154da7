/**
 * Remembers which digest a folder or file had when its names, sizes, times and inodes looked as they do now, so that a
 * second look costs no reading. Losing it costs a hash, never a wrong answer.
 */
import { readFileSync } from 'node:fs';
import type { Digest } from '../digest.js';
import { writeDurably } from './durable.js';

/**
 * A file written within this time before it was hashed may be written again in the same tick of a coarse clock (2 s on
 * FAT) and look the same. So young a stamp is not remembered.
 */
const SETTLED_MILLISECONDS = 2000;

interface Entry {
  stamp: string;
  digest: string;
}

type Entries = Map<string, Entry>;

export class StatCache {
  private readonly entries: Entries;
  private readonly learnt: Entries = new Map();
  private readonly forgotten = new Set<string>();

  constructor(private readonly file: string) {
    this.entries = read(file);
  }

  /** @param name an object's digest, or an outside path (absolute). */
  recall(name: string, stamp: string): Digest | undefined {
    const entry = this.entries.get(name);
    return entry?.stamp === stamp ? (entry.digest as Digest) : undefined;
  }

  /**
   * @param newest the newest time in the stamp, milliseconds, where somebody else may be writing.
   * @param onDisk when the content is: a power cut could leave the stamp without it, so it is not saved before.
   */
  learn(
    name: string,
    stamp: string,
    digest: Digest,
    { newest = 0, onDisk }: { newest?: number; onDisk?: Promise<void> } = {},
  ): void {
    if (Date.now() - newest < SETTLED_MILLISECONDS) return;
    const entry = { stamp, digest };
    this.entries.set(name, entry);
    this.forgotten.delete(name);
    if (!onDisk) this.learnt.set(name, entry);
    else
      onDisk.then(
        () => {
          if (this.entries.get(name) === entry) this.learnt.set(name, entry);
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
    const merged = new Map([...read(this.file), ...this.learnt]);
    for (const name of this.forgotten) merged.delete(name);
    this.learnt.clear();
    this.forgotten.clear();
    const text = JSON.stringify({ format: FORMAT, saved: Date.now(), entries: Object.fromEntries(merged) });
    await writeDurably(this.file, text, temporary);
  }
}

const FORMAT = 'cemiflow-stat/1';

function read(file: string): Entries {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as {
      format?: unknown;
      saved?: number;
      entries?: object;
    };
    if (value.format !== FORMAT) return new Map();
    const entries: [string, Entry][] = Object.entries(value.entries ?? {});
    // The clock was set back: times come again, and another content of an outside file may get the very same ones.
    const again = value.saved !== undefined && value.saved > Date.now();
    return new Map(again ? entries.filter(([name]) => /^[0-9a-f]{64}$/.test(name)) : entries);
  } catch {
    // Missing or torn: everything is hashed again.
    return new Map();
  }
}
