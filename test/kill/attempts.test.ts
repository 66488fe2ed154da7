/** How the harness reckons what a kill cost, by hand. */
import { expect, test } from 'vitest';
import { type Attempt, attemptOf, costOf } from './attempts.js';
import { costsByKind } from './cost-table.js';

const second = 1000;

/** Born at `born` seconds; progress as [second, done]. */
function attempt(pid: number, born: number, progress: [number, number][], end?: number): Attempt {
  return attemptOf(pid, [
    { at: born * second, born: true },
    { at: born * second, stage: 'fr', kind: 'fr-train', checkpoint: '/cache/checkpoints/key' },
    ...progress.map(([at, done]) => ({ at: at * second, done, total: 100 })),
    ...(end === undefined ? [] : [{ at: end * second, end: 'done' as const }]),
  ])!;
}

test('steps done twice count at the pace they were made; so does what was in hand', () => {
  // 10 steps a second from second 2; killed at 6.05 with 40 done; the next begins with 25.
  const killed = attempt(1, 0, [[2, 0], [6, 40]]); // prettier-ignore
  const next = attempt(2, 10, [[11.5, 25], [12, 30]]); // prettier-ignore
  const cost = costOf(killed, 6.05 * second, next);
  expect(cost.again).toBeCloseTo(1.5 + 0.05, 9);
  expect(cost.start).toBeCloseTo(1.5, 9);
});

test('an attempt that went on elsewhere than at 0 is charged from there, and for all that a lost checkpoint takes', () => {
  const killed = attempt(1, 0, [[1, 50], [3, 70]]); // prettier-ignore
  expect(costOf(killed, 3 * second, attempt(2, 5, [[6, 70]])).again).toBe(0);
  expect(costOf(killed, 3 * second, attempt(2, 5, [[6, 0]])).again).toBeCloseTo(7, 9);
});

test('work without progress is lost whole, less the start', () => {
  const cost = costOf(attempt(1, 0, []), 4 * second, attempt(2, 5, [], 6));
  expect(cost).toEqual({ again: 3, start: 1 });
});

test('one killed while it loaded loses no work, however long that took on a busy machine', () => {
  const next = attempt(2, 30, [[33, 0], [34, 4]]); // prettier-ignore
  expect(costOf(attempt(1, 0, []), 25 * second, next)).toEqual({ again: 0, start: 3 });
});

test('a process that was not given its work yet is no attempt', () => {
  expect(attemptOf(1, [{ at: 0, born: true }])).toBeUndefined();
});

test('one killed before it began costs no work, and the one before it is compared with the one after', () => {
  const attempts = [attempt(1, 0, [[1, 0], [3, 20]]), attempt(2, 5, []), attempt(3, 8, [[9, 15]])]; // prettier-ignore
  const kills = [
    { at: 3 * second, target: 'both' as const, victims: [1] },
    { at: 6 * second, target: 'both' as const, victims: [2] },
  ];
  const costs = costsByKind([{ kills, attempts }]).get('fr-train')!;
  expect(costs.map(({ again }) => again)).toEqual([0.5, 0]);
});

test('an engine killed before it had stored the result of a finished attempt costs what is done again', () => {
  const attempts = [attempt(1, 0, [[1, 0], [3, 20]], 3), attempt(2, 5, [[6, 0]])]; // prettier-ignore
  const kills = [
    { at: 3.1 * second, target: 'stage' as const, victims: [7] },
    { at: 3.2 * second, target: 'engine' as const, victims: [] },
  ];
  const [cost] = costsByKind([{ kills, attempts }]).get('fr-train')!;
  expect(cost!.again).toBeCloseTo(2 + 0.2, 9);
});

test('only the kill that an attempt died of is charged', () => {
  const attempts = [attempt(1, 0, [[1, 0], [2, 10]]), attempt(2, 5, [[6, 0], [9, 30]]), attempt(3, 10, [[11, 30]])]; // prettier-ignore
  const kills = [
    { at: 1 * second, target: 'stage' as const, victims: [9] },
    { at: 2 * second, target: 'stage' as const, victims: [1] },
    { at: 9 * second, target: 'engine' as const, victims: [2] },
  ];
  const costs = costsByKind([{ kills, attempts }]).get('fr-train')!;
  expect(costs.map(({ again }) => again)).toEqual([1, 0]);
});
