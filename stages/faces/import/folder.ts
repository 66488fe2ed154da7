/**
 * Finds the photographs of a class-per-folder collection, FOLDER/<person>/.../<file>, as torchvision's ImageFolder does: a folder of FOLDER is
 * a person, and whatever lies below it is that person's. What systems leave behind (names that begin with a dot, Thumbs.db, ..)
 * is passed over; files beside the people's folders are listed, not used.
 */
import type { Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { StageError } from '../../contract.js';
import { naturalOrder, naturalOrderInFolder } from './natural-order.js';
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

const documents = /\.(txt|md|csv|tsv|json|xml|html?|pdf|mat)$|^(readme|licen[cs]e)$/i;

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
  let stray = top.files;
  const remarks: string[] = [];
  if (top.folders.length === 1) {
    const inner = await walk.collectionIn(top.folders[0]!);
    if (inner) {
      remarks.push(
        `${shownAs} holds one folder, and the ${inner.folders.length} folders in ${inner.path} are taken for people`,
      );
      stray = stray.concat(inner.files.map((name) => pathIn(inner.path, name)));
      top = inner;
    }
  }

  const found = new PhotoList();
  const empty: string[] = [];
  const nested: { folder: string; owner: string }[] = [];
  for (const name of top.folders) {
    const one = pathIn(top.path, name);
    const before = found.length;
    for await (const { path, files } of walk.foldersWithFiles(one)) {
      if (path !== one) nested.push({ folder: path, owner: one });
      const owner = person === 'first' ? one : path;
      found.add({ path, owner, identity: posix.basename(owner) }, files);
    }
    if (found.length === before) empty.push(name);
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
    passedOver: walk.passedOver,
    remarks,
  };
}

/** What a folder holds, by name, in the order of the paths. */
interface Listing {
  /** Inside the root, with '/'; empty for the root itself. */
  path: string;
  files: string[];
  folders: string[];
}

const pathIn = (folder: string, name: string) => (folder === '' ? name : `${folder}/${name}`);

/** Entries that are asked of the system at a time. */
const entriesTogether = 256;

/** Looks into the folders of a tree. Links are followed: collections are often made of them. */
class Walk {
  /** Hidden files and folders of each folder that has some. */
  readonly #hidden = new Map<string, number>();

  constructor(readonly root: string) {}

  get passedOver(): number {
    return [...this.#hidden.values()].reduce((sum, count) => sum + count, 0);
  }

  async look(path: string): Promise<Listing> {
    const listing: Listing = { path, files: [], folders: [] };
    let hidden = 0;
    for await (const entry of await opendir(join(this.root, path), { bufferSize: entriesTogether })) {
      if (entry.name.startsWith('.') || leftBehind.has(entry.name.toLowerCase())) hidden++;
      else ((await this.#isFolder(path, entry)) ? listing.folders : listing.files).push(entry.name);
    }
    if (hidden > 0) this.#hidden.set(path, hidden);
    const order = path === '' ? naturalOrder : naturalOrderInFolder;
    listing.files.sort(order);
    listing.folders.sort(order);
    return listing;
  }

  /**
   * An unpacked archive is often a folder that holds nothing but the collection, and a text about it: that one, or one
   * in it; undefined where the folder is a person's.
   */
  async collectionIn(path: string): Promise<Listing | undefined> {
    const inner = await this.look(path);
    if (!inner.files.every((name) => documents.test(name)) || inner.folders.length === 0) return undefined;
    return inner.folders.length === 1 ? this.collectionIn(pathIn(path, inner.folders[0]!)) : inner;
  }

  /** The folder, and those below it, that hold files. */
  async *foldersWithFiles(path: string): AsyncGenerator<Listing> {
    const listing = await this.look(path);
    if (listing.files.length > 0) yield listing;
    for (const inner of listing.folders) yield* this.foldersWithFiles(pathIn(path, inner));
  }

  async #isFolder(path: string, entry: Dirent): Promise<boolean> {
    if (!entry.isSymbolicLink()) return entry.isDirectory();
    // A link to nowhere is a file that cannot be read, and is told as one.
    const target = await stat(join(this.root, path, entry.name)).catch(() => undefined);
    return target?.isDirectory() ?? false;
  }
}
