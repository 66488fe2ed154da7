/** The gradient of a convolution by its filter. */
import { fillsBlocks, fromBlocks, intoBlocks } from '../blocked-image.js';
import { sameDims } from '../graph.js';
import { axesOf, Symbolic } from '../symbol.js';
import { inOrder, reshape, slice } from '../views.js';
import {
  type ConvolutionAttributes,
  geometryOf,
  NCHW,
  NHWC,
  OHWI,
  type Size4,
  unpadded,
} from './convolution-geometry.js';

/**
 * The gradient of a convolution by its filter as ONE ordinary convolution, which runs at the full speed of a matrix product:
 *   input   x in NHWC memory seen as [1, N, H, W Ci]: the batch as channels, input channels interleaved along the width
 *   filter  dy as [Co, N, Ho, Wo]: a filter as large as the output map, dilated by (stride, stride Ci)
 *   output  [1, Co, kh, kw Ci]: a product of Co rows, kh kw Ci columns, over N Ho Wo
 */
export function filterGradient(
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
  // Each number of the image is copied kh kw times for the product: where dy has fewer channels, it is to be the image.
  const opposite = [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right];
  const fewer = inputs > outputs && inputs <= kh * kw * outputs;
  if (fewer && sh === 1 && sw === 1 && opposite.every((p) => p >= 0))
    return overOutputs(read, dy, filterShape, opposite);
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

/** The same with the parts of image and filter exchanged: dy is the image, and what comes out is turned by 180 degrees. Stride 1. */
function overOutputs(read: Symbolic, dy: Symbolic, filterShape: number[], pads: readonly number[]): Symbolic {
  const { graph, dtype } = read;
  const [kh, kw, inputs, outputs] = filterShape as Size4;
  const [batch, height, width] = dy.shape as Size4;
  const image = graph.reshape(interleaved(dy), dy.shape, [1, batch, height, width * outputs]);
  const flipped = graph.emit('Conv', [image, inOrder(read, [3, 0, 1, 2])], {
    kernel_shape: read.shape.slice(1, 3),
    strides: [1, 1],
    dilations: [1, outputs],
    pads: pads.map((p, side) => (side % 2 === 0 ? p : p * outputs)),
  });
  const area = kh * kw;
  const rows = graph.reshape(flipped, [1, inputs, kh, kw * outputs], [inputs, area * outputs]);
  const columns = graph.emit('Transpose', [rows], { perm: [1, 0] });
  const taps = graph.reshape(columns, [area * outputs, inputs], [area, outputs, inputs]);
  const turned = graph.emit('Gather', [taps, graph.int64(axesOf(area).reverse())], { axis: 0 });
  const name = graph.reshape(turned, [area, outputs, inputs], [kh, kw, outputs, inputs]);
  return new Symbolic(graph, filterShape, dtype, name, [0, 1, 3, 2]);
}

/**
 * The image with its channels beside each other, in NHWC memory; by way of the blocks that a convolution of it is likely to read, which is
 * faster.
 */
function interleaved(image: Symbolic): string {
  const { graph } = image;
  const channels = image.shape[3]!;
  if (image.base || !sameDims(image.order, NCHW) || !fillsBlocks(graph, channels))
    return inOrder(image, NHWC);
  return fromBlocks(graph, intoBlocks(graph, image.name), channels, { last: true });
}
