import { expect, test } from 'vitest';
import { equalErrorRate, kFoldAccuracy, rocOf, tarAtFar } from '../../../stages/evaluation/verification.js';
import { fill, reference } from '../recognition/reference.js';

/** The pairs of test/reference/recognition_reference.py. */
function referencePairs() {
  const count = 600;
  const same = Uint8Array.from({ length: count }, (_, i) => Math.floor(i / 30) % 2);
  const u = fill('scores', count);
  const scores = Float32Array.from(
    same,
    (one, i) => (one ? 0.45 : 0.05) + 0.2 * u[i]! + 0.2 * Math.sin(0.618 * i * i),
  );
  const folds = Int32Array.from({ length: count }, (_, i) => Math.floor((i * 10) / count));
  return { scores, same, folds };
}

test("10-fold accuracy is what insightface's calculate_roc gives, fold by fold", () => {
  const { scores, same, folds } = referencePairs();
  const { accuracy, std, folds: each, standardError, binomialError } = kFoldAccuracy(scores, same, folds);
  const expected = reference.verification;
  expect(accuracy).toBeCloseTo(expected.accuracy, 7);
  expect(std).toBeCloseTo(expected.std, 7);
  each.forEach((fold, i) => expect(fold.accuracy).toBeCloseTo(expected.folds[i]!, 7));
  expect(standardError).toBeCloseTo(expected.std / 3, 7); // sqrt(s^2 10/9 / 10)
  expect(binomialError).toBeCloseTo(Math.sqrt((0.825 * 0.175) / 600), 7);
});

test('TAR at FAR and EER are what counting over all thresholds gives', () => {
  const { scores, same } = referencePairs();
  const roc = rocOf(scores, same);
  for (const [far, tar] of Object.entries(reference.verification.tar))
    expect(tarAtFar(roc, Number(far))).toBeCloseTo(tar, 7);
  expect(equalErrorRate(roc)).toBeCloseTo(reference.verification.eer, 2); // interpolated there between neighbours
});

test('the threshold comes from the other folds, by hand', () => {
  // Fold 0: people apart at 0.5; fold 1: at 0.8. Either is scored at the other's best threshold.
  const scores = [0.603, 0.397, 0.903, 0.703];
  const same = [1, 0, 1, 0];
  const { accuracy, std, folds } = kFoldAccuracy(scores, same, [0, 0, 1, 1]);
  // Trained on fold 1 the first best distance above 0.194 is 0.2 (cos 0.9), which rejects both of fold 0.
  expect(folds[0]!.threshold).toBeCloseTo(0.9, 6);
  expect(folds[0]!.accuracy).toBe(0.5);
  // Trained on fold 0: 0.8 (cos 0.6) accepts both of fold 1.
  expect(folds[1]!.threshold).toBeCloseTo(0.6, 6);
  expect(folds[1]!.accuracy).toBe(0.5);
  expect(accuracy).toBe(0.5);
  expect(std).toBe(0);
});

test('the ROC by hand, with corners only and equal scores together', () => {
  const roc = rocOf([0.9, 0.8, 0.7, 0.5, 0.5, 0.1], [1, 1, 0, 1, 0, 0]);
  expect(roc.map(({ far, tar }) => [far, tar])).toEqual([
    [0, 0],
    [0, 2 / 3],
    [1 / 3, 2 / 3],
    [2 / 3, 1], // the two pairs at 0.5
    [1, 1],
  ]);
  expect(roc.map(({ threshold }) => threshold)).toEqual([Infinity, 0.8, 0.7, 0.5, 0.1]);
  expect(tarAtFar(roc, 0)).toBeCloseTo(2 / 3, 9);
  expect(tarAtFar(roc, 0.4)).toBeCloseTo(2 / 3, 9);
  expect(tarAtFar(roc, 0.7)).toBe(1);
  expect(equalErrorRate(roc)).toBeCloseTo(1 / 3, 9);
});

test('a perfect recogniser has accuracy 1 and EER 0, a reversed one EER 1', () => {
  const folds = [0, 0, 1, 1];
  expect(kFoldAccuracy([0.9, 0.1, 0.9, 0.2], [1, 0, 1, 0], folds).accuracy).toBe(1);
  expect(equalErrorRate(rocOf([0.9, 0.1, 0.8, 0.2], [1, 0, 1, 0]))).toBe(0);
  expect(equalErrorRate(rocOf([0.9, 0.1, 0.8, 0.2], [0, 1, 0, 1]))).toBe(1);
});

test('cosines past 1 by rounding, and opposite embeddings, are in range', () => {
  const { accuracy } = kFoldAccuracy([1.0000001, -1.0000001, 1.0000001, -1], [1, 0, 1, 0], [0, 0, 1, 1]);
  expect(accuracy).toBe(1);
});
