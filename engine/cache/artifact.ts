/** What an artifact's folder holds, and the digest of its content. */
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, digestOf } from '../digest.js';
import { sha256 } from '../sha256.js';
import { hashFiles } from './hasher.js';
import { CacheError, explained, isMissing } from './trouble.js';

export interface ListedFile {
  /** From the artifact's folder, with '/'. */
  path: string;
  size: number;
  /** When it was last written, nanoseconds. */
  written: bigint;
  executable: boolean;
  /** More than one name for the same bytes: somebody else can still write them. */
  linked: boolean;
}

export interface Listing {
  /** Regular files, in the order of their paths' UTF-16 code units. */
  files: ListedFile[];
  folders: string[];
  /** Links that lead nowhere, by path, as git has them: what they say. In artifacts there are none. */
  dangling: { path: string; link: string }[];
  bytes: number;
  /** Changes when any file's name, size, times or inode do: content that had this stamp is not read again. */
  stamp: string;
  /** The newest time of any file, milliseconds. */
  newest: number;
  /** undefined where there is more than a few files and folders. */
  glance: Glance | undefined;
}

/**
 * What shows without opening a folder that nothing in it has changed: a new name changes its folder's time, a new content the file's.
 * Times in milliseconds, as `Stats` has them.
 */
export interface Glance {
  /** '' or '/'-led path from the artifact's folder; when it was written; inode. */
  folders: [within: string, written: number, inode: number][];
  files: [path: string, size: number, written: number, changed: number, inode: number][];
}

/** A glance is kept in memory and in the index: where there are more files than that, listing them costs little more. */
const GLANCED = 8;

/**
 * Lists a folder without following links.
 * @param name what the folder is, for messages: "output model of train".
 * Throws a CacheError where it holds anything but regular files and folders.
 */
export function listArtifact(folder: string, name: string): Listing {
  return list(folder, name, (path, within) => {
    throw new CacheError(
      `${name} holds a symbolic link, ${within} -> ${linkTarget(path)}`,
      'Write the file itself: an artifact must hold all of its bytes (or name another artifact in references.json).',
    );
  });
}

/**
 * Lists an outside folder; links in it are followed, since data sets are often made of them. One that leads nowhere (a disk that is not
 * mounted, a picture that git-annex has not fetched) is no file, and counts by what it says.
 */
export function listOutside(folder: string, name: string): Listing {
  const above = new Set<string>();
  return list(folder, name, (path, within, walk) => {
    const target = followed(path);
    if (target === undefined) return { link: readlinkSync(path) };
    if (!target.isDirectory()) return target;
    const real = realpathSync(path);
    if (above.has(real) || `${realpathSync(folder)}/`.startsWith(`${real}/`)) {
      throw new CacheError(`${name} holds a link to a folder around itself, ${within}`, 'Remove the link.');
    }
    above.add(real);
    walk();
    above.delete(real);
    return undefined;
  });
}

/** undefined where the link leads nowhere: to what is not there, or to itself. */
function followed(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') return undefined;
    throw error;
  }
}

/** @returns what it leads to; what it says, where that is nothing; undefined for a folder that was walked */
type OnLink = (path: string, within: string, walk: () => void) => BigIntStats | { link: string } | undefined;

function list(folder: string, name: string, onLink: OnLink): Listing {
  const found: { file: ListedFile; line: string; stat: BigIntStats }[] = [];
  const folders: string[] = [];
  const dangling: Listing['dangling'] = [];
  const glance: Glance = { folders: [], files: [] };
  let bytes = 0;
  let newest = 0n;
  const add = (within: string, stat: BigIntStats) => {
    if (!stat.isFile()) {
      throw new CacheError(
        `${name} holds ${within}, which is no regular file`,
        'Remove it: sockets, pipes and devices have no content to keep.',
      );
    }
    const { mtimeNs, ctimeNs } = stat;
    const size = Number(stat.size);
    const executable = (Number(stat.mode) & 0o111) !== 0;
    found.push({
      file: { path: within, size, written: mtimeNs, executable, linked: stat.nlink > 1n },
      line: `${within}\0${size}\0${mtimeNs}\0${ctimeNs}\0${stat.ino}\n`,
      stat,
    });
    bytes += size;
    if (mtimeNs > newest) newest = mtimeNs;
    if (ctimeNs > newest) newest = ctimeNs;
  };
  const walk = (below: string) => {
    const inside = below === '' ? '' : `${below}/`;
    // Before the folder is read: what changes meanwhile is then seen by the next glance.
    if (folders.length < GLANCED) {
      const { mtimeMs, ino } = lstatSync(`${folder}/${below}`);
      glance.folders.push([below === '' ? '' : `/${below}`, mtimeMs, ino]);
    }
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const within = inside + entry.name;
      const path = `${folder}/${within}`;
      if (entry.isDirectory()) {
        folders.push(within);
        walk(within);
      } else if (entry.isSymbolicLink()) {
        const target = onLink(path, within, () => walk(within));
        if (target && 'link' in target) dangling.push({ path: within, link: target.link });
        else if (target) add(within, target);
      } else {
        add(within, lstatSync(path, { bigint: true }));
      }
    }
  };
  walk('');
  if (found.length > 1)
    found.sort(({ file: a }, { file: b }) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  dangling.sort(({ path: a }, { path: b }) => (a < b ? -1 : 1));
  const few = found.length + folders.length < GLANCED;
  if (few)
    for (const { file, stat } of found) {
      const [written, changed] = [inMilliseconds(stat.mtimeNs), inMilliseconds(stat.ctimeNs)];
      glance.files.push([file.path, file.size, written, changed, Number(stat.ino)]);
    }
  return {
    files: found.map(({ file }) => file),
    folders,
    dangling,
    bytes,
    stamp: stampOfLines([
      ...found.map(({ line }) => line),
      ...dangling.map(({ path, link }) => `${path}\0->\0${link}\n`),
    ]),
    newest: Number(newest / 1_000_000n),
    glance: few ? glance : undefined,
  };
}

/** The very number that `Stats` has for the same time. */
const inMilliseconds = (ns: bigint) => Number(ns / 1_000_000_000n) * 1000 + Number(ns % 1_000_000_000n) / 1e6;

/** One call for many lines: each call into the hash costs as much as a hundred letters. */
function stampOfLines(lines: readonly string[]): string {
  if (lines.length <= 1000) return sha256(lines.join(''));
  const hash = createHash('sha256');
  for (let from = 0; from < lines.length; from += 1000) hash.update(lines.slice(from, from + 1000).join(''));
  return hash.digest('hex');
}

function linkTarget(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return 'nothing';
  }
}

export interface DigestOptions {
  /** Whether the executable bit counts: it does in artifacts; in outside folders a USB stick would change it. */
  modes: boolean;
}

/** sha256 over the sorted list of {path, size, sha256, executable?} of a folder's files, then of {path, link} of its dangling links. */
export async function digestOfListing(
  folder: string,
  listing: Listing,
  { modes }: DigestOptions,
): Promise<Digest> {
  const hashes = await hashFiles(listing.files.map(({ path, size }) => ({ path: join(folder, path), size })));
  const entries = listing.files.map(({ path, size, executable }, index) => ({
    path,
    size,
    sha256: hashes[index],
    ...(modes && executable ? { executable: true } : {}),
  }));
  return digestOf('artifact/1', [...entries, ...listing.dangling]) as Digest;
}

/**
 * Digest of an outside file or folder, and its stamp.
 * Throws a CacheError where it is missing, unreadable, or changes while it is read.
 */
export async function readOutside(
  path: string,
  remembered: (stamp: string) => Digest | undefined,
): Promise<{ digest: Digest; stamp: string; newest: number; fresh: boolean }> {
  try {
    const stat = statSync(path, { bigint: true });
    if (stat.isDirectory()) {
      const listing = listOutside(path, path);
      const known = remembered(listing.stamp);
      if (known) return { ...listing, digest: known, fresh: false };
      const digest = await digestOfListing(path, listing, { modes: false });
      if (listOutside(path, path).stamp !== listing.stamp) throw changed(path);
      return { ...listing, digest, fresh: true };
    }
    if (!stat.isFile()) {
      throw new CacheError(`${path} is neither a file nor a folder`, 'Give a file or a folder as input.');
    }
    const stamp = stampOf(stat);
    const newest = Number((stat.mtimeNs > stat.ctimeNs ? stat.mtimeNs : stat.ctimeNs) / 1_000_000n);
    const known = remembered(stamp);
    if (known) return { digest: known, stamp, newest, fresh: false };
    const [sha256] = await hashFiles([{ path, size: Number(stat.size) }]);
    if (stampOf(statSync(path, { bigint: true })) !== stamp) throw changed(path);
    const digest = digestOf('file/1', { size: Number(stat.size), sha256 }) as Digest;
    return { digest, stamp, newest, fresh: true };
  } catch (error) {
    const at = (error as NodeJS.ErrnoException).path ?? path;
    if (isMissing(error)) {
      throw new CacheError(
        at === path ? `${path} does not exist` : `${at} vanished while ${path} was read`,
        at === path
          ? 'Correct the path, or put the data there.'
          : 'Run again when nothing writes there any more.',
        { cause: error },
      );
    }
    throw explained(error, `read ${path}`, path);
  }
}

const stampOf = (stat: BigIntStats) => `${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.ino}`;

const changed = (path: string) =>
  new CacheError(`${path} changed while it was read`, 'Run again when nothing writes there any more.');
