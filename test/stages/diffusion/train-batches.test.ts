/** What a training step is shown: a pure function of seed and step. */
import { describe, expect, test } from 'vitest';
import type { FaceDataset } from '../../../stages/data/image-set.js';
import { type BatchSettings, TrainBatches } from '../../../stages/diffusion/train-batches.js';

const identities = 4;
const each = 3;
/** Image i of 2x1 px: its left pixel is i, its right one 100 + i, in all colours. */
const dataset: FaceDataset = {
  place: { folder: '' },
  count: identities * each,
  width: 2,
  height: 1,
  identities,
  labels: Int32Array.from({ length: identities * each }, (_, i) => Math.floor(i / each)),
  info: undefined as never,
  read: (rows) =>
    Uint8Array.from(Array.from(rows).flatMap((row) => [row, row, row, 100 + row, 100 + row, 100 + row])),
};
const settings: BatchSettings = { seed: 3, batch: 5, steps: 50, flip: false };
const shown = (images: Float32Array) =>
  Array.from({ length: images.length / 6 }, (_, i) => Math.round((images[6 * i]! + 1) * 127.5));

test('every epoch shows each image once, also across the edges of batches, and in an order of its own', () => {
  const batches = new TrainBatches(dataset, settings);
  const order = Array.from({ length: 12 }, (_, step) => shown(batches.at(step).images)).flat(); // 60 = 5 epochs
  const epochs = [0, 1, 2, 3, 4].map((epoch) => order.slice(12 * epoch, 12 * epoch + 12));
  for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([...Array(12).keys()]);
  expect(epochs[0]).not.toEqual(epochs[1]);
});

test('a step is the same whatever was asked before it', () => {
  const similarities = [-1, 0, 1];
  const inOrder = new TrainBatches(dataset, { ...settings, similarities, flip: true });
  inOrder.at(0);
  inOrder.at(6);
  expect(new TrainBatches(dataset, { ...settings, similarities, flip: true }).at(7)).toEqual(inOrder.at(7));
  expect(inOrder.at(8).noise).not.toEqual(inOrder.at(7).noise);
});

test('pixels 0 and 255 are -1 and 1', () => {
  const extremes: FaceDataset = { ...dataset, count: 1, read: () => Uint8Array.of(0, 0, 0, 255, 255, 255) };
  expect([...new TrainBatches(extremes, { ...settings, batch: 1 }).at(0).images]).toEqual([
    -1, -1, -1, 1, 1, 1,
  ]);
});

test('about half of the images are mirrored, left and right whole pixels', () => {
  const batches = new TrainBatches(dataset, { ...settings, flip: true });
  const all = Array.from({ length: 80 }, (_, step) => shown(batches.at(step).images)).flat();
  const mirrored = all.filter((left) => left >= 100).length;
  // 400 fair coins: 200 +- 10 standard deviation.
  expect(Math.abs(mirrored - 200)).toBeLessThan(50);
});

test('times cover 0 to T - 1, and m comes from the grid', () => {
  const batches = new TrainBatches(dataset, { ...settings, steps: 4, similarities: [-0.5, 0.5] });
  const many = Array.from({ length: 40 }, (_, step) => batches.at(step));
  expect(new Set(many.flatMap(({ t }) => [...t]))).toEqual(new Set([0, 1, 2, 3]));
  expect(new Set(many.flatMap(({ m }) => [...m!]))).toEqual(new Set([-0.5, 0.5]));
});

describe('pairs of DCFace', () => {
  const pairs = { components: 10, dropout: 0.3 };

  test('are two different images of one person, every partner in turn', () => {
    const batches = new TrainBatches(dataset, { ...settings, pairs });
    const seen = new Set<string>();
    for (let step = 0; step < 60; step++) {
      const batch = batches.at(step);
      const [own, other] = [shown(batch.images), shown(batch.identityImages!)];
      own.forEach((row, i) => {
        expect(dataset.labels[row]).toBe(dataset.labels[other[i]!]);
        expect(row).not.toBe(other[i]);
        seen.add(`${row}-${other[i]}`);
      });
    }
    expect(seen.size).toBe(12 * 2);
  });

  test('are an image and itself where a person has one image only', () => {
    const lone: FaceDataset = { ...dataset, count: 4, labels: Int32Array.of(0, 1, 2, 3) };
    const batch = new TrainBatches(lone, { ...settings, pairs }).at(0);
    expect(batch.identityImages).toEqual(batch.images);
  });

  test('drop three in ten components of the style tokens', () => {
    const batches = new TrainBatches(dataset, { ...settings, pairs });
    const keep = Array.from({ length: 40 }, (_, step) => [...batches.at(step).keep!]).flat();
    expect(new Set(keep)).toEqual(new Set([0, 1]));
    // 2,000 coins: 0.7 +- 0.01 standard deviation.
    expect(keep.reduce((a, b) => a + b) / keep.length).toBeCloseTo(0.7, 1);
  });
});
