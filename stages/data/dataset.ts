/**
 * Opens the `dataset` input of a stage: a set of images, or one similarity group of it. A group is an index into the
 * image set it was made from, not a copy.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type StageContext, StageError } from '../contract.js';
import { type DatasetPlace, type FaceDataset, type ImageRows, ImageSet } from './image-set.js';
import { NpyImages } from './npy-images.js';
import { readNpyAs } from './npy.js';

export interface GroupsInfo {
  format: 'cemiflow-groups/1';
  /** Digest of the images artifact the rows refer to. */
  source: string;
  /** group-<index>.npy holds int32 [count] rows of the source; group 0 is the most similar to its centers. */
  groups: { index: number; count: number; mean: number; largest: number; smallest: number }[];
}

/**
 * @param group which group, where the input is a groups artifact
 * @throws StageError where a group is asked of plain images, or none of groups
 */
export function openDataset(
  context: Pick<StageContext, 'input' | 'artifact'>,
  name: string,
  group?: number,
): FaceDataset {
  const input = context.input(name);
  if (input.type !== 'groups') {
    if (group !== undefined)
      throw new StageError(
        `input ${name} (${input.from}) is a plain image set: it has no group ${group}`,
        'Leave out with.group, or give the output of similarity-bucketing.',
      );
    return ImageSet.open(input.path);
  }
  const info = readGroups(input.path);
  if (group === undefined || !info.groups.some(({ index }) => index === group))
    throw new StageError(
      `input ${name} (${input.from}) has the groups 0 to ${info.groups.length - 1}; with.group is ${group ?? 'not set'}`,
      'Set with.group to one of them.',
    );
  const rows = readNpyAs(join(input.path, `group-${group}.npy`), 'int32').data;
  return subset(ImageSet.open(context.artifact(info.source)), rows);
}

function readGroups(folder: string): GroupsInfo {
  return JSON.parse(readFileSync(join(folder, 'groups.json'), 'utf8')) as GroupsInfo;
}

/** The same data set, opened once more: a thread has its own files. */
export function openAt({ folder, rows }: DatasetPlace): FaceDataset {
  const set = ImageSet.open(folder);
  return rows ? subset(set, rows) : set;
}

/** The same images, likewise. */
export function openImagesAt(place: ImageRows['place']): ImageRows {
  return 'file' in place ? new NpyImages(place.file, place.width, place.height) : openAt(place);
}

/** The images in `rows` of a set, with labels renumbered to the identities that are left. */
export function subset(set: FaceDataset, rows: Int32Array): FaceDataset {
  const renumbered = new Int32Array(set.identities).fill(-1);
  for (const row of rows) renumbered[set.labels[row]!] = 0;
  let identities = 0;
  for (let label = 0; label < renumbered.length; label++)
    if (renumbered[label] === 0) renumbered[label] = identities++;
  const { folder, rows: outer } = set.place;
  return {
    place: { folder, rows: outer ? rows.map((row) => outer[row]!) : rows },
    count: rows.length,
    width: set.width,
    height: set.height,
    identities,
    labels: rows.map((row) => renumbered[set.labels[row]!]!),
    info: set.info,
    read: (indices, into) =>
      set.read(
        Int32Array.from(indices, (i) => rows[i]!),
        into,
      ),
  };
}

/** The rows of 0 .. count - 1 for which `is` holds, in order; it is asked once of each. */
export function rowsWhere(count: number, is: (row: number) => boolean): Int32Array {
  const rows = new Int32Array(count);
  let found = 0;
  for (let row = 0; row < count; row++) if (is(row)) rows[found++] = row;
  return rows.slice(0, found);
}

/**
 * The first people of a set, and of each the first images: a set as large as another one, to compare with it fairly.
 * @throws StageError where the set has fewer people, or one of them fewer images
 */
export function firstOf(
  set: FaceDataset,
  { identities, perIdentity }: { identities: number; perIdentity: number },
): FaceDataset {
  if (identities > set.identities)
    throw new StageError(
      `with.subset asks for ${identities} people, and the data set has ${set.identities}`,
      'Lower with.subset.identities.',
    );
  const taken = new Int32Array(identities);
  const rows = rowsWhere(set.count, (row) => {
    const label = set.labels[row]!;
    return label < identities && taken[label]!++ < perIdentity;
  });
  const short = taken.findIndex((count) => count < perIdentity);
  if (short >= 0)
    throw new StageError(
      `with.subset asks for ${perIdentity} images of each person, and person ${short} has ${taken[short]}`,
      'Lower with.subset.perIdentity.',
    );
  return subset(set, rows);
}
