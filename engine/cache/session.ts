/**
 * This process's own folder in <cache>/tmp. All that is being written is under it, so that what a killed engine left is
 * found and removed by the next one.
 */
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HEARTBEAT_SECONDS } from './lock.js';
import { livesStill, readOwner, thisProcess } from './owner.js';
import { errno, guarded, isMissing } from './trouble.js';

const OWNER = 'owner.json';
/** How long a folder whose owner we cannot ask (another machine, or not yet written) goes without a heartbeat. */
const SILENCE_MILLISECONDS = 3600_000;

export class Session {
  private readonly folder: string;
  private made: Promise<string> | undefined;
  private heart: NodeJS.Timeout | undefined;
  /** Empty folders, to be used again: a disk makes and removes files at more cost than it renames them. */
  private readonly spare: string[] = [];

  constructor(private readonly temporary: string) {
    this.folder = join(temporary, `${process.pid}-${randomUUID().slice(0, 8)}`);
  }

  /** The folder, made when first asked for: a plan on a read-only disk needs none. */
  open(): Promise<string> {
    this.made ??= guarded('write to the cache', dirname(this.temporary), async () => {
      // Not in one call: of a read-only disk Node's recursive mkdir says that the folder is missing.
      if (!existsSync(this.temporary)) await mkdir(this.temporary, { recursive: true });
      await mkdir(this.folder);
      const owner = join(this.folder, OWNER);
      await writeFile(owner, JSON.stringify(thisProcess()));
      this.heart = setInterval(() => {
        const now = Date.now() / 1000;
        try {
          utimesSync(owner, now, now);
        } catch {
          // Removed under us: the next write says so.
        }
      }, HEARTBEAT_SECONDS * 1000);
      this.heart.unref();
      return this.folder;
    }).catch(async (error: unknown) => {
      // The next one may find space again.
      this.made = undefined;
      await rm(this.folder, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    });
    return this.made;
  }

  /** A fresh path in the folder. */
  async path(label: string): Promise<string> {
    return join(await this.open(), `${label}-${randomUUID().slice(0, 8)}`);
  }

  /** A folder at that path, empty where it is new; on the disk of the cache. */
  makeFolder(path: string): void {
    const spare = this.spare.pop();
    try {
      if (spare !== undefined) return renameSync(spare, path);
    } catch {
      // It is there, with something in it; or the folder above is not.
      this.spare.push(spare!);
    }
    mkdirSync(path, { recursive: true });
  }

  /** Removes such a folder, with whatever is in it by now. */
  async removeFolder(path: string): Promise<void> {
    try {
      if (readdirSync(path).length === 0 && lstatSync(path).mode === lstatSync(this.folder).mode) {
        const spare = join(this.folder, `spare-${randomUUID().slice(0, 8)}`);
        renameSync(path, spare);
        this.spare.push(spare);
        return;
      }
    } catch {
      // Gone, or somebody's who may do with it what we may not.
    }
    await removeTree(path);
  }

  /** Moves a file or folder out of sight; false where it is not there. */
  async takeAway(path: string, label: string): Promise<boolean> {
    try {
      // A folder moves only if it can be written itself.
      if (statSync(path).isDirectory()) await chmod(path, 0o755);
      await rename(path, await this.path(label));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.heart);
    if (this.made) await removeTree(this.folder);
    this.made = undefined;
    this.spare.length = 0;
  }

  /** Removes what dead engines left. A disk that cannot be written keeps it: reading must work there too. */
  async sweep(): Promise<void> {
    for (const folder of (await this.others()).dead) {
      await removeTree(folder).catch((error: unknown) => {
        if (!UNWRITABLE.includes(errno(error) ?? '')) throw error;
      });
    }
  }

  /** The folders of other processes. Those that may live count as living: on another machine, or not yet saying whose they are. */
  async others(): Promise<{ living: string[]; dead: string[] }> {
    const living: string[] = [];
    const dead: string[] = [];
    for (const name of await readdir(this.temporary).catch(() => [])) {
      const folder = join(this.temporary, name);
      if (folder === this.folder) continue;
      ((await this.isAbandoned(folder)) ? dead : living).push(folder);
    }
    return { living, dead };
  }

  private async isAbandoned(folder: string): Promise<boolean> {
    const file = join(folder, OWNER);
    try {
      const owner = existsSync(file) ? readOwner(readFileSync(file, 'utf8')) : undefined;
      const lives = owner ? livesStill(owner) : 'unknown';
      if (lives !== 'unknown') return lives === 'dead';
      return (await this.diskNow()) - beatOf(existsSync(file) ? file : folder) > SILENCE_MILLISECONDS;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /**
   * The time by the clock of the disk, which also stamps the heartbeats of others: ours may be hours away from theirs.
   * Before all times where nothing can be written.
   */
  private async diskNow(): Promise<number> {
    try {
      const owner = join(await this.open(), OWNER);
      const now = Date.now() / 1000;
      utimesSync(owner, now, now);
      return beatOf(owner);
    } catch (error) {
      if (UNWRITABLE.includes(errno(error) ?? errno((error as Error).cause) ?? '')) return -Infinity;
      throw error;
    }
  }
}

const UNWRITABLE = ['EROFS', 'EACCES', 'EPERM', 'ENOTEMPTY', 'ENOSPC', 'EDQUOT', 'ENOENT'];

/** A heartbeat sets the times of its file; when that was, the disk says in the one that cannot be set. */
const beatOf = (file: string) => statSync(file).ctimeMs;

/** Removes a folder that may be read-only, or was a moment ago. */
export async function removeTree(path: string): Promise<void> {
  // Of a stage's folders most are empty by then, or were never made. An error costs more than a look.
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  try {
    return rmdirSync(path);
  } catch {
    // Not empty, or no folder.
  }
  const openUp = async (folder: string): Promise<void> => {
    await chmod(folder, 0o755);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) await openUp(join(folder, entry.name));
    }
  };
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) await openUp(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  await rm(path, { recursive: true, force: true });
}
