/**
 * The agreement between those who use the cache and those who take things out of it (gc, rm), so that neither has to
 * wait for the other to end.
 *
 * A user writes down what it is about to rely on, a line in <cache>/tmp/<process>/uses, and only then looks whether a
 * sweep is under way; if so it waits (a sweep takes as long as renaming its prey) and looks at the cache again. A
 * sweep takes its lock, only then reads what all living users wrote, and leaves that alone. So for any use and any
 * sweep, either the sweep reads the line, or the user sees the lock. Entries last as long as their process's session.
 *
 * On a disk shared over the network this is as good as the machines' view of each other's files is fresh.
 */
import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Lock, type WaitOptions, takeLock, untilFree } from './lock.js';
import type { Session } from './session.js';
import { errno, isMissing } from './trouble.js';

const USES = 'uses';
const sweepLock = (root: string) => join(root, 'locks', 'sweep');

/** What this process relies on. */
export class Uses {
  private readonly known = new Set<string>();
  /** Not on disk yet: it was full, or cannot be written. */
  private pending: string[] = [];
  private file: number | undefined;

  constructor(
    private readonly root: string,
    private readonly session: Session,
  ) {}

  /**
   * Notes keys, digests of artifacts and digests of code (64 hex digits each) as used from now on.
   * On a disk that cannot be written the note is kept for later: reading must work there too, and nothing can be swept.
   * @returns false where all had been noted before: then no sweep that began since takes them.
   */
  async add(...names: string[]): Promise<boolean> {
    if (this.pending.length === 0 && names.every((name) => this.known.has(name))) return false;
    await this.addOrFail(...names).catch(ignoreUnwritable);
    return true;
  }

  /** As `add`; throws where the note, or an earlier one, cannot be written. */
  async addOrFail(...names: string[]): Promise<void> {
    for (const name of names) {
      if (this.known.has(name)) continue;
      this.known.add(name);
      this.pending.push(name);
    }
    if (this.pending.length === 0) return;
    this.file ??= openSync(join(await this.session.open(), USES), 'a');
    // Each name after a line end: what a full disk cut short is not taken for the beginning of the next one.
    const written = writeSync(this.file, this.pending.map((name) => `\n${name}`).join(''));
    this.pending = this.pending.slice(Math.floor(written / LINE_BYTES));
    if (this.pending.length > 0) await this.addOrFail();
  }

  /** Waits while somebody sweeps. @returns whether it had to: then what was read before may be gone. */
  async settled(): Promise<boolean> {
    const lock = sweepLock(this.root);
    // One look at one name in the usual case: a plan of thousands of stages asks for each.
    if (!existsSync(`${lock}.0`)) return false;
    if (await untilFree(lock)) return true;
    // Of a sweep that was killed. Taking the lock clears it up; else every look would ask whether its owner lives.
    await takeLock(lock)
      .then((taken) => taken.release())
      .catch(ignoreUnwritable);
    return false;
  }

  /** Before the session's folder is removed. */
  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
    this.known.clear();
    this.pending = [];
  }
}

/** A line end and a sha256. */
const LINE_BYTES = 65;
/** What a read-only or full disk answers, and a place that is no cache. ENOENT: mkdir of a tree, on a read-only disk. */
const UNWRITABLE = ['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT', 'EEXIST', 'ENOTDIR', 'ENOENT'];

function ignoreUnwritable(error: unknown): void {
  if (!UNWRITABLE.includes(errno(error) ?? errno((error as Error).cause) ?? '')) throw error;
}

/** Keeps users waiting until it is released: hold it for moments. */
export const startSweep = (root: string, options?: WaitOptions): Promise<Lock> =>
  takeLock(sweepLock(root), options);

/** All that living processes rely on. Only while the sweep's lock is held is this the whole. */
export async function usedByOthers(session: Session): Promise<Set<string>> {
  const used = new Set<string>();
  for (const folder of (await session.others()).living) {
    let text: string;
    try {
      text = readFileSync(join(folder, USES), 'utf8');
    } catch (error) {
      // It has used nothing yet, or has just ended.
      if (isMissing(error)) continue;
      throw error;
    }
    for (const name of text.split('\n')) if (/^[0-9a-f]{64}$/.test(name)) used.add(name);
  }
  return used;
}
