/**
 * Convolutions in the layout that ONNX Runtime's CPU kernels are fastest in: channels in blocks as wide as a vector register, [N, C / b, H, W, b],
 * filters [O / b, I / b, kh, kw, b (in), b (out)]. ONNX Runtime brings convolutions there by itself where the filter is a constant; a training's
 * filter is none, so the same operators (its domain com.microsoft.nchwc) are recorded here, with the filter brought into blocks at every step.
 * One pass over all images is shared among threads, where its other convolution goes image by image.
 */
import { fillsBlocks, fromBlocks, intoBlocks, NCHWC, padded, up } from '../blocked-image.js';
import type { Graph } from '../graph.js';
import type { Attribute } from '../onnx-encoder.js';
import { sizeOf } from '../symbol.js';

/** Blocks that are not full cost as much as full ones; above this share of the work in vain, the ordinary convolution is faster. */
const MOST_PADDING = 2;

/** A filter [outputs, area, inputs] in memory, named as such. */
export interface FilterRows {
  name: string;
  outputs: number;
  /** Height times width. */
  area: number;
  inputs: number;
}

/** Whether a convolution with that filter is worth it. Nothing is where the graph is not for ONNX Runtime's CPU kernels. */
export function isWorthBlocks(graph: Graph, { name, outputs, area, inputs }: FilterRows): boolean {
  const { block } = graph.target;
  if (block === 0 || area === 1 || graph.isConstant(name)) return false;
  const padding = up(outputs, block) / outputs;
  // Fewer channels than a block are read as they are; others go into blocks by fours.
  if (inputs < block) return padding <= MOST_PADDING;
  return inputs % 4 === 0 && (padding * up(inputs, block)) / inputs <= MOST_PADDING;
}

/** Whether a convolution whose filter stays the same gives an image that may be had in blocks. ONNX Runtime brings it there by itself otherwise. */
export function maybeInBlocks(graph: Graph, { name, outputs, inputs }: FilterRows): boolean {
  const { block } = graph.target;
  return (inputs < block || inputs % 4 === 0) && graph.isConstant(name) && fillsBlocks(graph, outputs);
}

/**
 * @param image       NCHW, with the filter's `inputs` as channels
 * @param filter      as it is, for a convolution; for the gradient by its input, `turned`
 * @param attributes  of ONNX's Conv
 * @param bias        [outputs of the convolution]
 * @returns           NCHW
 */
export function blockedConvolution(
  graph: Graph,
  image: string,
  filter: FilterRows & { turned?: boolean },
  attributes: Record<string, Attribute>,
  kernel: readonly [number, number],
  bias?: string,
): string {
  const from = filter.turned ? filter.outputs : filter.inputs;
  const source = from < graph.target.block ? image : intoBlocks(graph, image);
  const blocks = convolutionInBlocks(graph, source, filter, attributes, kernel, { bias });
  return fromBlocks(graph, blocks, filter.turned ? filter.inputs : filter.outputs);
}

/**
 * @param source  in blocks; NCHW where it has fewer channels than a block
 * @param more    bias: [outputs of the convolution]; sum: added, in blocks
 * @returns       in blocks
 */
export function convolutionInBlocks(
  graph: Graph,
  source: string,
  filter: FilterRows & { turned?: boolean },
  attributes: Record<string, Attribute>,
  kernel: readonly [number, number],
  { bias, sum }: { bias?: string | undefined; sum?: string | undefined },
): string {
  const { block } = graph.target;
  const { turned = false } = filter;
  const to = turned ? filter.inputs : filter.outputs;
  const inputs = [source, filterBlocks(graph, filter, turned, kernel)];
  if (bias !== undefined) inputs.push(padded(graph, bias, [to], [up(to, block)]));
  if (sum !== undefined) inputs.push(...(bias === undefined ? [''] : []), sum);
  return graph.emit('Conv', inputs, attributes, NCHWC);
}

/** By Gather and ReorderInput, which are shared among threads; ONNX Runtime's transpose is not, and on many axes several times slower. */
function filterBlocks(
  graph: Graph,
  filter: FilterRows,
  turned: boolean,
  kernel: readonly [number, number],
): string {
  const { block } = graph.target;
  const { outputs, area, inputs } = filter;
  const [from, to] = turned ? [outputs, inputs] : [inputs, outputs];
  const wide = (channels: number): number =>
    channels === from && from < block ? channels : up(channels, block);
  const [o, i] = [turned ? wide(outputs) : up(outputs, block), turned ? up(inputs, block) : wide(inputs)];
  const name = padded(graph, filter.name, [outputs, area, inputs], [o, area, i]);
  const nominal = [up(to, block), from < block ? from : up(from, block), ...kernel];
  if (turned) {
    // [o / b, b or o, area, i / b, b] -> [i / b, o / b, area backwards, b (o) or 1, b (i)]
    const inner = o < block ? 1 : block;
    const places = graph.indices(`turned filter ${o} ${area} ${i}`, () =>
      grid([i / block, o / inner, area, inner], ([column, row, tap, k]) => {
        const output = row! * inner + k!;
        return (output * area + (area - 1 - tap!)) * (i / block) + column!;
      }),
    );
    const runs = [(o * area * i) / block, block];
    const blocks = graph.emit('Gather', [graph.reshape(name, [o, area, i], runs), places], { axis: 0 });
    return graph.reshape(blocks, runs, nominal);
  }
  const inner = i < block ? 1 : block;
  if (graph.isConstant(filter.name)) {
    // Done once, before the first call, which ONNX Runtime does with transposes only.
    const apart = graph.reshape(name, [o, area, i], [o / block, block, area, i / inner, inner]);
    // [o / b, b (o), area, i / b, b (i)] -> [o / b, i / b, area, b, b]
    const blocks = graph.emit('Transpose', [apart], { perm: [0, 3, 2, 4, 1] });
    return graph.reshape(blocks, [o / block, i / inner, area, inner, block], nominal);
  }
  // The outputs of a block as the channels of an image.
  const image = [o / block, block, 1, area * i];
  const blocks = intoBlocks(graph, graph.reshape(name, [o, area, i], image));
  // [o / b, area, i / b, b (i), b (o)] -> [o / b, i / b, area, b, b]
  const places = graph.indices(`filter ${area} ${i / inner}`, () =>
    grid([i / inner, area], ([column, tap]) => tap! * (i / inner) + column!),
  );
  const runs = [o / block, (area * i) / inner, inner * block];
  const moved = graph.emit('Gather', [graph.reshape(blocks, image, runs), places], { axis: 1 });
  return graph.reshape(moved, runs, nominal);
}

/** A number for each place of a grid, the last axis running fastest. */
function* grid(dims: readonly number[], at: (place: readonly number[]) => number): Generator<number> {
  const place = dims.map(() => 0);
  for (let left = sizeOf(dims); left > 0; left--) {
    yield at(place);
    for (let axis = dims.length - 1; axis >= 0 && ++place[axis]! === dims[axis]; axis--) place[axis] = 0;
  }
}
