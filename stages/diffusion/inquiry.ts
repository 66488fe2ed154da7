/**
 * Which inquiry images become identities: greedily, so that no two are alike (METHOD, Sec. 3.2.2).
 */
import { cosineOf } from '../recognition/embed.js';
import { type Embeddings, piecesOf } from '../recognition/embeddings.js';

/**
 * Goes through the images in order and keeps one while its similarity to all kept before is at most `threshold`.
 *
 * @param most stops after so many kept
 * @returns    `kept` rows in order with their embeddings, [kept.length, D], and how many were looked at
 */
export function filterInquiries(
  embeddings: Embeddings,
  threshold: number,
  most = Infinity,
): { kept: number[]; embeddings: Float32Array; seen: number } {
  const { count, dimension } = embeddings;
  const own = new Float32Array(Math.min(most, count) * dimension);
  const kept: number[] = [];
  let seen = 0;
  for (const { first, count: n, rows } of piecesOf(embeddings))
    for (let i = 0; i < n && kept.length < most; i++, seen++) {
      // Equal images have 1 only up to rounding; a threshold of 1 keeps all.
      const alike =
        threshold < 1 && kept.some((_, other) => cosineOf(rows, i, own, other, dimension) > threshold);
      if (alike) continue;
      own.set(rows.subarray(i * dimension, (i + 1) * dimension), kept.length * dimension);
      kept.push(first + i);
    }
  return { kept, embeddings: own.slice(0, kept.length * dimension), seen };
}
