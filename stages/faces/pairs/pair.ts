/** A verification pair, and how pairs of photographs become a protocol of a verification set. */
import type { ProtocolPairs, VerificationWriter } from '../../data/verification-set.js';

export interface ListedPair {
  /** Indexes into the photographs. */
  first: number;
  second: number;
  same: boolean;
  fold: number;
}

/** Pictures that are read and written at a time. */
const together = 64;

/**
 * Writes a protocol: each picture once, in the order of the photographs.
 *
 * @param identityOf who is on a photograph
 * @param read       pixels of photographs, uint8 [photos.length, height, width, 3]
 */
export function writeProtocol(
  set: VerificationWriter,
  name: string,
  pairs: readonly ListedPair[],
  identityOf: (photo: number) => string,
  read: (photos: number[]) => Uint8Array,
): void {
  const writer = set.begin(name);
  const photos = photosOf(pairs);
  for (let from = 0; from < photos.length; from += together)
    writer.add(read(photos.slice(from, from + together)));
  writer.finish(comparisons(photos, pairs, identityOf));
}

function comparisons(
  photos: readonly number[],
  pairs: readonly ListedPair[],
  identityOf: (photo: number) => string,
): ProtocolPairs {
  const rows = new Map(photos.map((photo, row) => [photo, row]));
  const folds = renumber(pairs.map(({ fold }) => fold));
  const foldOf = new Map<string, number>();
  const identitiesDisjoint = pairs.every(({ first, second }, i) =>
    [first, second].every((photo) => {
      const identity = identityOf(photo);
      const seen = foldOf.get(identity) ?? folds[i]!;
      foldOf.set(identity, seen);
      return seen === folds[i];
    }),
  );
  return {
    pairs: Int32Array.from(pairs.flatMap(({ first, second }) => [rows.get(first)!, rows.get(second)!])),
    same: Uint8Array.from(pairs, ({ same }) => Number(same)),
    folds,
    identitiesDisjoint,
  };
}

/** The photographs in some pair, each once, in order. */
export const photosOf = (pairs: readonly ListedPair[]): number[] =>
  [...new Set(pairs.flatMap(({ first, second }) => [first, second]))].sort((a, b) => a - b);

/** 0, 1, 2, .. in order: a fold may have lost all its pairs. */
function renumber(folds: readonly number[]): Int32Array {
  const left = [...new Set(folds)].sort((a, b) => a - b);
  return Int32Array.from(folds, (fold) => left.indexOf(fold));
}

/** A protocol's name: metric names admit letters, digits and a few signs. */
export const protocolName = (name: string): string => name.replace(/[^A-Za-z0-9_. -]+/g, '-') || 'photos';
