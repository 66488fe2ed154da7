/**
 * From an aligned face as this project stores them (ArcFace's template, perhaps with a margin) to the face chip that dlib's network was
 * trained on: 150 pixels, eyes to mouth smaller in the frame, the chin inside it. Both frames are upright, so the map is a scale and a
 * shift, and resampling is one matrix for rows and one for columns: exact, differentiable, the same inside and outside a step.
 */
import * as tf from '@tensorflow/tfjs';
import { inputSize } from './network.js';

/**
 * dlib's chip (padding 0.25) on ArcFace's 112-pixel frame: edge and middle in its pixels, from the mean face shape in dlib's
 * get_face_chip_details. The network is sensitive to it: the plain 112-pixel crop costs 13 points of accuracy on LFW pictures.
 */
const chip = { edge: 103, x: 56, y: 71 };
const templateSize = 112;

/**
 * Weights of one axis: pixel centres of the chip as means of source pixels under a triangle as wide as the larger of both pixels
 * (bilinear where it enlarges, without aliasing where it shrinks). Beyond the picture its last pixel goes on.
 *
 * @param size   source pixels along the axis
 * @param margin frame added to ArcFace's on each side, as a fraction of its edge
 * @param middle of the chip along the axis, in ArcFace's pixels
 * @returns      [150, size], rows sum to 1
 */
export function resampling(size: number, margin: number, middle: number): Float32Array {
  const perTemplate = size / (templateSize * (1 + 2 * margin));
  const step = (chip.edge / inputSize) * perTemplate;
  const start = (middle + margin * templateSize) * perTemplate - (inputSize / 2) * step;
  const reach = Math.max(1, step);
  const weights = new Float32Array(inputSize * size);
  for (let i = 0; i < inputSize; i++) {
    const centre = start + (i + 0.5) * step - 0.5;
    const row = weights.subarray(i * size, (i + 1) * size);
    let total = 0;
    for (let j = Math.ceil(centre - reach); j <= Math.floor(centre + reach); j++) {
      const weight = 1 - Math.abs(j - centre) / reach;
      const inside = Math.min(size - 1, Math.max(0, j));
      row[inside] = row[inside]! + weight;
      total += weight;
    }
    for (let j = 0; j < size; j++) row[j] = row[j]! / total;
  }
  return weights;
}

/**
 * @param images [B, H, W, 3], aligned, of any size
 * @param margin see resampling
 * @returns      face chips in the same range, [B, 150, 150, 3]
 */
export function faceChips(images: tf.Tensor4D, margin: number): tf.Tensor4D {
  const [batch, height, width] = images.shape;
  const rows = tf.tensor2d(resampling(height, margin, chip.y), [inputSize, height]);
  const columns = tf.tensor2d(resampling(width, margin, chip.x), [inputSize, width]);
  const byWidth = images.transpose([0, 1, 3, 2]).reshape<tf.Tensor2D>([batch * height * 3, width]);
  const wide = tf.matMul(byWidth, columns, false, true).reshape([batch, height, 3, inputSize]);
  const byHeight = wide.transpose([0, 3, 2, 1]).reshape<tf.Tensor2D>([batch * inputSize * 3, height]);
  const whole = tf.matMul(byHeight, rows, false, true).reshape([batch, inputSize, 3, inputSize]);
  return whole.transpose<tf.Tensor4D>([0, 3, 1, 2]);
}
