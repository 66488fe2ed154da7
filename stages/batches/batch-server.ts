/** The side of a thread that makes batches for a `Prefetch`: told a step, it answers with its arrays, which change hands without a copy. */
import { parentPort, workerData } from 'node:worker_threads';

/** Arrays by name, each with a buffer of its own; the same names and sizes for every step. */
export type Arrays = {
  [name: string]: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | undefined;
};

export interface BatchMaker<Batch> {
  /** @param into an earlier batch, to be filled anew */
  at(step: number, into?: Batch): Batch;
}

export interface Order<Batch> {
  step: number;
  into?: Batch;
}

export interface Answer<Batch> {
  step: number;
  batch: Batch;
}

/** @param open makes batches from the recipe that the `Prefetch` was given */
export function serveBatches<Recipe, Batch extends Arrays>(
  open: (recipe: Recipe) => BatchMaker<Batch>,
): void {
  const batches = open(workerData as Recipe);
  parentPort!.on('message', ({ step, into }: Order<Batch>) => {
    const batch = batches.at(step, into);
    const answer: Answer<Batch> = { step, batch };
    parentPort!.postMessage(answer, buffersOf(batch));
  });
}

/** What to transfer with a batch. */
export function buffersOf(batch: Arrays): ArrayBuffer[] {
  return Object.values(batch).flatMap((array) => (array ? [array.buffer] : []));
}
