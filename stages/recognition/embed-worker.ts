/** The program of the thread that reads images for a recogniser. */
import { serveBatches } from '../batches/batch-server.js';
import { openImagesAt } from '../data/dataset.js';
import { EmbedBatches, type EmbedRecipe } from './embed-batches.js';

serveBatches(({ sets, settings }: EmbedRecipe) => {
  const opened = sets.map(({ images, first }) => ({ images: openImagesAt(images), first }));
  return new EmbedBatches(opened, settings);
});
