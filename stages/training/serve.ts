/** What both trainings' threads are: makers of batches from a data set. */
import { type Arrays, type BatchMaker, serveBatches } from '../batches/batch-server.js';
import { openAt } from '../data/dataset.js';
import type { DatasetPlace, FaceDataset } from '../data/image-set.js';

/** What a thread makes batches from, as structured clone takes it. */
export interface BatchRecipe<Settings> {
  dataset: DatasetPlace;
  settings: Settings;
}

/** Serves the batches of the recipe that the `Prefetch` was given. */
export function serveTraining<Settings>(
  Batches: new (dataset: FaceDataset, settings: Settings) => BatchMaker<Arrays>,
): void {
  serveBatches(({ dataset, settings }: BatchRecipe<Settings>) => new Batches(openAt(dataset), settings));
}
