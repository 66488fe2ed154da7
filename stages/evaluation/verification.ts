/**
 * Measures of 1:1 verification from the cosine of each pair: k-fold accuracy as insightface's verification.py has it, ROC,
 * TAR at FAR, EER. Pure.
 */

/** Thresholds are squared Euclidean distances of unit vectors, 2 - 2 cos, from 0 up to 4 by 0.01 (insightface's). */
const thresholdCount = 400;
const thresholdStep = 0.01;

export interface KFold {
  /** Mean of the folds' accuracies. */
  accuracy: number;
  /** Standard deviation over the folds (of the population, as insightface prints it). */
  std: number;
  /** Standard error of the mean over the folds. */
  standardError: number;
  /** sqrt(a (1 - a) / pairs). */
  binomialError: number;
  /** By fold, in order: accuracy, and the threshold as a cosine: pairs above it are taken for the same person. */
  folds: { accuracy: number; threshold: number; pairs: number }[];
}

/**
 * Each fold is scored at the threshold that is best on all others (the first of the best).
 *
 * @param scores cosine of each pair, [P]
 * @param same   1 for pairs of one person, [P]
 * @param folds  0 .. n - 1, [P]; n is 2 or more
 */
export function kFoldAccuracy(
  scores: ArrayLike<number>,
  same: ArrayLike<number>,
  folds: ArrayLike<number>,
): KFold {
  const pairs = scores.length;
  const foldCount = Array.from(folds).reduce((a, b) => Math.max(a, b + 1), 0);
  // correct[f][t]: pairs of fold f that threshold t gets right.
  const correct = Array.from({ length: foldCount }, () => new Int32Array(thresholdCount));
  const sizes = new Int32Array(foldCount);
  for (let i = 0; i < pairs; i++) {
    const first = firstAbove(2 - 2 * scores[i]!);
    const [from, to] = same[i] ? [first, thresholdCount] : [0, first];
    const row = correct[folds[i]!]!;
    for (let t = from; t < to; t++) row[t] = row[t]! + 1;
    sizes[folds[i]!] = sizes[folds[i]!]! + 1;
  }
  const all = new Int32Array(thresholdCount);
  for (const row of correct) for (let t = 0; t < thresholdCount; t++) all[t] = all[t]! + row[t]!;

  const result = correct.map((row, fold) => {
    let best = 0;
    for (let t = 1; t < thresholdCount; t++) if (all[t]! - row[t]! > all[best]! - row[best]!) best = t;
    const size = sizes[fold]!;
    return { accuracy: row[best]! / size, threshold: 1 - (best * thresholdStep) / 2, pairs: size };
  });
  const accuracy = result.reduce((sum, fold) => sum + fold.accuracy, 0) / foldCount;
  const squares = result.reduce((sum, fold) => sum + (fold.accuracy - accuracy) ** 2, 0);
  return {
    accuracy,
    std: Math.sqrt(squares / foldCount),
    standardError: Math.sqrt(squares / (foldCount - 1) / foldCount),
    binomialError: Math.sqrt((accuracy * (1 - accuracy)) / pairs),
    folds: result,
  };
}

/** The first threshold that a distance is strictly below; thresholdCount where there is none. */
function firstAbove(distance: number): number {
  let t = Math.max(0, Math.floor(distance / thresholdStep) - 1);
  while (t < thresholdCount && distance >= t * thresholdStep) t++;
  return t;
}

export interface RocPoint {
  /** Share of pairs of different people that are accepted. */
  far: number;
  /** Share of pairs of one person that are accepted. */
  tar: number;
  /** Pairs with this cosine or more are accepted. */
  threshold: number;
}

/**
 * The exact ROC: one point each distinct score, from none accepted to all, leaving out points on a straight line between
 * their neighbours.
 */
export function rocOf(scores: ArrayLike<number>, same: ArrayLike<number>): RocPoint[] {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const positives = order.reduce((sum, i) => sum + (same[i] ? 1 : 0), 0);
  const negatives = order.length - positives;
  const points: RocPoint[] = [{ far: 0, tar: 0, threshold: Infinity }];
  let accepted = 0;
  let falsely = 0;
  order.forEach((pair, at) => {
    if (same[pair]) accepted++;
    else falsely++;
    const next = order[at + 1];
    if (next !== undefined && scores[next] === scores[pair]) return; // equal scores fall together
    const point = { far: falsely / negatives, tar: accepted / positives, threshold: scores[pair]! };
    const [before, last] = points.slice(-2);
    // Only straight up or straight right: slanted steps come from equal scores and stay.
    const straight =
      last &&
      ((before!.far === last.far && last.far === point.far) ||
        (before!.tar === last.tar && last.tar === point.tar));
    if (straight) points[points.length - 1] = point;
    else points.push(point);
  });
  return points;
}

/** The largest true accept rate at a false accept rate of at most `far`. */
export function tarAtFar(roc: readonly RocPoint[], far: number): number {
  return roc.reduce((best, point) => (point.far <= far ? Math.max(best, point.tar) : best), 0);
}

/** Where false accepts are as frequent as false rejects, interpolated between points of the ROC. */
export function equalErrorRate(roc: readonly RocPoint[]): number {
  for (let i = 1; i < roc.length; i++) {
    const [a, b] = [roc[i - 1]!, roc[i]!];
    const before = 1 - a.tar - a.far; // false rejects minus false accepts: falls from 1 to -1
    const after = 1 - b.tar - b.far;
    if (after > 0) continue;
    const part = before / (before - after);
    return a.far + part * (b.far - a.far);
  }
  return 1;
}
