/**
 * The 68 landmarks of a face box (iBUG 300-W's numbering), by face-api's network of four dense blocks of separable
 * convolutions, as a pure function of tensors; and the five points that alignment wants.
 */
import * as tf from '@tensorflow/tfjs';
import type { Point } from './similarity.js';

/** Edge of the network's input, pixels: the box, centred in a black square. */
export const landmarkSize = 112;
export const landmarkCount = 68;

/** Mean of R, G, B over the training data, 0..255. */
const mean = [122.782, 117.001, 104.298];

/**
 * @param crops [B, 112, 112, 3] RGB, 0..255
 * @returns x, y of each landmark as fractions of the crop's edge, [B, 136]
 */
export function findLandmarks(crops: tf.Tensor4D, weight: (name: string) => tf.Tensor): tf.Tensor2D {
  const separable = (x: tf.Tensor4D, name: string, stride: number) => {
    const depthwise = tf.depthwiseConv2d(
      x,
      weight(`${name}/depthwise_filter`) as tf.Tensor4D,
      stride,
      'same',
    );
    return tf
      .conv2d(depthwise, weight(`${name}/pointwise_filter`) as tf.Tensor4D, 1, 'same')
      .add<tf.Tensor4D>(weight(`${name}/bias`));
  };
  let x = crops.sub<tf.Tensor4D>(tf.tensor1d(mean)).div<tf.Tensor4D>(tf.scalar(255));
  for (let block = 0; block < 4; block++) {
    const name = `dense${block}`;
    const first =
      block === 0
        ? tf
            .conv2d(x, weight(`${name}/conv0/filters`) as tf.Tensor4D, 2, 'same')
            .add<tf.Tensor4D>(weight(`${name}/conv0/bias`))
        : separable(x, `${name}/conv0`, 2);
    // Each of the three convolutions that follow sees the rectified sum of all before it.
    let sum = tf.relu(first);
    for (const conv of ['conv1', 'conv2', 'conv3'])
      sum = sum.add<tf.Tensor4D>(separable(tf.relu(sum), `${name}/${conv}`, 1));
    x = tf.relu(sum);
  }
  const pooled = tf.avgPool(x, 7, 2, 'valid').reshape<tf.Tensor2D>([crops.shape[0], -1]); // [B, 256]
  return tf.matMul(pooled, weight('fc/weights') as tf.Tensor2D).add(weight('fc/bias'));
}

/** Left eye, right eye (as the viewer sees them), tip of the nose, left and right corner of the mouth: ArcFace's order. */
export function fivePoints(landmarks: readonly Point[]): [Point, Point, Point, Point, Point] {
  const middle = (from: number, to: number): Point => {
    const some = landmarks.slice(from, to);
    return {
      x: some.reduce((sum, { x }) => sum + x, 0) / some.length,
      y: some.reduce((sum, { y }) => sum + y, 0) / some.length,
    };
  };
  return [middle(36, 42), middle(42, 48), landmarks[30]!, landmarks[48]!, landmarks[54]!];
}
