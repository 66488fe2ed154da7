/** Batches from threads: the same bytes as made here, in order, in memory that is used again, and errors that come through. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ImageSet } from '../../../stages/data/image-set.js';
import { firstOf, openAt } from '../../../stages/data/dataset.js';
import {
  type BatchSettings,
  type TrainBatch,
  TrainBatches,
} from '../../../stages/diffusion/train-batches.js';
import { TrainBatches as FrBatches } from '../../../stages/recognition/train-batches.js';
import type { BatchRecipe } from '../../../stages/training/serve.js';
import { Prefetch } from '../../../stages/batches/prefetch.js';
import { StageLab } from '../recognition/stage-lab.js';

const diffusion = new URL('../../../stages/diffusion/batch-worker.js', import.meta.url);
const recognition = new URL('../../../stages/recognition/batch-worker.js', import.meta.url);

function recipeFor(lab: StageLab): BatchRecipe<BatchSettings> {
  const { path } = lab.patterns({ identities: 6, each: 5, size: 8 });
  return {
    dataset: firstOf(ImageSet.open(path), { identities: 4, perIdentity: 3 }).place,
    settings: {
      seed: 4,
      batch: 5,
      steps: 50,
      flip: true,
      similarities: [-1, 0, 1],
      pairs: { components: 8, dropout: 0.5 },
    },
  };
}

test.each([1, 3])(
  'diffusion batches of %i threads are those made here, from any step on',
  async (threads) => {
    using lab = new StageLab();
    const recipe = recipeFor(lab);
    const here = new TrainBatches(openAt(recipe.dataset), recipe.settings);
    await using batches = new Prefetch<TrainBatch>(diffusion, recipe, { threads });
    batches.begin(7, 27);
    for (let step = 7; step < 27; step++) {
      const batch = await batches.take();
      expect(batch).toEqual(here.at(step));
      batches.giveBack(batch);
    }
  },
);

test('recognition batches are those made here, also from a part of a part of a set', async () => {
  using lab = new StageLab();
  const { dataset } = recipeFor(lab);
  const augmentation = {
    flip: 0.5, crop: [0.5, 1], erasing: 0.5, erasingArea: [0.02, 0.1], brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.1,
  } as { crop: [number, number]; erasingArea: [number, number] } & Record<'flip' | 'erasing' | 'brightness' | 'contrast' | 'saturation' | 'hue', number>; // prettier-ignore
  const recipe = { dataset, settings: { seed: 4, batch: 5, augmentation } };
  const here = new FrBatches(openAt(dataset), recipe.settings);
  await using batches = new Prefetch(recognition, recipe, { threads: 1 });
  batches.begin(0, 10);
  for (let step = 0; step < 10; step++) expect(await batches.take()).toEqual(here.at(step));
});

test('until a thread is there batches are made here, and no longer', async () => {
  using lab = new StageLab();
  const recipe = recipeFor(lab);
  const maker = new TrainBatches(openAt(recipe.dataset), recipe.settings);
  const made: number[] = [];
  const here = {
    at(step: number, into?: TrainBatch) {
      made.push(step);
      return maker.at(step, into);
    },
  };
  await using batches = new Prefetch<TrainBatch>(diffusion, recipe, { threads: 1, here, ahead: 2 });
  batches.begin(3, 100_000);
  let step = 3;
  for (; step < 100_000 && made.length === step - 3; step++) {
    batches.giveBack(await batches.take());
    await setImmediate();
  }
  // The last one came from the thread; so do all others.
  for (let i = 0; i < 20; i++, step++) expect(await batches.take()).toEqual(maker.at(step));
  expect(made).toEqual(Array.from({ length: made.length }, (_, i) => 3 + i));
  expect(made.length).toBeGreaterThan(0);
  expect(made.length).toBe(step - 3 - 21);
});

test('without threads all batches are made here', async () => {
  using lab = new StageLab();
  const recipe = recipeFor(lab);
  const here = new TrainBatches(openAt(recipe.dataset), recipe.settings);
  await using batches = new Prefetch<TrainBatch>(diffusion, recipe, { threads: 0, here });
  batches.begin(0, 9);
  for (let step = 0; step < 9; step++) expect(await batches.take()).toEqual(here.at(step));
});

test('memory that was given back is filled again', async () => {
  using lab = new StageLab();
  await using batches = new Prefetch<TrainBatch>(diffusion, recipeFor(lab), { threads: 1 });
  batches.begin(0, 9);
  const first = await batches.take();
  batches.giveBack(first);
  expect(first.images.length).toBeGreaterThan(0);
  await batches.take();
  // Handed over to the thread: a buffer is in one thread only.
  expect(first.images.length).toBe(0);
});

test('what goes wrong in a thread is thrown where the batch is taken', async () => {
  using lab = new StageLab();
  const recipe = recipeFor(lab);
  await using batches = new Prefetch<TrainBatch>(
    diffusion,
    { ...recipe, dataset: { folder: lab.path() } },
    { threads: 1 },
  );
  batches.begin(0, 5);
  await expect(batches.take()).rejects.toThrow('no image set');
});
