/**
 * The similarities m that a setting names: one number, a list, or a range with an interval.
 */
export type SimilaritySetting = number | readonly number[] | { from: number; to: number; interval: number };

/**
 * The values, in the order given. A range holds `from` and every multiple of `interval` above it up to `to`:
 * {-1, 1, 0.02} has 101 values.
 */
export function similaritiesOf(setting: SimilaritySetting): number[] {
  if (typeof setting === 'number') return [setting];
  if ('length' in setting) return [...setting];
  const { from, to, interval } = setting;
  // Half a millionth of an interval forgives what decimal fractions lose in binary.
  const count = Math.floor((to - from) / interval + 5e-7) + 1;
  // Rounded, so that 0.3 is 0.3 and not 0.30000000000000004.
  return Array.from({ length: Math.max(0, count) }, (_, i) => Math.round((from + i * interval) * 1e9) / 1e9);
}
