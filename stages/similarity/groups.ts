/**
 * How images are split into similarity groups (CemiFace, Sec. 3.1), and what Table 9 says of each group. Pure.
 */
import { RowsByLabel } from '../data/rows-by-label.js';

/**
 * The group of each image. Each person's images are ranked by similarity, most similar first, and cut into `groups`
 * runs of equal length. Where the number of images is no multiple of `groups`, each person's cuts are shifted by another
 * fraction of an image (multiples of the golden ratio), so that over all people the groups come out equally large.
 *
 * @param similarity to the identity's center, [N]
 * @param labels     [N]
 * @returns          0 .. groups - 1, [N]; 0 is the most similar
 */
export function groupByRank(similarity: Float32Array, labels: Int32Array, groups: number): Int32Array {
  const identities = labels.reduce((most, label) => Math.max(most, label + 1), 0);
  const byLabel = new RowsByLabel(labels, identities);
  const group = new Int32Array(labels.length);
  for (let label = 0; label < identities; label++) {
    const own = byLabel.of(label).slice();
    own.sort((a, b) => similarity[b]! - similarity[a]! || a - b);
    const shift = (label * 0.6180339887498949) % 1;
    own.forEach((row, rank) => (group[row] = Math.floor(((rank + shift) * groups) / own.length)));
  }
  return group;
}

/** A row of Table 9. */
export interface GroupFigures {
  index: number;
  count: number;
  /** Identities with an image in it. */
  identities: number;
  /** Mean similarity of its images. */
  mean: number;
  /** Means over identities of the largest and of the smallest similarity in the group. */
  largest: number;
  smallest: number;
}

export function figuresOf(
  index: number,
  rows: ArrayLike<number>,
  similarity: Float32Array,
  labels: Int32Array,
): GroupFigures {
  const largest = new Map<number, number>();
  const smallest = new Map<number, number>();
  let sum = 0;
  for (let i = 0; i < rows.length; i++) {
    const value = similarity[rows[i]!]!;
    const label = labels[rows[i]!]!;
    sum += value;
    largest.set(label, Math.max(value, largest.get(label) ?? -Infinity));
    smallest.set(label, Math.min(value, smallest.get(label) ?? Infinity));
  }
  const mean = (values: Map<number, number>) => [...values.values()].reduce((a, b) => a + b, 0) / values.size;
  return {
    index,
    count: rows.length,
    identities: largest.size,
    mean: sum / rows.length,
    largest: mean(largest),
    smallest: mean(smallest),
  };
}
