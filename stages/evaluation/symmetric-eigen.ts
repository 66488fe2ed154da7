/**
 * Eigenvalues and eigenvectors of a real symmetric matrix: Householder's reduction to three diagonals, then implicit QL
 * with Wilkinson's shifts (Golub and Van Loan, sections 8.3.1 and 8.3.3). About 1 s for 512 x 512.
 */
export interface Eigen {
  /** In no order, [n] */
  values: Float64Array;
  /** Row i is the unit eigenvector of values[i], [n, n] */
  vectors: Float64Array;
}

/** @param matrix symmetric, [n, n], row by row; not changed */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const { diagonal, beside, vectors } = tridiagonalise(matrix.slice(), n);
  diagonalise(diagonal, beside, vectors, n);
  return { values: diagonal, vectors };
}

/** A = Q T Q^T. @returns T's diagonal and subdiagonal (beside[i] couples i and i + 1), and Q^T */
function tridiagonalise(a: Float64Array, n: number) {
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const v = new Float64Array(n);
  const p = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    let squares = 0;
    for (let i = k + 1; i < n; i++) squares += a[i * n + k]! ** 2;
    const first = a[(k + 1) * n + k]!;
    const alpha = first > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
    beside[k] = alpha;
    // The reflection I - 2 v v^T takes the column below the diagonal to (alpha, 0, ..., 0).
    let length = 0;
    for (let i = k + 1; i < n; i++) {
      v[i] = a[i * n + k]! - (i === k + 1 ? alpha : 0);
      length += v[i]! ** 2;
    }
    if (length === 0) continue;
    const scale = 1 / Math.sqrt(length);
    for (let i = k + 1; i < n; i++) v[i] = v[i]! * scale;
    // (I - 2 v v^T) A (I - 2 v v^T) = A - v q^T - q v^T with q = p - (p . v) v and p = 2 A v.
    let along = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += a[i * n + j]! * v[j]!;
      p[i] = 2 * sum;
      along += p[i]! * v[i]!;
    }
    for (let i = k + 1; i < n; i++) p[i] = p[i]! - along * v[i]!;
    for (let i = k + 1; i < n; i++)
      for (let j = k + 1; j < n; j++) a[i * n + j] = a[i * n + j]! - v[i]! * p[j]! - p[i]! * v[j]!;
    reflectRows(vectors, v, k + 1, n);
  }
  for (let i = 0; i < n; i++) diagonal[i] = a[i * n + i]!;
  return { diagonal, beside, vectors };
}

/** M <- (I - 2 v v^T) M, v being zero before `from`. */
function reflectRows(m: Float64Array, v: Float64Array, from: number, n: number): void {
  const sums = new Float64Array(n);
  for (let i = from; i < n; i++) for (let j = 0; j < n; j++) sums[j] = sums[j]! + v[i]! * m[i * n + j]!;
  for (let i = from; i < n; i++)
    for (let j = 0; j < n; j++) m[i * n + j] = m[i * n + j]! - 2 * v[i]! * sums[j]!;
}

/** Turns T to a diagonal in place, and the rows of Q^T with it. */
function diagonalise(d: Float64Array, e: Float64Array, vectors: Float64Array, n: number): void {
  e[n - 1] = 0;
  const norm = d.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(e[i]!)), 0);
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      // Small beside its neighbours. Of a matrix of low rank these are rounding errors themselves, and nothing ever is: then
      // small beside the whole, which is all that rounding leaves to be known.
      const whole = sweep < 30 ? 0 : norm;
      let m = l;
      while (
        m < n - 1 &&
        Math.abs(e[m]!) > Number.EPSILON * Math.max(Math.abs(d[m]!) + Math.abs(d[m + 1]!), whole)
      )
        m++;
      if (m === l) break;
      if (sweep === 60)
        throw new Error('symmetricEigen: no convergence; the matrix holds numbers that are not finite');
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.hypot(g, 1);
      g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -r : r));
      let s = 1;
      let c = 1;
      let p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = d[i + 1]! - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        r = (d[i]! - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        for (let k = 0; k < n; k++) {
          const upper = vectors[(i + 1) * n + k]!;
          const lower = vectors[i * n + k]!;
          vectors[(i + 1) * n + k] = s * lower + c * upper;
          vectors[i * n + k] = c * lower - s * upper;
        }
      }
      if (r === 0 && i >= l) continue;
      d[l] = d[l]! - p;
      e[l] = g;
      e[m] = 0;
    }
  }
}
