/**
 * Convolutions to few channels, as a network ends with: three colours would fill 3 of the 16 channels of a block. The other way round each pixel of the
 * image is multiplied with the whole filter, one matrix product, and adds what it gives to the places around it: ONNX's ConvTranspose with the
 * turned filter.
 */
import type { Graph } from '../graph.js';
import { axesOf } from '../symbol.js';
import type { FilterRows } from './blocked-convolution.js';
import type { Geometry, Size4 } from './convolution-geometry.js';

/**
 * Whether a convolution with that filter is worth it.
 * @param block  channels of a block; nothing is worth it where that is 0
 */
export function isWorthScattering(
  { outputs, area, inputs }: FilterRows,
  { kernel, strides, dilations }: Geometry,
  pads: Size4,
  block: number,
): boolean {
  const plain = [...strides, ...dilations].every((number) => number === 1);
  const inside = pads.every((zeros, side) => zeros < kernel[side % 2]!);
  return plain && inside && area > 1 && inputs >= block && 2 * outputs < block;
}

/**
 * @param image  NCHW
 * @param pads   top, left, bottom, right, each less than the filter is long
 * @param bias   [outputs]
 * @returns      NCHW
 */
export function scatteringConvolution(
  graph: Graph,
  image: string,
  { name, outputs, area, inputs }: FilterRows,
  kernel: readonly [number, number],
  pads: Size4,
  ...bias: string[]
): string {
  const turned = graph.emit('Gather', [name, graph.int64(axesOf(area).reverse())], { axis: 1 });
  const rows = graph.emit('Transpose', [turned], { perm: [2, 0, 1] });
  const filter = graph.reshape(rows, [inputs, outputs, area], [inputs, outputs, ...kernel]);
  return graph.emit('ConvTranspose', [image, filter, ...bias], {
    kernel_shape: [...kernel],
    pads: pads.map((zeros, side) => kernel[side % 2]! - 1 - zeros),
  });
}
