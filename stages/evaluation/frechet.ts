/**
 * Frechet distance of two sets of embeddings, as FID has it (Heusel et al., NeurIPS 2017) with another network:
 *   |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1^1/2 S2 S1^1/2)^1/2)
 */
import type { Embeddings } from '../recognition/embeddings.js';
import { symmetricEigen } from './symmetric-eigen.js';

/** Mean and covariance of a set of embeddings. */
export interface Gaussian {
  dimension: number;
  mean: Float64Array;
  /** [D, D], with n - 1 as numpy.cov */
  covariance: Float64Array;
}

/** @param rows which of the embeddings, two or more */
export function gaussianOf(embeddings: Embeddings, rows: ArrayLike<number>): Gaussian {
  const { dimension } = embeddings;
  const count = rows.length;
  const row = new Float32Array(dimension);
  const mean = new Float64Array(dimension);
  for (let i = 0; i < count; i++) {
    embeddings.read(rows[i]!, row);
    for (let k = 0; k < dimension; k++) mean[k] = mean[k]! + row[k]! / count;
  }
  const covariance = new Float64Array(dimension * dimension);
  const centred = new Float64Array(dimension);
  for (let i = 0; i < count; i++) {
    embeddings.read(rows[i]!, row);
    for (let k = 0; k < dimension; k++) centred[k] = row[k]! - mean[k]!;
    for (let a = 0; a < dimension; a++) {
      const share = centred[a]! / (count - 1);
      for (let b = a; b < dimension; b++)
        covariance[a * dimension + b] = covariance[a * dimension + b]! + share * centred[b]!;
    }
  }
  for (let a = 0; a < dimension; a++)
    for (let b = 0; b < a; b++) covariance[a * dimension + b] = covariance[b * dimension + a]!;
  return { dimension, mean, covariance };
}

/** The squared distance, 0 or more, as FID is reported. */
export function frechetDistance(one: Gaussian, other: Gaussian): number {
  const n = one.dimension;
  const root = squareRoot(one.covariance, n);
  const inner = multiply(multiply(root, other.covariance, n), root, n);
  const { values } = symmetricEigen(symmetric(inner, n), n);
  let distance = 0;
  for (let k = 0; k < n; k++) {
    const trace = one.covariance[k * n + k]! + other.covariance[k * n + k]!;
    // Rounding makes zero eigenvalues slightly negative.
    distance += (one.mean[k]! - other.mean[k]!) ** 2 + trace - 2 * Math.sqrt(Math.max(0, values[k]!));
  }
  return Math.max(0, distance);
}

/** The symmetric root of a matrix without negative eigenvalues. */
function squareRoot(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const scaled = new Float64Array(n * n); // V^T with rows times values^1/4: its own product gives the root
  for (let i = 0; i < n; i++) {
    const weight = Math.max(0, values[i]!) ** 0.25;
    for (let j = 0; j < n; j++) scaled[j * n + i] = weight * vectors[i * n + j]!;
  }
  return multiply(scaled, transpose(scaled, n), n);
}

function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      const factor = a[i * n + k]!;
      for (let j = 0; j < n; j++) out[i * n + j] = out[i * n + j]! + factor * b[k * n + j]!;
    }
  return out;
}

function transpose(a: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) out[j * n + i] = a[i * n + j]!;
  return out;
}

function symmetric(a: Float64Array, n: number): Float64Array {
  const t = transpose(a, n);
  return a.map((value, i) => (value + t[i]!) / 2);
}
