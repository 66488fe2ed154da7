/**
 * Convolutions and their gradients, all as ONNX's Conv or ConvTranspose. tfjs' tensors are NHWC with filters [kh, kw, in, out];
 * ONNX wants NCHW and [out, in, kh, kw]. A filter kept as [out, kh, kw, in] (layers.ts) needs one cheap transpose.
 */
import * as tf from '@tensorflow/tfjs';
import { slice } from '../arithmetic.js';
import { sameDims } from '../graph.js';
import { axesOf, inOrder, reshape, Symbolic } from '../symbol.js';
import {
  blockedConvolution,
  fillsBlocks,
  type FilterRows,
  fromBlocks,
  intoBlocks,
  isWorthBlocks,
} from './blocked-convolution.js';
import { kernel, type TraceKernel } from './kernel.js';

/** The physical order of a logical NHWC image that ONNX's convolutions and pools take. */
export const NCHW: readonly number[] = [0, 3, 1, 2];
const NHWC: readonly number[] = [0, 1, 2, 3];
const OIHW: readonly number[] = [3, 2, 0, 1];
const OHWI: readonly number[] = [3, 0, 1, 2];

type Size4 = [number, number, number, number];

interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dilations?: [number, number] | number;
  dataFormat?: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface Geometry {
  outShape: number[];
  height: number;
  width: number;
  kernel: [number, number];
  strides: [number, number];
  dilations: [number, number];
  /** Top, left, bottom, right. */
  pads: Size4;
}

function geometryOf(
  input: number[],
  filter: number[],
  attributes: ConvolutionAttributes,
  depthwise = false,
): Geometry {
  const { strides, pad, dilations = 1, dataFormat = 'NHWC', dimRoundingMode } = attributes;
  if (dataFormat !== 'NHWC') throw new Error(`convolutions are traced in NHWC only, not in ${dataFormat}`);
  const info = tf.backend_util.computeConv2DInfo(
    input as Size4,
    filter as Size4,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    depthwise,
  );
  const { top, left, bottom, right } = info.padInfo;
  return {
    outShape: info.outShape,
    height: info.outHeight,
    width: info.outWidth,
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
  };
}

function attributesOf({ kernel, strides, dilations, pads }: Geometry): Record<string, number[]> {
  return { kernel_shape: kernel, strides, dilations, pads };
}

/** What a convolution reads, with zeros that were put around it in height and width left to its own padding. */
function unpadded(x: Symbolic, { pads }: Geometry): { source: Symbolic; pads: Size4 } {
  const [batch, rows, columns, channels] = x.padded?.paddings ?? [];
  if (!rows || !columns || [...batch!, ...channels!].some((zeros) => zeros !== 0)) return { source: x, pads };
  const [top, left, bottom, right] = pads;
  return {
    source: x.padded!.source,
    pads: [top + rows[0], left + columns[0], bottom + rows[1], right + columns[1]],
  };
}

function convolution(x: Symbolic, filter: Symbolic, attributes: ConvolutionAttributes): Symbolic {
  const geometry = geometryOf(x.shape, filter.shape, attributes);
  const { graph, dtype } = x;
  const { source, pads } = unpadded(x, geometry);
  const image = inOrder(source, NCHW);
  const told = { ...attributesOf(geometry), pads };
  const rows = rowsOf(filter);
  const convolve = (...bias: string[]): Symbolic => {
    const name = isWorthBlocks(graph, rows)
      ? blockedConvolution(graph, image, rows, told, geometry.kernel, ...bias)
      : graph.emit('Conv', [image, inOrder(filter, OIHW), ...bias], told);
    return new Symbolic(graph, geometry.outShape, dtype, name, NCHW);
  };
  const result = convolve();
  result.withBias = (bias) => convolve(bias.name);
  return result;
}

/**
 * The gradient of a convolution by its input: with stride 1 a convolution with the filter turned by 180 degrees, otherwise a
 * transposed convolution.
 */
function inputGradient(
  dy: Symbolic,
  filter: Symbolic,
  inputShape: number[],
  attributes: ConvolutionAttributes,
): Symbolic {
  const { graph, dtype } = dy;
  const geometry = geometryOf(inputShape, filter.shape, attributes);
  const { kernel, strides, dilations, pads } = geometry;
  const [, height, width] = inputShape as Size4;
  const reach = reachOf(kernel, dilations);
  if (strides[0] === 1 && strides[1] === 1) {
    const top = reach[0] - 1 - pads[0];
    const left = reach[1] - 1 - pads[1];
    const bottom = height + reach[0] - 1 - geometry.height - top;
    const right = width + reach[1] - 1 - geometry.width - left;
    const told = { ...attributesOf(geometry), pads: [top, left, bottom, right] };
    const rows = rowsOf(filter);
    const name = isWorthBlocks(graph, swapped(rows))
      ? blockedConvolution(graph, inOrder(dy, NCHW), { ...rows, turned: true }, told, kernel)
      : graph.emit('Conv', [inOrder(dy, NCHW), turned(filter)], told);
    return new Symbolic(graph, inputShape, dtype, name, NCHW);
  }
  return stridedGradient(dy, filter, inputShape, geometry);
}

/** Where the convolution strides. What is cut off the gradient, as that of the zeros around the input, is not computed. */
function stridedGradient(dy: Symbolic, filter: Symbolic, inputShape: number[], geometry: Geometry): Symbolic {
  const gradient =
    shuffledGradient(dy, filter, inputShape, geometry) ??
    transposedConvolution(dy, filter, inputShape, geometry);
  const [batch, height, width, channels] = inputShape as Size4;
  const [top, left, bottom, right] = geometry.pads;
  gradient.cut = ([image, row, column, channel], shape) => {
    const [images, rows, columns, depth] = shape as Size4;
    if (image !== 0 || images !== batch || channel !== 0 || depth !== channels) return undefined;
    const below = height - row! - rows;
    const beside = width - column! - columns;
    const pads: Size4 = [top + row!, left + column!, bottom + below, right + beside];
    return stridedGradient(dy, filter, shape, { ...geometry, pads });
  };
  return gradient;
}

function transposedConvolution(
  dy: Symbolic,
  filter: Symbolic,
  inputShape: number[],
  geometry: Geometry,
): Symbolic {
  const { graph, dtype } = dy;
  const { kernel, strides, dilations, pads } = geometry;
  const [, height, width] = inputShape as Size4;
  const reach = reachOf(kernel, dilations);
  // Rows and columns that the strides never reached get no gradient.
  const missed = [
    height - (strides[0] * (geometry.height - 1) + reach[0] - pads[0] - pads[2]),
    width - (strides[1] * (geometry.width - 1) + reach[1] - pads[1] - pads[3]),
  ];
  const name = graph.emit('ConvTranspose', [inOrder(dy, NCHW), inOrder(filter, OIHW)], {
    ...attributesOf(geometry),
    output_padding: missed,
  });
  return new Symbolic(graph, inputShape, dtype, name, NCHW);
}

/** Pixels from the first to the last that a filter reads, with the gaps that dilation leaves. */
function reachOf(kernel: readonly [number, number], dilations: readonly [number, number]): [number, number] {
  return [(kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1];
}

/**
 * The gradient by the input of a strided convolution as ONE convolution of stride 1, on blocked channels: each place of dy's map gives sh x sw pixels
 * as channels, which are then put side by side (Shi et al., CVPR 2016, section 2.2). Taps that a pixel does not have are zeros of its filter.
 * @returns undefined where ONNX's transposed convolution is to be taken
 */
function shuffledGradient(
  dy: Symbolic,
  filter: Symbolic,
  inputShape: number[],
  { kernel, strides, dilations, pads, height, width }: Geometry,
): Symbolic | undefined {
  const { graph, dtype } = dy;
  const [batch, inHeight, inWidth, channels] = inputShape as Size4;
  const rows = rowsOf(filter);
  const phases = strides[0] * strides[1];
  const [down, across] = [
    phasesOf(kernel[0], strides[0], pads[0], inHeight, height),
    phasesOf(kernel[1], strides[1], pads[1], inWidth, width),
  ];
  const wide: FilterRows = {
    ...rows,
    area: down.window * across.window,
    inputs: phases * channels,
  };
  const padding = [...down.pads, ...across.pads];
  if (
    kernel[0] * kernel[1] === 1 ||
    dilations.some((dilation) => dilation !== 1) ||
    padding.some((zeros) => zeros < 0) ||
    !isWorthBlocks(graph, swapped(wide))
  )
    return undefined;
  // One tap more, of zeros; then for each tap of the window, turned, the tap of each phase.
  const { outputs, area } = rows;
  const withZero = graph.emit('Pad', [rows.name, graph.int64([0, 0, 0, 0, 1, 0])]);
  const taps = [...down.taps]
    .reverse()
    .flatMap((r) =>
      [...across.taps]
        .reverse()
        .flatMap((c) =>
          r.flatMap((i) => c.map((j) => (i === undefined || j === undefined ? area : i * kernel[1] + j))),
        ),
    );
  const gathered = graph.emit('Gather', [withZero, graph.int64(taps)], { axis: 1 });
  const name = graph.reshape(gathered, [outputs, taps.length, channels], [outputs, wide.area, wide.inputs]);
  const window: [number, number] = [down.window, across.window];
  const blocks = blockedConvolution(
    graph,
    inOrder(dy, NCHW),
    { ...wide, name, turned: true },
    {
      kernel_shape: window,
      strides: [1, 1],
      dilations: [1, 1],
      pads: [down.pads[0], across.pads[0], down.pads[1], across.pads[1]],
    },
    window,
  );
  const [h, w] = [down.places, across.places];
  const [allRows, allColumns] = [h * strides[0], w * strides[1]];
  // [batch, sh, sw, channels, h, w] -> [batch, channels, h, sh, w, sw] by two transposes of two axes: one of six is five times as slow.
  let shape = [batch * strides[0], strides[1], channels * h * w];
  const columns = graph.emit('Transpose', [graph.reshape(blocks, [batch, wide.inputs, h, w], shape)], {
    perm: [0, 2, 1],
  });
  shape = [batch, strides[0], channels * h, allColumns];
  const apart = graph.reshape(columns, [batch * strides[0], channels * h * w, strides[1]], shape);
  const together = graph.emit('Transpose', [apart], { perm: [0, 2, 1, 3] });
  const full = new Symbolic(
    graph,
    [batch, allRows, allColumns, channels],
    dtype,
    graph.reshape(
      together,
      [batch, channels * h, strides[0], allColumns],
      [batch, channels, allRows, allColumns],
    ),
    NCHW,
  );
  return slice(full, [0, 0, 0, 0], inputShape);
}

/**
 * Along one axis, the pixels i = stride j + phase of a strided convolution's input: which taps k bring them a gradient, and from which place j + offset
 * of the output. taps[v][phase] is the tap at the v-th place of the window, if there is one.
 */
function phasesOf(
  kernel: number,
  stride: number,
  pad: number,
  length: number,
  outLength: number,
): { window: number; places: number; pads: [number, number]; taps: (number | undefined)[][] } {
  // i + pad = stride q + k
  const found = Array.from({ length: kernel }, (_, k) => {
    const phase = (((k - pad) % stride) + stride) % stride;
    return { k, phase, offset: (phase + pad - k) / stride };
  });
  const offsets = found.map(({ offset }) => offset);
  const first = Math.min(...offsets);
  const last = Math.max(...offsets);
  const places = Math.ceil(length / stride);
  const window = last - first + 1;
  const taps = Array.from({ length: window }, (_, v) =>
    Array.from(
      { length: stride },
      (__, phase) => found.find((tap) => tap.phase === phase && tap.offset === first + v)?.k,
    ),
  );
  return { window, places, pads: [-first, places - 1 + last - (outLength - 1)], taps };
}

/** The filter as [out, kh kw, in], which is how layers keep it. */
function rowsOf(filter: Symbolic): FilterRows {
  const [kh, kw, inputs, outputs] = filter.shape as Size4;
  const area = kh * kw;
  const shape = [outputs, area, inputs];
  const name = filter.graph.reshape(inOrder(filter, OHWI), [outputs, kh, kw, inputs], shape);
  return { name, outputs, area, inputs };
}

/** What it is to the gradient by its input. */
function swapped({ inputs, outputs, ...rest }: FilterRows): FilterRows {
  return { ...rest, inputs: outputs, outputs: inputs };
}

/**
 * The filter turned by 180 degrees with in and out exchanged, as [in, out, kh, kw]. The turn copies whole blocks of channels, then one
 * transpose of two axes follows: ORT's transpose of three axes is several times slower.
 */
function turned(filter: Symbolic): string {
  const { graph } = filter;
  const [kh, kw, inputs, outputs] = filter.shape as Size4;
  const area = kh * kw;
  const target = [inputs, outputs, kh, kw];
  if (area === 1) return inOrder(filter, [2, 3, 0, 1]);
  const backwards = graph.int64(axesOf(area).reverse());
  if (sameDims(filter.order, OHWI)) {
    const blocks = graph.reshape(filter.name, filter.physicalShape, [outputs, area, inputs]);
    const flipped = graph.emit('Gather', [blocks, backwards], { axis: 1 });
    const flat = graph.reshape(flipped, [outputs, area, inputs], [outputs * area, inputs]);
    return graph.reshape(graph.emit('Transpose', [flat], { perm: [1, 0] }), [inputs, outputs * area], target);
  }
  const blocks = graph.reshape(inOrder(filter, axesOf(4)), filter.shape, [area, inputs, outputs]);
  const flipped = graph.emit('Gather', [blocks, backwards], { axis: 0 });
  return graph.reshape(
    graph.emit('Transpose', [flipped], { perm: [1, 2, 0] }),
    [inputs, outputs, area],
    target,
  );
}

/** The image with its channels beside each other, in NHWC memory; by way of the blocks that a convolution of it is likely to read, which is faster. */
function interleaved(image: Symbolic): string {
  const { graph } = image;
  const channels = image.shape[3]!;
  if (image.base || !sameDims(image.order, NCHW) || !fillsBlocks(graph, channels))
    return inOrder(image, NHWC);
  return fromBlocks(graph, intoBlocks(graph, image.name), channels, { last: true });
}

/**
 * The gradient of a convolution by its filter as ONE ordinary convolution, which runs at the full speed of a matrix product:
 *   input   x in NHWC memory seen as [1, N, H, W Ci]: the batch as channels, input channels interleaved along the width
 *   filter  dy as [Co, N, Ho, Wo]: a filter as large as the output map, dilated by (stride, stride Ci)
 *   output  [1, Co, kh, kw Ci]: a product of Co rows, kh kw Ci columns, over N Ho Wo
 */
function filterGradient(
  x: Symbolic,
  dy: Symbolic,
  filterShape: number[],
  attributes: ConvolutionAttributes,
): Symbolic {
  const { graph, dtype } = x;
  const geometry = geometryOf(x.shape, filterShape, attributes);
  if (geometry.dilations.some((dilation) => dilation !== 1)) {
    throw new Error('the filter gradient of a dilated convolution is not traced');
  }
  const [batch, , , inputs] = x.shape as Size4;
  const [kh, kw, , outputs] = filterShape as Size4;
  const [sh, sw] = geometry.strides;
  const { source, pads } = unpadded(x, geometry);
  const [top, left] = pads;
  let [, height, width] = source.shape as Size4;
  // What dy's window reaches beyond the input is padding; what it does not reach is cut off.
  const beyond = [
    kh + (geometry.height - 1) * sh - height - top,
    kw + (geometry.width - 1) * sw - width - left,
  ] as const;
  height += Math.min(beyond[0], 0);
  width += Math.min(beyond[1], 0);
  const read = slice(source, [0, 0, 0, 0], [batch, height, width, inputs]);
  const bottom = Math.max(beyond[0], 0);
  const right = Math.max(beyond[1], 0);

  const pointwise =
    kh === 1 && kw === 1 && sh === 1 && sw === 1 && [top, left, bottom, right].every((p) => p === 0);
  if (pointwise && !sameDims(read.order, NCHW) && sameDims(dy.order, NHWC)) {
    // Both already lie as rows of channels: a plain product.
    const pixels = batch * height * width;
    const rows = graph.reshape(inOrder(read, NHWC), read.shape, [pixels, inputs]);
    const gradients = graph.reshape(inOrder(dy, NHWC), dy.shape, [pixels, outputs]);
    const name = graph.emit('Gemm', [rows, gradients], { transA: 1 });
    return reshape(new Symbolic(graph, [inputs, outputs], dtype, name), filterShape);
  }
  // Each number of the image is copied kh kw times for the product, so the one with fewer channels is to be the image.
  const opposite = [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right];
  if (
    inputs > outputs &&
    inputs <= kh * kw * outputs &&
    sh === 1 &&
    sw === 1 &&
    opposite.every((p) => p >= 0)
  ) {
    const image = graph.reshape(interleaved(dy), dy.shape, [
      1,
      batch,
      geometry.height,
      geometry.width * outputs,
    ]);
    const flipped = graph.emit('Conv', [image, inOrder(read, [3, 0, 1, 2])], {
      kernel_shape: [height, width],
      strides: [1, 1],
      dilations: [1, outputs],
      pads: opposite.map((p, side) => (side % 2 === 0 ? p : p * outputs)),
    });
    // [in, taps, out], turned by 180 degrees
    const area = kh * kw;
    const rows = graph.reshape(flipped, [1, inputs, kh, kw * outputs], [inputs, area * outputs]);
    const columns = graph.emit('Transpose', [rows], { perm: [1, 0] });
    const taps = graph.reshape(columns, [area * outputs, inputs], [area, outputs, inputs]);
    const turned = graph.emit('Gather', [taps, graph.int64(axesOf(area).reverse())], { axis: 0 });
    const name = graph.reshape(turned, [area, outputs, inputs], [kh, kw, outputs, inputs]);
    return new Symbolic(graph, filterShape, dtype, name, [0, 1, 3, 2]);
  }
  const image = graph.reshape(interleaved(read), read.shape, [1, batch, height, width * inputs]);
  const name = graph.emit('Conv', [image, inOrder(dy, [3, 0, 1, 2])], {
    kernel_shape: [geometry.height, geometry.width],
    strides: [1, 1],
    dilations: [sh, sw * inputs],
    pads: [top, left * inputs, bottom, right * inputs],
  });
  const filter = graph.reshape(name, [1, outputs, kh, kw * inputs], [outputs, kh, kw, inputs]);
  return new Symbolic(graph, filterShape, dtype, filter, OHWI);
}

function depthwise(x: Symbolic, filter: Symbolic, attributes: ConvolutionAttributes): Symbolic {
  const { graph } = x;
  const geometry = geometryOf(x.shape, filter.shape, attributes, true);
  const { source, pads } = unpadded(x, geometry);
  const [kh, kw, inputs, multiplier] = filter.shape as Size4;
  const weights = inOrder(filter, [2, 3, 0, 1]);
  const grouped = graph.reshape(weights, [inputs, multiplier, kh, kw], [inputs * multiplier, 1, kh, kw]);
  const name = graph.emit('Conv', [inOrder(source, NCHW), grouped], {
    ...attributesOf(geometry),
    pads,
    group: inputs,
  });
  return new Symbolic(graph, geometry.outShape, x.dtype, name, NCHW);
}

export const convolutionKernels: readonly TraceKernel[] = [
  kernel<'x' | 'filter', ConvolutionAttributes>('Conv2D', ({ x, filter }, attributes) =>
    convolution(x, filter, attributes),
  ),
  kernel<'dy' | 'filter', ConvolutionAttributes & { inputShape: number[] }>(
    'Conv2DBackpropInput',
    ({ dy, filter }, attributes) => inputGradient(dy, filter, attributes.inputShape, attributes),
  ),
  kernel<'x' | 'dy', ConvolutionAttributes & { filterShape: number[] }>(
    'Conv2DBackpropFilter',
    ({ x, dy }, attributes) => filterGradient(x, dy, attributes.filterShape, attributes),
  ),
  kernel<'x' | 'filter', ConvolutionAttributes>('DepthwiseConv2dNative', ({ x, filter }, attributes) =>
    depthwise(x, filter, attributes),
  ),
];
