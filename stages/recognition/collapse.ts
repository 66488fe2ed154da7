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
export class Spread {
  readonly #sums: Float64Array;
  #squares = 0;
  #count = 0;

  constructor(readonly dimension: number) {
    this.#sums = new Float64Array(dimension);
  }

  /** @param rows [n, D] */
  add(rows: Float32Array): this {
    for (let i = 0; i < rows.length; i++) {
      const value = rows[i]!;
      this.#sums[i % this.dimension] = this.#sums[i % this.dimension]! + value;
      this.#squares += value * value;
    }
    this.#count += rows.length / this.dimension;
    return this;
  }

  get value(): number {
    const count = this.#count;
    return this.#sums.reduce((rest, sum) => rest - (sum / count) ** 2, this.#squares / count);
  }
}

/** What is wrong with embeddings that are all alike, in words; undefined where they differ. */
export function tooAlike({ value: apart }: Spread): string | undefined {
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
