/** Where a convolution reads and what it writes, from tfjs' attributes, and how images and filters lie for it in memory. */
import * as tf from '@tensorflow/tfjs';
import { Symbolic } from '../symbol.js';
import { inOrder } from '../views.js';
import type { FilterRows } from './blocked-convolution.js';

/** The physical order of a logical NHWC image that ONNX's convolutions and pools take. */
export const NCHW: readonly number[] = [0, 3, 1, 2];
export const NHWC: readonly number[] = [0, 1, 2, 3];
export const OIHW: readonly number[] = [3, 2, 0, 1];
export const OHWI: readonly number[] = [3, 0, 1, 2];

export type Size4 = [number, number, number, number];

export interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dilations?: [number, number] | number;
  dataFormat?: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

export interface Geometry {
  outShape: number[];
  height: number;
  width: number;
  kernel: [number, number];
  strides: [number, number];
  dilations: [number, number];
  /** Top, left, bottom, right. */
  pads: Size4;
}

export function geometryOf(
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

export function attributesOf({ kernel, strides, dilations, pads }: Geometry): Record<string, number[]> {
  return { kernel_shape: kernel, strides, dilations, pads };
}

/** What a convolution reads, with zeros that were put around it in height and width left to its own padding. */
export function unpadded(x: Symbolic, { pads }: Geometry): { source: Symbolic; pads: Size4 } {
  const [batch, rows, columns, channels] = x.padded?.paddings ?? [];
  if (!rows || !columns || [...batch!, ...channels!].some((zeros) => zeros !== 0)) return { source: x, pads };
  const [top, left, bottom, right] = pads;
  return {
    source: x.padded!.source,
    pads: [top + rows[0], left + columns[0], bottom + rows[1], right + columns[1]],
  };
}

/** Pixels from the first to the last that a filter reads, with the gaps that dilation leaves. */
export function reachOf(
  kernel: readonly [number, number],
  dilations: readonly [number, number],
): [number, number] {
  return [(kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1];
}

/** The filter as [out, kh kw, in], which is how layers keep it. */
export function rowsOf(filter: Symbolic): FilterRows {
  const [kh, kw, inputs, outputs] = filter.shape as Size4;
  const area = kh * kw;
  const shape = [outputs, area, inputs];
  const name = filter.graph.reshape(inOrder(filter, OHWI), [outputs, kh, kw, inputs], shape);
  return { name, outputs, area, inputs };
}
