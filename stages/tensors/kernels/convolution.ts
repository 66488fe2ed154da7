/**
 * Convolutions and their gradients, all as ONNX's Conv or ConvTranspose. tfjs' tensors are NHWC with filters [kh, kw, in, out];
 * ONNX wants NCHW and [out, in, kh, kw]. A filter kept as [out, kh, kw, in] (layers.ts) needs one cheap transpose.
 */
import { imageOf } from '../blocked-arithmetic.js';
import { BlockedImage, intoBlocks } from '../blocked-image.js';
import { Symbolic } from '../symbol.js';
import { inOrder } from '../views.js';
import {
  blockedConvolution,
  convolutionInBlocks,
  isWorthBlocks,
  maybeInBlocks,
} from './blocked-convolution.js';
import {
  attributesOf,
  type ConvolutionAttributes,
  geometryOf,
  NCHW,
  OIHW,
  rowsOf,
  type Size4,
  unpadded,
} from './convolution-geometry.js';
import { filterGradient } from './filter-gradient.js';
import { inputGradient } from './input-gradient.js';
import { isWorthScattering, scatteringConvolution } from './scattering-convolution.js';
import { kernel, type TraceKernel } from './kernel.js';

function convolution(x: Symbolic, filter: Symbolic, attributes: ConvolutionAttributes): Symbolic {
  const geometry = geometryOf(x.shape, filter.shape, attributes);
  const { graph, dtype } = x;
  const { source, pads } = unpadded(x, geometry);
  const told = { ...attributesOf(geometry), pads };
  const rows = rowsOf(filter);
  const scatters = isWorthScattering(rows, geometry, pads, graph.target.block);
  const given = imageOf(source);
  const plain = (bias: string[]): string => {
    const image = inOrder(source, NCHW);
    if (scatters) return scatteringConvolution(graph, image, rows, geometry.kernel, pads, ...bias);
    return isWorthBlocks(graph, rows)
      ? blockedConvolution(graph, image, rows, told, geometry.kernel, ...bias)
      : graph.emit('Conv', [image, inOrder(filter, OIHW), ...bias], told);
  };
  const read = (): string => {
    if (given) return given.blocks;
    const image = inOrder(source, NCHW);
    return rows.inputs < graph.target.block ? image : intoBlocks(graph, image);
  };
  const inBlocks = (bias: string[]): BlockedImage => {
    const [n, h, w, c] = geometry.outShape as Size4;
    const sum = (others?: string): string =>
      convolutionInBlocks(graph, read(), rows, told, geometry.kernel, { bias: bias[0], sum: others });
    // From blocks it goes into blocks; others only where somebody wants it there.
    const ordinary = given ? {} : { plain: () => plain(bias) };
    return new BlockedImage(graph, [n, c, h, w], { blocks: sum, sum, ...ordinary });
  };
  const convolve = (...bias: string[]): Symbolic => {
    const array = !scatters && maybeInBlocks(graph, rows) ? inBlocks(bias) : plain(bias);
    return new Symbolic(graph, geometry.outShape, dtype, array, NCHW);
  };
  const result = convolve();
  result.withBias = (bias) => convolve(bias.name);
  return result;
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
