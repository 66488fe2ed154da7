/**
 * Finds the photographs of a class-per-folder collection: FOLDER/<identity>/<file>. Deeper folders are refused, as nobody could say
 * whether they are identities; hidden files and folders are passed over; files beside the identities' folders are listed, not used.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StageError } from '../../contract.js';

export interface FoundPhoto {
  identity: string;
  /** Name inside the identity's folder. */
  name: string;
}

export interface PhotoFolder {
  /** In natural order of identity, then of name. */
  photos: FoundPhoto[];
  identities: string[];
  /** Files at the top level, which belong to nobody. */
  stray: string[];
}

const layout = 'Give a folder that holds one folder of photographs per person: FOLDER/<person>/<photograph>.';

/** @throws StageError where the folder is missing, is none, is nested too deep or holds no photographs of people */
export async function findPhotos(folder: string, shownAs: string): Promise<PhotoFolder> {
  const kind = await stat(folder).catch(() => undefined);
  if (!kind) throw new StageError(`photos: the folder ${shownAs} does not exist`, layout);
  if (!kind.isDirectory()) throw new StageError(`photos: ${shownAs} is a file, not a folder`, layout);
  const found: PhotoFolder = { photos: [], identities: [], stray: [] };
  for (const name of await visible(folder)) {
    if (!(await stat(join(folder, name))).isDirectory()) {
      found.stray.push(name);
      continue;
    }
    found.identities.push(name);
    for (const inner of await visible(join(folder, name))) {
      if ((await stat(join(folder, name, inner))).isDirectory())
        throw new StageError(
          `photos: ${shownAs}/${name}/${inner} is a folder inside a person's folder`,
          `Move its files up, or give the folder one level further down, ${shownAs}/${name}. ${layout}`,
        );
      found.photos.push({ identity: name, name: inner });
    }
  }
  if (found.photos.length === 0)
    throw new StageError(
      found.stray.length > 0
        ? `photos: ${shownAs} holds ${found.stray.length} file${found.stray.length === 1 ? '' : 's'} but no folders with photographs`
        : `photos: ${shownAs} is empty`,
      layout,
    );
  return found;
}

async function visible(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !name.startsWith('.')).sort(naturalOrder);
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
