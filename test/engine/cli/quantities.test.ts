/** Durations and sizes as people type them. */
import { describe, expect, test } from 'vitest';
import { ago, durationSeconds, sizeBytes } from '../../../engine/cli/quantities.js';

test.each([
  ['30d', 2_592_000],
  ['2w', 1_209_600],
  ['12h', 43_200],
  ['1.5h', 5400],
  ['90m', 5400],
  ['45 s', 45],
  ['7D', 604_800],
  ['0', 0],
])('%s is %d seconds', (text, seconds) => expect(durationSeconds(text)).toBe(seconds));

test.each(['', '30', 'd', '1y', '1mo', '-1d', '1e3d', '1h30m', 'NaN', 'infinity'])(
  '%j is no duration',
  (text) =>
    expect(() => durationSeconds(text)).toThrow('It is no duration: give a number with s, m, h, d or w'),
);

test.each([
  ['50GB', 50_000_000_000],
  ['50G', 50_000_000_000],
  ['50gb', 50_000_000_000],
  ['1.5 TiB', 1_649_267_441_664],
  ['1KiB', 1024],
  ['1Ki', 1024],
  ['1kB', 1000],
  ['512MB', 512_000_000],
  ['10B', 10],
  ['0', 0],
])('%s is %d bytes', (text, bytes) => expect(sizeBytes(text)).toBe(bytes));

test.each(['', '50', 'GB', '5PB', '-1GB', '1iB', '1i', '1,5GB', '1e9B', '0x10B'])('%j is no size', (text) =>
  expect(() => sizeBytes(text)).toThrow('It is no size: give a number with B, KB, MB, GB, TB'),
);

describe('how long ago', () => {
  const now = Date.parse('2026-11-24T12:00:00Z');
  test.each([
    ['2026-11-24T11:59:30Z', 'just now'],
    ['2026-11-24T11:59:00Z', '1 minute ago'],
    ['2026-11-24T09:00:01Z', '2 hours ago'],
    ['2026-11-22T12:00:00Z', '2 days ago'],
    ['2026-11-24T12:00:30Z', 'just now'],
    ['2026-11-25T12:00:00Z', 'in the future'],
  ])('%s is %s', (then, words) => expect(ago(Date.parse(then), now)).toBe(words));
});
