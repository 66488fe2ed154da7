/**
 * Remembers which digest a folder or file had when its names, sizes, times and inodes looked as they do now, so that a
 * second look costs no reading. Losing it costs a hash, never a wrong answer.
 */
import { lstatSync } from 'node:fs';
import type { Digest } from '../digest.js';
import type { Glance } from './artifact.js';
import type { IndexFile } from './index-file.js';

/**
 * A file written within this time before it was hashed may be written again in the same tick of a coarse clock (2 s on
 * FAT) and look the same. So young a stamp is not remembered.
 */
const SETTLED_MILLISECONDS = 2000;

interface Entry {
  stamp: string;
  digest: string;
  glance?: Glance | undefined;
}

export class StatCache {
  constructor(private readonly index: IndexFile) {}

  /** @param name an object's digest, or an outside path (absolute). */
  recall(name: string, stamp: string): Digest | undefined {
    const entry = this.index.get(name) as Entry | undefined;
    return entry?.stamp === stamp ? (entry.digest as Digest) : undefined;
  }

  /**
   * The files of an object that looks as it did when it had its digest, for less than listing it; undefined where it does not, or is
   * not known so well.
   */
  unchanged(digest: Digest, folder: string): string[] | undefined {
    const glance = (this.index.get(digest) as Entry | undefined)?.glance;
    if (!glance) return undefined;
    for (const [within, written, inode] of glance.folders) {
      const now = lstatSync(folder + within, { throwIfNoEntry: false });
      if (now?.mtimeMs !== written || now.ino !== inode) return undefined;
    }
    for (const [path, size, written, changed, inode] of glance.files) {
      const now = lstatSync(`${folder}/${path}`, { throwIfNoEntry: false });
      if (now?.size !== size || now.mtimeMs !== written || now.ctimeMs !== changed || now.ino !== inode)
        return undefined;
    }
    return glance.files.map(([path]) => path);
  }

  /**
   * @param newest the newest time in the stamp, milliseconds, where somebody else may be writing.
   * @param onDisk when the content is: a power cut could leave the stamp without it, so it is not saved before.
   */
  learn(
    name: string,
    { stamp, glance }: { stamp: string; glance?: Glance | undefined },
    digest: Digest,
    { newest = 0, onDisk }: { newest?: number; onDisk?: Promise<void> } = {},
  ): void {
    if (Date.now() - newest < SETTLED_MILLISECONDS) return;
    this.index.set(name, { stamp, digest, glance } satisfies Entry, onDisk);
  }

  forget(name: string): void {
    this.index.forget(name);
  }
}
