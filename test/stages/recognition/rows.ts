/** Embeddings in memory, as the measures take them from a stage's file. */
import type { Embeddings } from '../../../stages/recognition/embeddings.js';

/** @param values [N, D] */
export const embeddingsOf = (values: Float32Array, dimension: number): Embeddings => ({
  count: values.length / dimension,
  dimension,
  read(from, into) {
    into.set(values.subarray(from * dimension, from * dimension + into.length));
    return into;
  },
});
