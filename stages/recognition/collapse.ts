/**
 * Whether an FR training has learnt nothing at all, which loss curves hide and insightface passes over in silence
 * (insightface #1737): it classifies no better than chance, or gives every face the same embedding.
 */

/**
 * The accuracy that guessing among `classes` stays below in 999 of 1,000 tries of `images` guesses (three standard errors).
 */
export function chanceAccuracy(classes: number, images: number): number {
  const chance = 1 / classes;
  return chance + 3 * Math.sqrt((chance * (1 - chance)) / images);
}

/**
 * How far unit rows lie apart: 1 - |their mean|^2, which is their mean squared distance to it.
 * 0 where all are equal, near 1 where they point everywhere.
 */
export function spread(rows: Float32Array, dimension: number): number {
  const count = rows.length / dimension;
  let squares = 0;
  for (let k = 0; k < dimension; k++) {
    let sum = 0;
    for (let i = k; i < rows.length; i += dimension) sum += rows[i]!;
    squares += (sum / count) ** 2;
  }
  return 1 - squares;
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
