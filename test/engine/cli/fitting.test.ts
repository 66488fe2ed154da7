/** Tables on a terminal: what does not fit is cut so that rows can still be told apart. */
import { expect, test } from 'vitest';
import { fitted } from '../../../engine/cli/fitting.js';

const rows = [
  ['samples-with-a-long-name@m=-0.5,method=dcface', 'maybe', 'depends on top, which must run first'],
  ['top', 'run', ''],
];
test.each([
  [120, 'samples-with-a-long-name@m=-0.5,method=dcface', 'depends on top, which must run first'],
  [80, 'samples-with…-name@m=-0.5,method=dcface', 'depends on top, which must run …'],
  [60, 'samples….5,method=dcface', 'depends on top, which must run …'],
])('at %i letters', (width, name, words) => {
  expect(fitted(rows, width)).toEqual([
    [name, 'maybe', words],
    ['top', 'run', ''],
  ]);
});

test('on a terminal too narrow for that, names and words keep enough to be told apart', () => {
  const [first] = fitted(rows, 10);
  expect(first!.map((cell) => cell.length)).toEqual([24, 5, 32]);
});

test('rows without a cell, and none at all, are as they are', () => {
  expect(fitted([], 10)).toEqual([]);
  expect(fitted([['a'], ['b', 'c']], 10)).toEqual([['a'], ['b', 'c']]);
});
