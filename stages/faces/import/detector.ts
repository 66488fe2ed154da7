/**
 * The face detector: SSD (Liu et al., 2016) on MobileNet v1 (Howard et al., 2017), trained on WIDER FACE, with the weights that
 * face-api ships; as a pure function of tensors, so that it runs compiled on any device. Batch normalisation is folded in.
 */
import * as tf from '@tensorflow/tfjs';
import { fold, type FloatWeights, pick } from '../../recognition/face-api/weights.js';

/** Edge of the network's input, pixels: pictures are put into its top left corner at full length. */
export const detectorSize = 512;

/** Boxes of the six scales together. */
const anchors = 5118;

/** A face, in pixels from the top left corner of the picture it was looked for in. */
export interface FaceBox {
  left: number;
  top: number;
  right: number;
  bottom: number;
  /** The detector's confidence, 0 to 1. */
  score: number;
}

/** Pairs of depthwise and pointwise convolutions; these halve. */
const pairs = 13;
const halving = new Set([2, 4, 6, 12]);
const batchNormEpsilon = 0.0010000000474974513;

/** The package's weights under short names, batch normalisation folded in. */
export function foldDetectorWeights(raw: FloatWeights): FloatWeights {
  const folded: FloatWeights = new Map();
  const put = (name: string, filters: string, bias: string) => {
    folded.set(`${name}/filters`, pick(raw, filters));
    folded.set(`${name}/bias`, pick(raw, bias));
  };
  const pointwise = (name: string, from: string) =>
    put(name, `${from}_pointwise/weights`, `${from}_pointwise/convolution_bn_offset`);
  pointwise('conv0', 'MobilenetV1/Conv2d_0');
  for (let i = 1; i <= pairs; i++) {
    const from = `MobilenetV1/Conv2d_${i}_depthwise`;
    const norm = (part: string) => pick(raw, `${from}/BatchNorm/${part}`).data;
    const variance = norm('moving_variance');
    const scale = norm('gamma').map((gamma, c) => gamma / Math.sqrt(variance[c]! + batchNormEpsilon));
    const average = norm('moving_mean');
    const shift = norm('beta').map((beta, c) => beta - average[c]! * scale[c]!);
    const { shape, data } = pick(raw, `${from}/depthwise_weights`);
    const { filters, bias } = fold({ shape, data }, undefined, scale, shift);
    folded.set(`depthwise${i}/filters`, filters);
    folded.set(`depthwise${i}/bias`, { shape: [bias.length], data: bias });
    pointwise(`pointwise${i}`, `MobilenetV1/Conv2d_${i}`);
  }
  for (let i = 0; i < 8; i++) pointwise(`extra${i}`, `Prediction/Conv2d_${i}`);
  for (let i = 0; i < 6; i++) {
    const from = `Prediction/BoxPredictor_${i}`;
    put(`box${i}`, `${from}/BoxEncodingPredictor/weights`, `${from}/BoxEncodingPredictor/biases`);
    put(`class${i}`, `${from}/ClassPredictor/weights`, `${from}/ClassPredictor/biases`);
  }
  folded.set('anchors', { shape: [anchors, 4], data: pick(raw, 'Output/extra_dim').data });
  return folded;
}

/**
 * @param images [B, 512, 512, 3] RGB, 0..255
 * @returns box encodings and the face's logit, [B, 5118, 5]: (dy, dx, log h, log w) relative to the anchor, logit
 */
export function detectFaces(images: tf.Tensor4D, weight: (name: string) => tf.Tensor): tf.Tensor3D {
  const batch = images.shape[0];
  const relu6 = (x: tf.Tensor4D, name: string) =>
    tf.clipByValue(x.add<tf.Tensor4D>(weight(`${name}/bias`)), 0, 6);
  const convolve = (x: tf.Tensor4D, name: string, stride: number) =>
    relu6(tf.conv2d(x, weight(`${name}/filters`) as tf.Tensor4D, stride, 'same'), name);

  let x = convolve(images.div<tf.Tensor4D>(tf.scalar(127.5)).sub(tf.scalar(1)), 'conv0', 2);
  const maps: tf.Tensor4D[] = [];
  for (let i = 1; i <= pairs; i++) {
    const filters = weight(`depthwise${i}/filters`) as tf.Tensor4D;
    x = relu6(tf.depthwiseConv2d(x, filters, halving.has(i) ? 2 : 1, 'same'), `depthwise${i}`);
    x = convolve(x, `pointwise${i}`, 1);
    if (i === 11) maps.push(x);
  }
  maps.push(x);
  for (let i = 0; i < 8; i++) {
    x = convolve(x, `extra${i}`, i % 2 === 0 ? 1 : 2);
    if (i % 2 === 1) maps.push(x);
  }
  const predict = (map: tf.Tensor4D, name: string, columns: number) =>
    tf
      .conv2d(map, weight(`${name}/filters`) as tf.Tensor4D, 1, 'same')
      .add(weight(`${name}/bias`))
      .reshape<tf.Tensor3D>([batch, -1, columns]);
  const boxes = tf.concat(
    maps.map((map, i) => predict(map, `box${i}`, 4)),
    1,
  );
  // Of the three classes (background, face, none) only the face's score is used.
  const faces = tf.concat(
    maps.map((map, i) => tf.slice(predict(map, `class${i}`, 3), [0, 0, 1], [batch, -1, 1])),
    1,
  );
  return tf.concat([boxes, faces], 2);
}

/**
 * Boxes from the network's output for one image, the most confident first.
 *
 * @param output     [5118, 5], one image's rows of `detectFaces`
 * @param anchorRows [5118, 4], (top, left, bottom, right) as fractions of the input's edge
 * @param confidence scores above it count
 * @returns boxes in pixels of the network's input
 */
export function decodeFaces(output: Float32Array, anchorRows: Float32Array, confidence: number): FaceBox[] {
  const found: FaceBox[] = [];
  for (let i = 0; i < anchors; i++) {
    const score = 1 / (1 + Math.exp(-output[5 * i + 4]!));
    if (score <= confidence) continue;
    const [top, left, bottom, right] = anchorRows.subarray(4 * i, 4 * i + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    const [height, width] = [bottom - top, right - left];
    const y = (output[5 * i]! / 10) * height + top + height / 2;
    const x = (output[5 * i + 1]! / 10) * width + left + width / 2;
    const h = Math.exp(output[5 * i + 2]! / 5) * height;
    const w = Math.exp(output[5 * i + 3]! / 5) * width;
    const clamp = (fraction: number) => Math.min(1, Math.max(0, fraction)) * detectorSize;
    found.push({
      left: clamp(x - w / 2),
      top: clamp(y - h / 2),
      right: clamp(x + w / 2),
      bottom: clamp(y + h / 2),
      score,
    });
  }
  return suppress(found.sort((a, b) => b.score - a.score));
}

/** Keeps a box unless it overlaps a more confident one that is kept by more than half. */
function suppress(sorted: readonly FaceBox[]): FaceBox[] {
  const kept: FaceBox[] = [];
  for (const box of sorted) if (kept.every((other) => overlap(box, other) <= 0.5)) kept.push(box);
  return kept;
}

/** Intersection over union. */
export function overlap(a: FaceBox, b: FaceBox): number {
  const area = (box: FaceBox) => Math.max(0, box.right - box.left) * Math.max(0, box.bottom - box.top);
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const shared = Math.max(0, width) * Math.max(0, height);
  const union = area(a) + area(b) - shared;
  return union > 0 ? shared / union : 0;
}
