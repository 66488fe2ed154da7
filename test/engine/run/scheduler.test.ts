/** The scheduler and its slots by themselves: long chains, urgency, bugs. */
import { expect, test } from 'vitest';
import { type Crew, schedule } from '../../../engine/run/scheduler.js';
import { openSlots } from '../../../engine/run/slots.js';

const never = new AbortController().signal;
const how = { failureMode: 'finish', stop: never } as const;

test('a chain of 10,000 stages is visited in order', async () => {
  const names = Array.from({ length: 10_000 }, (_, i) => String(i));
  const visited: string[] = [];
  const crew: Crew = {
    look(name) {
      visited.push(name);
      return Promise.resolve({ end: 'cached' });
    },
    work: () => Promise.reject(new Error('nothing is to be run')),
    skip: () => undefined,
    cancel: () => undefined,
  };
  await schedule(
    names.map((name, i) => ({ name, needs: i === 0 ? [] : [String(i - 1)] })),
    crew,
    openSlots(1, { cpus: 1, gpus: 0, memory: 0 }),
    how,
  );
  expect(visited).toEqual(names);
});

test('of the stages that are ready the most urgent one goes first, and a small one passes a big one that does not fit', async () => {
  const slots = openSlots(Infinity, { cpus: 2, gpus: 0, memory: 0 });
  const order: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, cpus: number, priority: number) =>
    slots.run({ cpus, gpus: 0, memory: 0, priority }, () => {
      order.push(name);
      return new Promise<void>((end) => ends.set(name, end));
    });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const all = [run('low', 1, 1), run('high', 1, 9), run('big', 2, 5), run('small', 1, 0)];
  await turn();
  expect(order).toEqual(['high', 'low']);
  ends.get('low')!();
  await turn();
  expect(order).toEqual(['high', 'low', 'small']);
  ends.get('high')!();
  await turn();
  expect(order).toEqual(['high', 'low', 'small']);
  ends.get('small')!();
  await turn();
  expect(order).toEqual(['high', 'low', 'small', 'big']);
  ends.get('big')!();
  await Promise.all(all);
});

test('stages that do not fit into memory together run one after the other; one that never fits runs alone', async () => {
  const slots = openSlots(Infinity, { cpus: 4, gpus: 0, memory: 100 });
  const order: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, memory: number) =>
    slots.run({ cpus: 1, gpus: 0, memory, priority: 0 }, () => {
      order.push(name);
      return new Promise<void>((end) => ends.set(name, end));
    });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const all = [run('60', 60), run('50', 50), run('unknown', 0), run('1000', 1000)];
  await turn();
  expect(order).toEqual(['60', 'unknown']);
  ends.get('60')!();
  await turn();
  expect(order).toEqual(['60', 'unknown', '50']);
  ends.get('50')!();
  await turn();
  expect(order).toEqual(['60', 'unknown', '50', '1000']);
  ends.get('1000')!();
  ends.get('unknown')!();
  await Promise.all(all);
});

test('a bug of the engine ends the run and is not swallowed', async () => {
  const cancelled: string[] = [];
  const crew: Crew = {
    look: () => Promise.reject(new TypeError('a bug')),
    work: () => Promise.resolve('ok'),
    skip: () => undefined,
    cancel: (reason) => cancelled.push(reason),
  };
  const nodes = [
    { name: 'a', needs: [] },
    { name: 'b', needs: ['a'] },
  ];
  await expect(schedule(nodes, crew, openSlots(1, { cpus: 1, gpus: 0, memory: 0 }), how)).rejects.toThrow(
    'a bug',
  );
  expect(cancelled).toEqual(['the engine failed']);
});
