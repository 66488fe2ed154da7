/** Arrays that a stage is done with do not gather outside V8's heap, and looking for them takes little of its time. */
import { memoryUsage } from 'node:process';
import { expect, test } from 'vitest';
import { DeadArrays } from '../../../engine/run/dead-arrays.js';

const mebibyte = 2 ** 20;

/** A process whose arrays and clock are told; a collection leaves `used` bytes and takes 10 ms. */
function steered(used: number) {
  const state = { used, bytes: used, clock: 0, collections: 0 };
  const arrays = new DeadArrays({
    bytes: () => state.bytes,
    clock: () => state.clock,
    collect: () => {
      state.collections++;
      state.clock += 10;
      state.bytes = state.used;
    },
  });
  const lookAt = (bytes: number) => {
    state.bytes = bytes;
    arrays.look();
    return state.collections;
  };
  return { state, lookAt };
}

test('4 MiB more than were left are collected, but not again within a hundred times what that took', () => {
  const { state, lookAt } = steered(8 * mebibyte);
  expect(lookAt(11 * mebibyte)).toBe(0);
  expect(lookAt(12 * mebibyte)).toBe(1);
  state.clock = 1009;
  expect(lookAt(20 * mebibyte)).toBe(1);
  state.clock = 1010;
  expect(lookAt(20 * mebibyte)).toBe(2);
});

test('where a gigabyte is in use, half of that must have come', () => {
  const { lookAt } = steered(1024 * mebibyte);
  expect(lookAt(1535 * mebibyte)).toBe(0);
  expect(lookAt(1536 * mebibyte)).toBe(1);
});

test('what V8 has collected itself counts from there', () => {
  const { lookAt } = steered(40 * mebibyte);
  expect(lookAt(10 * mebibyte)).toBe(0);
  expect(lookAt(15 * mebibyte)).toBe(1);
});

test('arrays that nobody holds any more are gone after a look', async () => {
  const arrays = new DeadArrays();
  const before = memoryUsage().arrayBuffers;
  // Fewer than V8 would collect by itself.
  for (let i = 0; i < 24; i++) new Uint8Array(mebibyte).fill(i);
  expect(memoryUsage().arrayBuffers - before).toBeGreaterThan(16 * mebibyte);
  arrays.look();
  // They are freed in a thread, a little later.
  await expect.poll(() => memoryUsage().arrayBuffers - before).toBeLessThan(4 * mebibyte);
});
