/** Stages of known length played through: ends worked out by hand. */
import { expect, test } from 'vitest';
import { type Task, timetable } from '../../../engine/plan/timetable.js';

const task = (name: string, seconds: number, needs: string[] = [], more: Partial<Task> = {}): Task => ({
  name,
  seconds,
  needs,
  peakRssBytes: 100,
  cpus: 1,
  gpus: 0,
  ...more,
});
const room = { jobs: Infinity, cpus: 2, gpus: 0, memory: Infinity };

test('nothing takes no time', () => {
  expect(timetable([], room)).toEqual({ seconds: 0, peakRssBytes: 0 });
});

test('a chain takes the sum, and the memory of the largest', () => {
  const chain = [task('a', 1), task('b', 2, ['a'], { peakRssBytes: 300 }), task('c', 3, ['b'])];
  expect(timetable(chain, room)).toEqual({ seconds: 6, peakRssBytes: 300 });
});

test.each([
  { cpus: 2, jobs: Infinity, seconds: 4, peak: 200 },
  { cpus: 8, jobs: Infinity, seconds: 2, peak: 400 },
  { cpus: 8, jobs: 1, seconds: 8, peak: 100 },
  { cpus: 8, jobs: 3, seconds: 4, peak: 300 },
])('four of 2 s on $cpus CPUs with -j $jobs: $seconds s', ({ cpus, jobs, seconds, peak }) => {
  const four = ['a', 'b', 'c', 'd'].map((name) => task(name, 2));
  expect(timetable(four, { jobs, cpus, gpus: 0, memory: Infinity })).toEqual({ seconds, peakRssBytes: peak });
});

test('the longest path goes first, whatever the order of the file', () => {
  // short and long are ready together with first on one CPU left: long, of 1 s, has 8 s below it.
  const tasks = [task('short', 3), task('other', 3), task('long', 1), task('below', 8, ['long'])];
  // long 0-1, short 0-3, below 1-9, other 3-6.
  expect(timetable(tasks, room).seconds).toBe(9);
  // One at a time: all in a row.
  expect(timetable(tasks, { ...room, jobs: 1 }).seconds).toBe(15);
});

test('a stage that asks for more CPUs than there are runs alone; GPUs count, too', () => {
  const wide = [task('wide', 5, [], { cpus: 16 }), task('a', 1), task('b', 1)];
  expect(timetable(wide, room).seconds).toBe(6);
  const cards = [task('a', 2, [], { gpus: 1 }), task('b', 2, [], { gpus: 1 }), task('c', 2)];
  expect(timetable(cards, { jobs: Infinity, cpus: 8, gpus: 1, memory: Infinity }).seconds).toBe(4);
});

test('what does not fit into memory together runs one after the other; what never fits, alone', () => {
  const four = ['a', 'b', 'c', 'd'].map((name) => task(name, 2));
  expect(timetable(four, { ...room, cpus: 8, memory: 250 })).toEqual({ seconds: 4, peakRssBytes: 200 });
  const huge = [task('huge', 5, [], { peakRssBytes: 999 }), task('a', 1)];
  expect(timetable(huge, { ...room, memory: 250 })).toEqual({ seconds: 6, peakRssBytes: 999 });
});

test('needs that are not to run have ended already', () => {
  expect(timetable([task('b', 2, ['cached'])], room).seconds).toBe(2);
});

test('a chain of 10,000 and a row of 10,000 are played through in bounded time', () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `s${i}`);
  const chain = names.map((name, i) => task(name, 1, i > 0 ? [names[i - 1]!] : []));
  expect(timetable(chain, room).seconds).toBe(10_000);
  expect(
    timetable(
      names.map((name) => task(name, 1)),
      room,
    ).seconds,
  ).toBe(5000);
});
