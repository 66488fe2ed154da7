/**
 * What the generators are trained to: CemiFace's similarity matching loss (Sun et al., NeurIPS 2024, eq. 10 to 14) and
 * DCFace's time-dependent identity loss (Kim et al., CVPR 2023). Both are added to the error of the prediction.
 */
import * as tf from '@tensorflow/tfjs';
import { safeSqrt } from '../tensors/functional.js';

/** How alike two embeddings are: cosine, or Table 13's ablation with the Euclidean distance. */
export type Similarity = 'cosine' | 'euclidean';

/**
 * Similarity of unit rows, in [-1, 1] for both measures, 1 for equal rows and -1 for opposite ones:
 * cosine a . b, or 1 - |a - b|. (The paper does not say how a distance meets the grid of m; this keeps m's meaning.)
 *
 * @param a, b unit rows, [B, D]
 * @returns [B]
 */
export function similarityOf(measure: Similarity, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor1D {
  // Not normalised again: that would hide a caller who forgot to.
  if (measure === 'cosine') return tf.sum(tf.mul(a, b), 1);
  return tf.sub(1, safeSqrt(tf.sum(tf.square(tf.sub(a, b)), 1)));
}

/**
 * L_rec and L_sim of each image and their mixture L_SimMat, eq. (11) to (13).
 * Near the image (small t) the estimate must be the inquiry's person; near the noise (large t) only m-similar to it.
 *
 * @param similarity of E_id(x) and E_id(x0_hat), [B], in [-1, 1]
 * @param m          wanted similarity, [B], in [-1, 1]
 * @param g          g_t = t / T, [B], in [0, 1)
 * @returns          each [B], in [0, 4]
 */
export function similarityMatchingLoss(
  similarity: tf.Tensor1D,
  m: tf.Tensor1D,
  g: tf.Tensor1D,
): { rec: tf.Tensor1D; sim: tf.Tensor1D; loss: tf.Tensor1D } {
  const rec: tf.Tensor1D = tf.square(tf.sub<tf.Tensor1D>(1, similarity)); // (11)
  const sim: tf.Tensor1D = tf.square(tf.sub<tf.Tensor1D>(m, similarity)); // (12)
  const loss: tf.Tensor1D = tf.add(tf.mul(tf.sub(1, g), rec), tf.mul(g, sim)); // (13)
  return { rec, sim, loss };
}

/**
 * DCFace's loss of each image: near the noise (large t) the estimate must be the identity image's person, near the
 * image (small t) that of the style image, which is the image itself.
 *   g_t (1 - cos(E(x0_hat), E(x_id))) + (1 - g_t) (1 - cos(E(x0_hat), E(x_style)))
 *
 * @param toIdentity similarity of x0_hat and the identity image, [B]
 * @param toStyle    similarity of x0_hat and the style image, [B]
 * @returns          parts and mixture, each [B], in [0, 2]
 */
export function dualConditionLoss(
  toIdentity: tf.Tensor1D,
  toStyle: tf.Tensor1D,
  g: tf.Tensor1D,
): { identity: tf.Tensor1D; style: tf.Tensor1D; loss: tf.Tensor1D } {
  const identity = tf.sub(1, toIdentity) as tf.Tensor1D;
  const style = tf.sub(1, toStyle) as tf.Tensor1D;
  return { identity, style, loss: tf.add(tf.mul(g, identity), tf.mul(tf.sub(1, g), style)) };
}
