/**
 * Finds the photographs of a class-per-folder collection, FOLDER/<person>/.../<file>, as torchvision's ImageFolder does: a folder of FOLDER is
 * a person, and whatever lies below it is that person's. What systems leave behind (names that begin with a dot, Thumbs.db, ..)
 * is passed over; files beside the people's folders are listed, not used.
 */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { StageError } from '../../contract.js';
import { PhotoList } from './photo-list.js';

export interface PhotoFolder {
  /** In natural order of identity, then of name. */
  photos: PhotoList;
  identities: string[];
  /** People's folders without any file. */
  empty: string[];
  /** Files that belong to nobody. */
  stray: string[];
  /** Hidden files and folders, not looked into. */
  passedOver: number;
  /** What was decided about folders in folders, for a warning: nobody can be sure of it. */
  remarks: string[];
}

const layout = 'Give a folder that holds one folder of photographs per person: FOLDER/<person>/<photograph>.';

/** Windows' and macOS' own files, and those of network storage. */
const leftBehind = new Set(['thumbs.db', 'ehthumbs.db', 'desktop.ini', '__macosx', '@eadir']);

const documents = /\.(txt|md|csv|tsv|json|xml|html?|pdf|mat)$|\/(readme|licen[cs]e)$/i;

/**
 * @param person which folder is the person, where folders lie in folders: the `first` below FOLDER, or the `last`, that holds the file
 *               (FOLDER/train/<person> and FOLDER/test/<person> are one person then)
 * @throws StageError where the folder is missing, is none, or holds no photographs of people
 */
export async function findPhotos(
  folder: string,
  shownAs: string,
  person: 'first' | 'last',
): Promise<PhotoFolder> {
  const kind = await stat(folder).catch(() => undefined);
  if (!kind) throw new StageError(`photos: the folder ${shownAs} does not exist`, layout);
  if (!kind.isDirectory()) throw new StageError(`photos: ${shownAs} is a file, not a folder`, layout);
  const walk = new Walk(folder);
  let top = await walk.look('');
  const stray = [...top.files];
  const remarks: string[] = [];
  if (top.folders.length === 1) {
    const inner = await walk.collectionIn(top.folders[0]!);
    if (inner) {
      remarks.push(
        `${shownAs} holds one folder, and the ${inner.folders.length} folders in ${inner.folder} are taken for people`,
      );
      stray.push(...inner.files);
      top = inner;
    }
  }

  const found = new PhotoList();
  const empty: string[] = [];
  const nested: { folder: string; owner: string }[] = [];
  for (const one of top.folders) {
    const files = await walk.filesBelow(one);
    if (files.length === 0) empty.push(posix.basename(one));
    for (const file of files) {
      const owner = person === 'first' ? one : posix.dirname(file);
      const holder = posix.dirname(file);
      if (holder !== one && nested.at(-1)?.folder !== holder) nested.push({ folder: holder, owner: one });
      found.add(file, owner, posix.basename(owner));
    }
  }
  if (nested.length > 0) {
    const { folder: deep, owner } = nested[0]!;
    remarks.push(
      `${nested.length} folder${nested.length === 1 ? ' lies' : 's lie'} inside people's folders in ${shownAs} (${deep}, for one): ` +
        (person === 'first'
          ? `its pictures are taken for those of ${posix.basename(owner)}. If the folder that holds the file is the person, set person: last`
          : 'the folder that holds the file is taken for the person, folders of one name for one person'),
    );
  }
  if (found.length === 0)
    throw new StageError(
      stray.length > 0
        ? `photos: ${shownAs} holds ${stray.length} file${stray.length === 1 ? '' : 's'} but no folders with photographs`
        : empty.length > 0
          ? `photos: all ${empty.length} folders in ${shownAs} are empty`
          : `photos: ${shownAs} is empty`,
      layout,
    );
  const identities = [...new Set([...found.identities, ...empty])].sort(naturalOrder);
  return {
    photos: found.sorted(naturalOrder),
    identities,
    empty,
    stray,
    passedOver: walk.passedOver.size,
    remarks,
  };
}

/** Paths in and out are relative to the root, with '/'. Links are followed: collections are often made of them. */
class Walk {
  readonly passedOver = new Set<string>();

  constructor(readonly root: string) {}

  async look(folder: string): Promise<{ files: string[]; folders: string[] }> {
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of await readdir(join(this.root, folder), { withFileTypes: true })) {
      if (entry.name.startsWith('.') || leftBehind.has(entry.name.toLowerCase()))
        this.passedOver.add(posix.join(folder, entry.name));
      else ((await this.#isFolder(folder, entry)) ? folders : files).push(posix.join(folder, entry.name));
    }
    return { files: files.sort(naturalOrder), folders: folders.sort(naturalOrder) };
  }

  /**
   * An unpacked archive is often a folder that holds nothing but the collection, and a text about it: that one, or one
   * in it; undefined where the folder is a person's.
   */
  async collectionIn(
    folder: string,
  ): Promise<{ folder: string; files: string[]; folders: string[] } | undefined> {
    const inner = await this.look(folder);
    if (!inner.files.every((file) => documents.test(file)) || inner.folders.length === 0) return undefined;
    return inner.folders.length === 1 ? this.collectionIn(inner.folders[0]!) : { folder, ...inner };
  }

  async filesBelow(folder: string): Promise<string[]> {
    const { files, folders } = await this.look(folder);
    for (const inner of folders) files.push(...(await this.filesBelow(inner)));
    return files;
  }

  async #isFolder(folder: string, entry: Dirent): Promise<boolean> {
    if (!entry.isSymbolicLink()) return entry.isDirectory();
    // A link to nowhere is a file that cannot be read, and is told as one.
    const target = await stat(join(this.root, folder, entry.name)).catch(() => undefined);
    return target?.isDirectory() ?? false;
  }
}

/** `2.pgm` before `10.pgm`: runs of digits compare as numbers, all else by code unit, the same on every machine. */
export function naturalOrder(a: string, b: string): number {
  const parts = (text: string) => text.match(/\d+|\D+/g) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i]!, right[i]!];
    const numbers = /^\d/.test(x) && /^\d/.test(y);
    const order = numbers ? Number(x) - Number(y) : x < y ? -1 : x > y ? 1 : 0;
    if (order !== 0) return order;
  }
  return left.length - right.length || (a < b ? -1 : a > b ? 1 : 0);
}
