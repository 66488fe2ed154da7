/** The side of a thread that makes batches for a `Prefetch`: told a step, it answers with its arrays, which change hands without a copy. */
import { parentPort, workerData } from 'node:worker_threads';
import { openAt } from '../data/dataset.js';
import type { DatasetPlace, FaceDataset } from '../data/image-set.js';

/** Arrays by name, each with a buffer of its own; the same names and sizes for every step. */
export type Arrays = {
  [name: string]: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | undefined;
};

export interface BatchMaker<Batch> {
  /** @param into an earlier batch, to be filled anew */
  at(step: number, into?: Batch): Batch;
}

/** What a thread makes batches from, as structured clone takes it. */
export interface BatchRecipe<Settings> {
  dataset: DatasetPlace;
  settings: Settings;
}

export interface Order<Batch> {
  step: number;
  into?: Batch;
}

export interface Answer<Batch> {
  step: number;
  batch: Batch;
}

/** Serves the batches of the recipe that the `Prefetch` was given. */
export function serveBatches<Settings>(
  Batches: new (dataset: FaceDataset, settings: Settings) => BatchMaker<Arrays>,
): void {
  const { dataset, settings } = workerData as BatchRecipe<Settings>;
  const batches = new Batches(openAt(dataset), settings);
  parentPort!.on('message', ({ step, into }: Order<Arrays>) => {
    const batch = batches.at(step, into);
    const answer: Answer<Arrays> = { step, batch };
    parentPort!.postMessage(answer, buffersOf(batch));
  });
}

/** What to transfer with a batch. */
export function buffersOf(batch: Arrays): ArrayBuffer[] {
  return Object.values(batch).flatMap((array) => (array ? [array.buffer] : []));
}
