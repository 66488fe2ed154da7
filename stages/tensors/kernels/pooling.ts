/** Pooling and resizing of NHWC images. */
import * as tf from '@tensorflow/tfjs';
import { scale } from '../arithmetic.js';
import { imageOf } from '../blocked-arithmetic.js';
import { BlockedImage, NCHWC } from '../blocked-image.js';
import { fill, Symbolic } from '../symbol.js';
import { inOrder } from '../views.js';
import { NCHW } from './convolution-geometry.js';
import { kernel, type TraceKernel } from './kernel.js';

interface PoolingAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface Windows {
  outShape: number[];
  attributes: { kernel_shape: number[]; strides: number[]; pads: number[] };
}

function windowsOf(
  input: number[],
  { filterSize, strides, pad, dimRoundingMode }: PoolingAttributes,
): Windows {
  const shape = input as [number, number, number, number];
  const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const { top, left, bottom, right } = info.padInfo;
  return {
    outShape: info.outShape,
    attributes: {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [top, left, bottom, right],
    },
  };
}

/** ONNX's and tfjs' average both leave the padding out of the count. */
function averagePool(x: Symbolic, { outShape, attributes }: Windows): Symbolic {
  const name = x.graph.emit('AveragePool', [inOrder(x, NCHW)], attributes);
  return new Symbolic(x.graph, outShape, x.dtype, name, NCHW);
}

function averagePoolGradient(dy: Symbolic, input: Symbolic, attributes: PoolingAttributes): Symbolic {
  const { kernel_shape: size, strides, pads } = windowsOf(input.shape, attributes).attributes;
  const [kh, kw] = size as [number, number];
  const tiles = strides[0] === kh && strides[1] === kw && pads.every((p) => p === 0);
  if (!tiles || input.shape[1]! % kh !== 0 || input.shape[2]! % kw !== 0) {
    throw new Error('the gradient of an average pool is traced only where its windows tile the image');
  }
  return scale(upsample(dy, kh, kw), 1 / (kh * kw));
}

function maxPool(x: Symbolic, { outShape, attributes }: Windows): Symbolic {
  const name = x.graph.emit('MaxPool', [inOrder(x, NCHW)], attributes);
  return new Symbolic(x.graph, outShape, x.dtype, name, NCHW);
}

/** Each dy goes to the place its maximum came from, which ONNX's MaxPool tells as an index into the flat NCHW input. */
function maxPoolGradient(dy: Symbolic, input: Symbolic, attributes: PoolingAttributes): Symbolic {
  const { graph, dtype } = dy;
  const windows = windowsOf(input.shape, attributes);
  const indices = graph.emitAll('MaxPool', [inOrder(input, NCHW)], 2, windows.attributes)[1]!;
  const physical = (shape: readonly number[]): number[] => NCHW.map((axis) => shape[axis]!);
  const name = graph.emit(
    'ScatterElements',
    [
      fill(graph, [input.size], 0, dtype).name,
      graph.reshape(indices, physical(dy.shape), [dy.size]),
      graph.reshape(inOrder(dy, NCHW), physical(dy.shape), [dy.size]),
    ],
    { axis: 0, reduction: 'add' },
  );
  return new Symbolic(
    graph,
    input.shape,
    dtype,
    graph.reshape(name, [input.size], physical(input.shape)),
    NCHW,
  );
}

function upsample(x: Symbolic, rows: number, columns: number): Symbolic {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const image = imageOf(x);
  if (image) {
    const scales = [1, 1, rows, columns];
    const blocks = x.graph.emit('Upsample', [image.blocks], { scales, mode: 'nearest' }, NCHWC);
    const large = BlockedImage.of(x.graph, [n, c, h * rows, w * columns], blocks);
    return new Symbolic(x.graph, [n, h * rows, w * columns, c], x.dtype, large, NCHW);
  }
  const scales = x.graph.constant(Float32Array.from([1, 1, rows, columns]), [4], 'float32');
  const name = x.graph.emit('Resize', [inOrder(x, NCHW), '', scales], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
  return new Symbolic(x.graph, [n, h * rows, w * columns, c], x.dtype, name, NCHW);
}

/** How many times larger, where that is whole. */
function factors(small: readonly number[], large: readonly number[]): [number, number] {
  const times = [large[0]! / small[0]!, large[1]! / small[1]!] as [number, number];
  if (!times.every(Number.isInteger)) {
    throw new Error(
      `nearest resizing from ${small.join('x')} to ${large.join('x')} is not traced: only whole factors are`,
    );
  }
  return times;
}

interface ResizeAttributes {
  size: [number, number];
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

function bilinear(images: Symbolic, { size, alignCorners, halfPixelCenters }: ResizeAttributes): Symbolic {
  const [n, , , c] = images.shape as [number, number, number, number];
  const { graph } = images;
  const name = graph.emit('Resize', [inOrder(images, NCHW), '', '', graph.int64([n, c, ...size])], {
    mode: 'linear',
    coordinate_transformation_mode: alignCorners
      ? 'align_corners'
      : halfPixelCenters
        ? 'half_pixel'
        : 'asymmetric',
  });
  return new Symbolic(graph, [n, ...size, c], images.dtype, name, NCHW);
}

export const poolingKernels: readonly TraceKernel[] = [
  kernel<'x', PoolingAttributes>('AvgPool', ({ x }, attributes) =>
    averagePool(x, windowsOf(x.shape, attributes)),
  ),
  kernel<'dy' | 'input', PoolingAttributes>('AvgPoolGrad', ({ dy, input }, attributes) =>
    averagePoolGradient(dy, input, attributes),
  ),
  kernel<'x', PoolingAttributes>('MaxPool', ({ x }, attributes) =>
    maxPool(x, windowsOf(x.shape, attributes)),
  ),
  kernel<'dy' | 'input', PoolingAttributes>('MaxPoolGrad', ({ dy, input }, attributes) =>
    maxPoolGradient(dy, input, attributes),
  ),
  kernel<'images', ResizeAttributes>(
    'ResizeNearestNeighbor',
    ({ images }, { size, alignCorners, halfPixelCenters }) => {
      if (alignCorners || halfPixelCenters)
        throw new Error('nearest resizing is traced only without corner alignment');
      return upsample(images, ...factors(images.shape.slice(1, 3), size));
    },
  ),
  kernel<'images' | 'dy'>('ResizeNearestNeighborGrad', ({ images, dy }) => {
    const size = factors(images.shape.slice(1, 3), dy.shape.slice(1, 3));
    const windows = { kernel_shape: size, strides: size, pads: [0, 0, 0, 0] };
    return scale(averagePool(dy, { outShape: images.shape, attributes: windows }), size[0] * size[1]);
  }),
  kernel<'images', ResizeAttributes>('ResizeBilinear', ({ images }, attributes) =>
    bilinear(images, attributes),
  ),
];
