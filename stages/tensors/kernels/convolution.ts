/**
 * Convolutions and their gradients, all as ONNX's Conv or ConvTranspose. tfjs' tensors are NHWC with filters [kh, kw, in, out];
 * ONNX wants NCHW and [out, in, kh, kw]. A filter kept as [out, kh, kw, in] (layers.ts) needs one cheap transpose.
 */
import { inOrder, Symbolic } from '../symbol.js';
import { blockedConvolution, isWorthBlocks } from './blocked-convolution.js';
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
  const image = inOrder(source, NCHW);
  const told = { ...attributesOf(geometry), pads };
  const rows = rowsOf(filter);
  const convolve = (...bias: string[]): Symbolic => {
    const name = isWorthScattering(rows, geometry, pads, graph.target.block)
      ? scatteringConvolution(graph, image, rows, geometry.kernel, pads, ...bias)
      : isWorthBlocks(graph, rows)
        ? blockedConvolution(graph, image, rows, told, geometry.kernel, ...bias)
        : graph.emit('Conv', [image, inOrder(filter, OIHW), ...bias], told);
    return new Symbolic(graph, geometry.outShape, dtype, name, NCHW);
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
