/**
 * Which inquiry images become identities: greedily, so that no two are alike (METHOD, Sec. 3.2.2).
 */

/**
 * Goes through the images in order and keeps one while its similarity to all kept before is at most `threshold`.
 *
 * @param rows      embeddings, unit rows, [n, dimension]
 * @param most      stops after so many kept
 * @returns         `kept` rows in order, and how many were looked at
 */
export function filterInquiries(
  rows: Float32Array,
  dimension: number,
  threshold: number,
  most = Infinity,
): { kept: number[]; seen: number } {
  const count = rows.length / dimension;
  const kept: number[] = [];
  let row = 0;
  for (; row < count && kept.length < most; row++) {
    const alike = kept.some((other) => {
      let cos = 0;
      for (let i = 0; i < dimension; i++) cos += rows[row * dimension + i]! * rows[other * dimension + i]!;
      // Equal images have 1 only up to rounding; a threshold of 1 keeps all.
      return threshold < 1 && cos > threshold;
    });
    if (!alike) kept.push(row);
  }
  return { kept, seen: row };
}
