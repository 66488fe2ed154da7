/** Mean and standard deviation of a set of similarities. */

/** @returns both NaN for no values; the deviation is the population's */
export function momentsOf(values: Float32Array): { mean: number; std: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, std: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) };
}
