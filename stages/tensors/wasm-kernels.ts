/**
 * The gradients of a convolution on tfjs 'wasm', made of its forward convolution: the filter's is missing there, and the input's is several
 * times slower than this. Also the sum over segments (the gradient of a gather), which is missing too.
 */
import * as tf from '@tensorflow/tfjs';

type Shape4 = [number, number, number, number];

interface Attributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface Geometry {
  stride: number;
  top: number;
  left: number;
}

function geometryOf(input: Shape4, filter: Shape4, { strides, pad, dimRoundingMode }: Attributes): Geometry {
  const info = tf.backend_util.computeConv2DInfo(input, filter, strides, 1, pad, dimRoundingMode);
  if (info.strideHeight !== info.strideWidth)
    throw new Error('convolutions of unequal strides have no gradient on wasm');
  return { stride: info.strideHeight, top: info.padInfo.top, left: info.padInfo.left };
}

/** dy spread out by the stride, convolved with the filter turned by 180 degrees, in and out exchanged. */
function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  inputShape: Shape4,
  attributes: Attributes,
): tf.Tensor4D {
  const [kh, kw] = filter.shape;
  const { stride, top, left } = geometryOf(inputShape, filter.shape, attributes);
  const spread = stride === 1 ? dy : spreadOut(dy, stride);
  const before = [kh - 1 - top, kw - 1 - left] as const;
  const after = [
    inputShape[1] + kh - 1 - spread.shape[1] - before[0],
    inputShape[2] + kw - 1 - spread.shape[2] - before[1],
  ] as const;
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]) as tf.Tensor4D;
  const padding: tf.backend_util.ExplicitPadding = [
    [0, 0],
    [before[0], after[0]],
    [before[1], after[1]],
    [0, 0],
  ];
  return tf.conv2d(spread, turned, 1, padding);
}

/** `stride` - 1 zeros between neighbours in height and width. */
function spreadOut(dy: tf.Tensor4D, stride: number): tf.Tensor4D {
  const [n, h, w, c] = dy.shape;
  const rows = tf.pad(tf.reshape(dy, [n * h, 1, w, c]), [
    [0, 0],
    [0, stride - 1],
    [0, 0],
    [0, 0],
  ]);
  const pixels = tf.reshape(rows, [n * h * stride * w, 1, c]);
  const both = tf.reshape(
    tf.pad(pixels, [
      [0, 0],
      [0, stride - 1],
      [0, 0],
    ]),
    [n, h * stride, w * stride, c],
  );
  return tf.slice(both as tf.Tensor4D, [0, 0, 0, 0], [n, (h - 1) * stride + 1, (w - 1) * stride + 1, c]);
}

/**
 * One convolution with the batch as channels and dy as its filter, as in kernels/filter-gradient.ts:
 * x as [1, H, W Ci, N], dy as [Ho, Wo, N, Co] dilated by (stride, stride Ci).
 */
function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: Shape4,
  attributes: Attributes,
): tf.Tensor4D {
  const [kh, kw, inputs, outputs] = filterShape;
  const { stride, top, left } = geometryOf(x.shape, filterShape, attributes);
  if (kh === 1 && kw === 1 && stride === 1) {
    const rows = tf.reshape(x, [-1, inputs]);
    return tf.reshape(tf.matMul(rows, tf.reshape(dy, [-1, outputs]), true, false), filterShape);
  }
  const [n, outHeight, outWidth] = dy.shape;
  const reach = [kh + (outHeight - 1) * stride, kw + (outWidth - 1) * stride] as const;
  const height = Math.min(x.shape[1], reach[0] - top);
  const width = Math.min(x.shape[2], reach[1] - left);
  const read = tf.slice(x, [0, 0, 0, 0], [n, height, width, inputs]);
  const interleaved = tf.reshape(tf.transpose(read, [1, 2, 3, 0]), [1, height, width * inputs, n]);
  const padded = tf.pad(interleaved, [
    [0, 0],
    [top, reach[0] - height - top],
    [left * inputs, (reach[1] - width - left) * inputs],
    [0, 0],
  ]);
  const dilations: [number, number] = [stride, stride * inputs];
  const asFilter = tf.transpose(dy, [1, 2, 0, 3]) as tf.Tensor4D;
  const gradient = tf.conv2d(padded as tf.Tensor4D, asFilter, 1, 'valid', 'NHWC', dilations);
  return tf.reshape(gradient, filterShape);
}

/** As a product with the one-hot matrix of the segments. */
function segmentSum(x: tf.Tensor, segments: tf.Tensor1D, count: number): tf.Tensor {
  const membership = tf.cast(tf.oneHot(segments, count), 'float32') as tf.Tensor2D;
  const rows = tf.reshape(x, [segments.size, -1]);
  return tf.reshape(tf.matMul(membership, rows, true, false), [count, ...x.shape.slice(1)]);
}

/** Registers the kernels with the 'wasm' backend, once. */
export function registerWasmKernels(): void {
  register('Conv2DBackpropInput', ({ dy, filter }, attributes: Attributes & { inputShape: Shape4 }) =>
    inputGradient(dy as tf.Tensor4D, filter as tf.Tensor4D, attributes.inputShape, attributes),
  );
  register('Conv2DBackpropFilter', ({ x, dy }, attributes: Attributes & { filterShape: Shape4 }) =>
    filterGradient(x as tf.Tensor4D, dy as tf.Tensor4D, attributes.filterShape, attributes),
  );
  register('UnsortedSegmentSum', ({ x, segmentIds }, { numSegments }: { numSegments: number }) =>
    segmentSum(x!, segmentIds as tf.Tensor1D, numSegments),
  );
}

function register<A>(
  name: string,
  compute: (inputs: Record<string, tf.Tensor>, attributes: A) => tf.Tensor,
): void {
  if (tf.getKernel(name, 'wasm')) tf.unregisterKernel(name, 'wasm');
  tf.registerKernel({
    kernelName: name,
    backendName: 'wasm',
    // tfjs gives kernels the tensors themselves, so kernels can be made of operations.
    kernelFunc: ({ inputs, attrs }) =>
      tf.tidy(() => compute(inputs as Record<string, tf.Tensor>, attrs as A)),
  });
}
