/**
 * Measures of a recogniser that has learnt nothing at all, which loss curves hide and insightface passes over in silence
 * (insightface #1737): it classifies no better than chance, or gives every face the same embedding. Pure.
 */

/**
 * The accuracy that guessing among `classes` stays below in 999 of 1,000 tries of `images` guesses (three standard errors).
 */
export function chanceAccuracy(classes: number, images: number): number {
  const chance = 1 / classes;
  return chance + 3 * Math.sqrt((chance * (1 - chance)) / images);
}

/**
 * How far rows lie apart: their mean squared distance to their mean, E|x|^2 - |E x|^2.
 * 0 where all are equal; of unit rows that point everywhere near 1.
 */
export function spread(rows: Float32Array, dimension: number): number {
  const count = rows.length / dimension;
  let squares = 0;
  for (let k = 0; k < dimension; k++) {
    let sum = 0;
    for (let i = k; i < rows.length; i += dimension) {
      sum += rows[i]!;
      squares += rows[i]! ** 2 / count;
    }
    squares -= (sum / count) ** 2;
  }
  return squares;
}

/** What is wrong with embeddings that are all alike, in words; undefined where they differ. */
export function tooAlike(rows: Float32Array, dimension: number): string | undefined {
  const apart = spread(rows, dimension);
  return apart < 0.01
    ? `all embeddings are alike (mean squared distance to their mean ${apart.toPrecision(2)}; they are unit vectors)`
    : undefined;
}

/** Share of unit rows whose own class has the largest cosine. */
export function nearestClassAccuracy(
  rows: Float32Array,
  labels: ArrayLike<number>,
  classifier: Float32Array,
  dimension: number,
): number {
  const count = rows.length / dimension;
  const classes = classifier.length / dimension;
  let correct = 0;
  for (let i = 0; i < count; i++) {
    let best = -1;
    let bestCosine = -Infinity;
    for (let c = 0; c < classes; c++) {
      let cosine = 0;
      for (let k = 0; k < dimension; k++) cosine += rows[i * dimension + k]! * classifier[c * dimension + k]!;
      if (cosine > bestCosine) {
        best = c;
        bestCosine = cosine;
      }
    }
    if (best === labels[i]) correct++;
  }
  return correct / count;
}
