/** How alike the images of one identity are, and those of different ones: mean cosines over all pairs. Pure. */

/**
 * Over all pairs without looping over them: the sum of cosines within a set of unit vectors is |their sum|^2.
 *
 * @param embeddings unit rows, [N, D]
 * @param labels     [N]
 * @returns          means over all pairs of one identity, and of two; NaN where there are no such pairs
 */
export function meanSimilarities(
  embeddings: Float32Array,
  labels: ArrayLike<number>,
  dimension: number,
): { intra: number; inter: number } {
  const sums = new Map<number, Float64Array>();
  const counts = new Map<number, number>();
  const total = new Float64Array(dimension);
  let ownSquares = 0; // cosines of images with themselves: 1 up to rounding
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    const sum = sums.get(label) ?? new Float64Array(dimension);
    sums.set(label, sum);
    counts.set(label, (counts.get(label) ?? 0) + 1);
    for (let k = 0; k < dimension; k++) {
      const value = embeddings[i * dimension + k]!;
      sum[k] = sum[k]! + value;
      total[k] = total[k]! + value;
      ownSquares += value * value;
    }
  }
  const squared = (vector: Float64Array) => vector.reduce((a, b) => a + b * b, 0);
  const within = [...sums.values()].reduce((a, sum) => a + squared(sum), 0);
  const withinPairs = [...counts.values()].reduce((a, n) => a + n * (n - 1), 0);
  const betweenPairs = labels.length ** 2 - [...counts.values()].reduce((a, n) => a + n * n, 0);
  return { intra: (within - ownSquares) / withinPairs, inter: (squared(total) - within) / betweenPairs };
}
