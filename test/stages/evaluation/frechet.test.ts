import { expect, test } from 'vitest';
import { frechetDistance, gaussianOf } from '../../../stages/evaluation/frechet.js';
import { symmetricEigen } from '../../../stages/evaluation/symmetric-eigen.js';
import { Random } from '../../../stages/tensors/random.js';
import { embeddingsOf } from '../recognition/rows.js';
import { fill, reference } from '../recognition/reference.js';

const all = (count: number) => Int32Array.from({ length: count }, (_, i) => i);

test('the distance of two small sets is what NumPy gives', () => {
  const a = fill('first set', 300);
  const noise = fill('first noise', 300);
  a.forEach((value, i) => (a[i] = value + 0.3 * noise[i]! ** 3));
  const b = fill('second set', 240).map((value) => 0.8 * value + 0.2);
  const distance = frechetDistance(
    gaussianOf(embeddingsOf(a, 6), all(50)),
    gaussianOf(embeddingsOf(b, 6), all(40)),
  );
  expect(distance).toBeCloseTo(reference.frechet.distance, 5);
});

test('by hand, in one dimension: (mu1 - mu2)^2 + (s1 - s2)^2', () => {
  const one = gaussianOf(embeddingsOf(Float32Array.of(-1, 1, -1, 1), 1), all(4)); // mean 0, variance 4/3
  const other = gaussianOf(embeddingsOf(Float32Array.of(1, 5, 1, 5), 1), all(4)); // mean 3, variance 16/3
  expect(frechetDistance(one, other)).toBeCloseTo(9 + (Math.sqrt(16 / 3) - Math.sqrt(4 / 3)) ** 2, 9);
  expect(frechetDistance(one, one)).toBeCloseTo(0, 9);
});

test('fewer images than dimensions: covariances without full rank are no trouble', () => {
  const rows = new Random(1, 'few').fillNormal(new Float32Array(5 * 12));
  const one = gaussianOf(embeddingsOf(rows, 12), [0, 1, 2]);
  const other = gaussianOf(embeddingsOf(rows, 12), [2, 3, 4]);
  expect(frechetDistance(one, other)).toBeGreaterThan(1);
  expect(frechetDistance(one, other)).toBeCloseTo(frechetDistance(other, one), 6);
  expect(frechetDistance(one, one)).toBeCloseTo(0, 6);
});

test('far fewer images than dimensions: what a low rank leaves shrinks to nothing, and is taken for that', () => {
  // Rows as a recogniser gives them: unit vectors with a large common part.
  const rows = new Random(1, 'low rank')
    .fillNormal(new Float32Array(20 * 128))
    .map((value) => 1 + 0.3 * value);
  const [one, other] = [
    gaussianOf(embeddingsOf(rows, 128), all(10)),
    gaussianOf(embeddingsOf(rows, 128), all(20).subarray(10)),
  ];
  const trace = ({ covariance }: typeof one) =>
    covariance.reduce((sum, value, i) => sum + (i % 129 === 0 ? value : 0), 0);
  const { values } = symmetricEigen(one.covariance, 128);
  expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(trace(one), 9);
  expect(values.filter((value) => value > 1e-9)).toHaveLength(9); // ten rows less their mean
  expect(frechetDistance(one, other)).toBeCloseTo(frechetDistance(other, one), 6);
  expect(frechetDistance(one, one)).toBeCloseTo(0, 6);
});

test("eigenvalues are NumPy's", () => {
  const m = fill('matrix', 81);
  const matrix = Float64Array.from(
    { length: 81 },
    (_, i) => (m[i]! + m[(i % 9) * 9 + Math.floor(i / 9)]!) / 2,
  );
  const values = Array.from(symmetricEigen(matrix, 9).values).sort((a, b) => a - b);
  reference.frechet.eigenvalues.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
});

test.each([1, 2, 3, 40])(
  'eigenvectors of a random %i x %i matrix give the matrix back and are orthonormal',
  (n) => {
    const random = new Random(n, 'matrix');
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) matrix[i * n + j] = matrix[j * n + i] = random.normal();
    const { values, vectors } = symmetricEigen(matrix, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let back = 0;
        let dot = 0;
        for (let k = 0; k < n; k++) {
          back += values[k]! * vectors[k * n + i]! * vectors[k * n + j]!;
          dot += vectors[i * n + k]! * vectors[j * n + k]!;
        }
        expect(back).toBeCloseTo(matrix[i * n + j]!, 9);
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 9);
      }
  },
);

test('diagonal, zero and repeated eigenvalues are no trouble', () => {
  expect(Array.from(symmetricEigen(Float64Array.of(3, 0, 0, 2), 2).values)).toEqual([3, 2]);
  expect(Array.from(symmetricEigen(new Float64Array(9), 3).values)).toEqual([0, 0, 0]);
  const ones = symmetricEigen(new Float64Array(16).fill(1), 4).values.map(
    (value) => Math.round(value * 1e9) / 1e9,
  );
  expect(
    Array.from(ones)
      .sort((a, b) => a - b)
      .map((value) => value + 0),
  ).toEqual([0, 0, 0, 4]);
});
