/**
 * The artifacts, by the digest of their content: <cache>/objects/ab/<digest>/, read-only. They are checked on use, and
 * what does not have its digest any more is moved away, never used.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Digest } from '../digest.js';
import { type Listing, digestOfListing, listArtifact } from './artifact.js';
import { moveInto } from './durable.js';
import type { LateSync } from './late-sync.js';
import type { Uses } from './in-use.js';
import { type Session, removeTree } from './session.js';
import type { StatCache } from './stat-cache.js';
import { CacheError, errno, isMissing } from './trouble.js';

/** A file in an artifact's folder that lists the digests of artifacts it refers to instead of copying them. */
export const REFERENCES = 'references.json';

export const MISSING = 'its folder is missing';

export class Objects {
  private readonly folder: string;

  constructor(
    root: string,
    private readonly stats: StatCache,
    private readonly session: Session,
    private readonly uses: Uses,
    private readonly late: LateSync,
  ) {
    this.folder = join(root, 'objects');
  }

  path(digest: string): string {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new TypeError(`'${digest}' is no digest`);
    return `${this.folder}${sep}${digest.slice(0, 2)}${sep}${digest}`;
  }

  all(): Digest[] {
    const names = (folder: string) => {
      try {
        return readdirSync(folder).sort();
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    };
    return names(this.folder).flatMap((two) =>
      names(join(this.folder, two)).filter((name) => /^[0-9a-f]{64}$/.test(name)),
    ) as Digest[];
  }

  /**
   * What is wrong with an object or with one that it refers to, in words; undefined where all is well.
   * @param thorough read every byte, whatever the stat cache says.
   */
  async trouble(digest: Digest, { thorough = false } = {}): Promise<string | undefined> {
    const seen = new Set<Digest>();
    const open = [digest];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      const known = thorough ? undefined : this.stats.unchanged(next, this.path(next));
      const files = known ?? (await this.sound(next, thorough));
      if (typeof files === 'string') {
        return next === digest ? files : `it refers to ${next.slice(0, 12)}: ${files}`;
      }
      // Most have none, and a plan of thousands of stages asks each.
      if (!files.includes(REFERENCES)) continue;
      const references = this.references(next);
      if (typeof references === 'string') return references;
      open.push(...references);
    }
    return undefined;
  }

  /** The files of a sound object, or what is wrong with it; then it has been moved away. */
  private async sound(digest: Digest, thorough: boolean): Promise<string[] | string> {
    const path = this.path(digest);
    try {
      const listing = listArtifact(path, digest.slice(0, 12));
      const known = thorough ? undefined : this.stats.recall(digest, listing.stamp);
      const found = known ?? (await digestOfListing(path, listing, { modes: true }));
      if (found === digest) {
        // Where there is a glance it has failed: the folder was moved, with all that is in it.
        if (known === undefined || listing.glance) this.stats.learn(digest, listing, digest);
        return listing.files.map((file) => file.path);
      }
    } catch (error) {
      if (isMissing(error) && statSync(path, { throwIfNoEntry: false }) === undefined) {
        return MISSING;
      }
      // Unreadable (EIO) or with a link in it: as bad as changed. What is not the object's fault goes up.
      if (!(error instanceof CacheError) && !isMissing(error) && errno(error) !== 'EIO') throw error;
    }
    this.stats.forget(digest);
    await this.session.takeAway(path, 'damaged').catch((error: unknown) => {
      // On a read-only disk it stays, is found damaged each time, and is still never used.
      if (!['EROFS', 'EACCES', 'EPERM'].includes(errno(error) ?? '')) throw error;
    });
    return 'its content has changed';
  }

  /** The digests an object's references.json lists, or what is wrong with that file. */
  references(digest: Digest): Digest[] | string {
    return readReferences(this.path(digest));
  }

  /**
   * Lists a folder that is to become an object.
   * @param name "output model of train", for messages.
   * Throws a CacheError where it cannot become one.
   */
  async check(folder: string, name: string): Promise<Listing> {
    const listing = listArtifact(folder, name);
    if (listing.files.length === 0) {
      throw new CacheError(
        `${name} is empty: the stage ended well and wrote nothing there`,
        'Let the stage write its result into the folder it is given.',
      );
    }
    const references = readReferences(folder);
    if (typeof references === 'string') {
      throw new CacheError(
        `${name}: ${references}`,
        'It must be a JSON array of digests of artifacts in the cache.',
      );
    }
    await this.uses.addOrFail(...references);
    await this.uses.settled();
    for (const reference of references) {
      const trouble = await this.trouble(reference);
      if (trouble) {
        throw new CacheError(
          `${name} refers to artifact ${reference.slice(0, 12)}: ${trouble}`,
          'Run again: the stage that makes it runs first.',
        );
      }
    }
    return listing;
  }

  /**
   * Makes an object of a folder that nobody writes any more; the folder is gone afterwards.
   * @param checked what `check` answered for it
   */
  async take(
    folder: string,
    name: string,
    checked: Listing,
  ): Promise<{ digest: Digest; bytes: number; files: number }> {
    let listing = checked;
    const linked = listing.files.filter((file) => file.linked);
    for (const file of linked) await separate(join(folder, file.path));
    if (linked.length > 0) listing = listArtifact(folder, name);
    const digest = await digestOfListing(folder, listing, { modes: true });
    await this.place(digest, folder, listing);
    return { digest, bytes: listing.bytes, files: listing.files.length };
  }

  /**
   * Moves a folder whose content has that digest into place, read-only; it is on disk when `late` has settled. The folder is gone
   * afterwards.
   * @param listing of the folder, as it was hashed.
   */
  async place(digest: Digest, folder: string, listing: Listing): Promise<void> {
    const path = this.path(digest);
    await this.uses.addOrFail(digest);
    await this.uses.settled();
    if (statSync(path, { throwIfNoEntry: false }) && !(await this.trouble(digest))) {
      return removeTree(folder);
    }
    for (const file of listing.files) chmodSync(join(folder, file.path), file.executable ? 0o555 : 0o444);
    for (const below of listing.folders.toReversed()) chmodSync(join(folder, below), 0o555);
    const now = listArtifact(folder, digest.slice(0, 12));
    if (!sameContent(listing, now)) {
      throw new CacheError(
        `${folder} changed while it was stored`,
        'Let the stage wait for the programs it starts: one of them still writes.',
      );
    }
    try {
      moveInto(folder, path);
    } catch (error) {
      // Another engine was faster with the same content.
      if (!['ENOTEMPTY', 'EEXIST'].includes(errno(error) ?? '')) throw error;
      return removeTree(folder);
    }
    // Last, since a folder that cannot be written cannot be moved either.
    chmodSync(path, 0o555);
    const inside = [...listing.files.map((file) => file.path), ...listing.folders].map((name) =>
      join(path, name),
    );
    const onDisk = this.late.addAll([...inside, path, dirname(path)]);
    // After a power cut before that it is read once more, and rebuilt where it is not whole.
    this.stats.learn(digest, now, digest, { onDisk });
  }
}

/** Reading, and taking rights away, changes no file's size and time of writing. */
function sameContent(before: Listing, after: Listing): boolean {
  return (
    before.files.length === after.files.length &&
    before.files.every(({ path, size, written }, index) => {
      const now = after.files[index]!;
      return now.path === path && now.size === size && now.written === written;
    })
  );
}

export function readReferences(folder: string): Digest[] | string {
  // Most have none, and an error costs more than a look.
  if (!existsSync(join(folder, REFERENCES))) return [];
  let text: string;
  try {
    text = readFileSync(join(folder, REFERENCES), 'utf8');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((item) => /^[0-9a-f]{64}$/.test(String(item)))) return value;
  } catch {
    // Said below.
  }
  return `its ${REFERENCES} is no list of digests`;
}

/** Gives a file that has other names bytes of its own: whoever holds the other name could change ours. */
async function separate(path: string): Promise<void> {
  await copyFile(path, `${path}.own`);
  await rename(`${path}.own`, path);
}
