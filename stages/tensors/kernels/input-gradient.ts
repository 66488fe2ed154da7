/** The gradient of a convolution by its input. */
import { sameDims } from '../graph.js';
import { axesOf, Symbolic } from '../symbol.js';
import { inOrder, slice } from '../views.js';
import { blockedConvolution, type FilterRows, isWorthBlocks } from './blocked-convolution.js';
import {
  attributesOf,
  type ConvolutionAttributes,
  type Geometry,
  geometryOf,
  NCHW,
  OHWI,
  OIHW,
  reachOf,
  rowsOf,
  type Size4,
} from './convolution-geometry.js';

/**
 * The gradient of a convolution by its input: with stride 1 a convolution with the filter turned by 180 degrees, otherwise a
 * transposed convolution.
 */
export function inputGradient(
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
 * Along one axis, the pixels i = stride j + phase of a strided convolution's input: which taps k bring them a gradient, and from which
 * place j + offset of the output. taps[v][phase] is the tap at the v-th place of the window, if there is one.
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
