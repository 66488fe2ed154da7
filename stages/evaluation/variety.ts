/** How alike the images of one identity are, and those of different ones: mean cosines over all pairs. */
import { RowsByLabel } from '../data/rows-by-label.js';
import { type Embeddings, piecesOf } from '../recognition/embeddings.js';

/**
 * Over all pairs without looping over them: the sum of cosines within a set of unit vectors is |their sum|^2.
 *
 * @param labels 0 .. identities - 1, [N]
 * @returns      means over all pairs of one identity, and of two; NaN where there are no such pairs
 */
export function meanSimilarities(
  embeddings: Embeddings,
  labels: Int32Array,
  identities: number,
): { intra: number; inter: number } {
  const { dimension } = embeddings;
  const total = new Float64Array(dimension);
  let ownSquares = 0; // cosines of images with themselves: 1 up to rounding
  for (const { rows } of piecesOf(embeddings))
    for (let i = 0; i < rows.length; i++) {
      const value = rows[i]!;
      total[i % dimension] = total[i % dimension]! + value;
      ownSquares += value * value;
    }

  // One identity's sum at a time: those of all would grow with their number.
  const byLabel = new RowsByLabel(labels, identities);
  const row = new Float32Array(dimension);
  const sum = new Float64Array(dimension);
  let [within, withinPairs, betweenPairs] = [0, 0, labels.length ** 2];
  for (let label = 0; label < identities; label++) {
    const own = byLabel.of(label);
    sum.fill(0);
    for (const image of own) {
      embeddings.read(image, row);
      for (let k = 0; k < dimension; k++) sum[k] = sum[k]! + row[k]!;
    }
    within += squared(sum);
    withinPairs += own.length * (own.length - 1);
    betweenPairs -= own.length ** 2;
  }
  return { intra: (within - ownSquares) / withinPairs, inter: (squared(total) - within) / betweenPairs };
}

const squared = (vector: Float64Array) => vector.reduce((a, b) => a + b * b, 0);
