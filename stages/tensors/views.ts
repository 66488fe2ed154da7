/**
 * Other views of a symbolic value: its elements in another shape, another order of axes, or a box of them, and how they come to
 * lie in a wanted order.
 *
 * The physical order being part of a value (symbol.ts), a transpose costs nothing, many reshapes cost nothing, and changes
 * between NHWC (tfjs) and NCHW (ONNX) cancel out; a Transpose node is recorded only where two layouts really meet.
 */
import { sameDims } from './graph.js';
import { axesOf, broadcast, fill, isRun, runOf, sizeOf, Symbolic } from './symbol.js';

/** Ones put before the shape until it has that rank. */
export function lift(value: Symbolic, rank: number): Symbolic {
  if (value.rank === rank) return value;
  return reshape(value, [...Array<number>(rank - value.rank).fill(1), ...value.shape]);
}

/** Logical axes of a view of an image, by what they are parts of, each in the order in which they lie. */
export interface ImageAxes {
  images: readonly number[];
  channels: readonly number[];
  pixels: readonly number[];
}

/** @returns undefined where the value is no view of an image, or an axis is of two of them */
export function imageAxes({ image, order, physicalShape }: Symbolic): ImageAxes | undefined {
  const cuts = image?.cuts(physicalShape);
  if (!cuts) return undefined;
  const [first, second] = cuts;
  return {
    images: order.slice(0, first),
    channels: order.slice(first, second),
    pixels: order.slice(second),
  };
}

/** The name of the value's array in the given physical order: the same array where only axes of length 1 move. */
export function inOrder(value: Symbolic, order: readonly number[]): string {
  const { graph, shape } = value;
  const longAxes = (axes: readonly number[]): number[] => axes.filter((axis) => shape[axis] !== 1);
  const wanted = order.map((axis) => shape[axis]!);
  const from = longAxes(value.order);
  const to = longAxes(order);
  if (sameDims(from, to)) return graph.reshape(value.name, value.physicalShape, wanted);
  const parts = value.image?.isInBlocks && imageAxes(value);
  if (parts && sameDims(to, longAxes([...parts.images, ...parts.pixels, ...parts.channels]))) {
    const [n, c, h, w] = value.image!.dims;
    return graph.reshape(value.image!.channelsLast, [n, h, w, c], wanted);
  }
  // Axes that stay neighbours move as one: ORT's transpose is faster with fewer axes.
  const groups: number[][] = [];
  for (const axis of from) {
    const group = groups[groups.length - 1];
    if (group && to.indexOf(axis) === to.indexOf(group[group.length - 1]!) + 1) group.push(axis);
    else groups.push([axis]);
  }
  const lengths = groups.map((group) => sizeOf(group.map((axis) => shape[axis]!)));
  const perm = axesOf(groups.length).sort((i, j) => to.indexOf(groups[i]![0]!) - to.indexOf(groups[j]![0]!));
  const moved = graph.emit('Transpose', [graph.reshape(value.name, value.physicalShape, lengths)], { perm });
  return graph.reshape(
    moved,
    perm.map((i) => lengths[i]!),
    wanted,
  );
}

/** The value with its axes physically in logical order. */
export function standard(value: Symbolic): Symbolic {
  const order = axesOf(value.rank);
  return new Symbolic(value.graph, value.shape, value.dtype, inOrder(value, order), order);
}

/** The physical axis at which a logical axis lies. */
export function physicalAxis(value: Symbolic, axis: number): number {
  return value.order.indexOf(axis);
}

/** tfjs' transpose: axis k of the result is axis perm[k]. Free, since only the order is changed. */
export function transpose(value: Symbolic, perm: readonly number[]): Symbolic {
  const shape = perm.map((axis) => value.shape[axis]!);
  if (value.base) return broadcast(transpose(value.base, perm), shape);
  const order = value.order.map((axis) => perm.indexOf(axis));
  return new Symbolic(value.graph, shape, value.dtype, value.array, order);
}

/** tfjs' reshape: the elements in logical order, in another shape. Free where the physical layout allows it. */
export function reshape(value: Symbolic, shape: number[]): Symbolic {
  const { graph, dtype } = value;
  if (sameDims(value.shape, shape)) return value;
  if (isRun(value, shape)) return runOf(graph, value.run.argument, value.run.offset, shape);
  if (value.base) {
    if (value.uniform !== undefined) return fill(graph, shape, value.uniform, dtype);
    const onlyOnes = sameDims(
      value.shape.filter((dim) => dim !== 1),
      shape.filter((dim) => dim !== 1),
    );
    if (onlyOnes) {
      // Ones come or go, so the base is reshaped alike.
      const baseDims = value.base.shape.filter((_, axis) => value.shape[axis] !== 1);
      let next = 0;
      const baseShape = shape.map((dim) => (dim === 1 ? 1 : baseDims[next++]!));
      return broadcast(reshape(value.base, baseShape), shape);
    }
  }
  const strides = stridesOf(value);
  const long = axesOf(value.rank).filter((axis) => value.shape[axis] !== 1);
  const viewed = viewStrides(
    long.map((axis) => value.shape[axis]!),
    long.map((axis) => strides[axis]!),
    shape,
  );
  if (!viewed) {
    const { name } = standard(value);
    return new Symbolic(graph, shape, dtype, graph.reshape(name, value.shape, shape));
  }
  const order = axesOf(shape.length).sort((a, b) => viewed[b]! - viewed[a]! || a - b);
  const physical = order.map((axis) => shape[axis]!);
  const array = value.image ?? graph.reshape(value.name, value.physicalShape, physical);
  return new Symbolic(graph, shape, dtype, array, order);
}

/** Elements between neighbours along each logical axis. */
function stridesOf(value: Symbolic): number[] {
  const strides = Array<number>(value.rank).fill(1);
  let stride = 1;
  for (let k = value.rank - 1; k >= 0; k--) {
    const axis = value.order[k]!;
    strides[axis] = stride;
    stride *= value.shape[axis]!;
  }
  return strides;
}

/**
 * The rule of PyTorch's `view`: the strides with which an array of the given shape and strides is seen in a new shape, or undefined
 * where that needs a copy. Runs of axes that are contiguous among themselves are cut anew, from the last to the first.
 */
function viewStrides(
  shape: readonly number[],
  strides: readonly number[],
  target: readonly number[],
): number[] | undefined {
  const out = Array<number>(target.length).fill(1);
  if (shape.length === 0) return out;
  let axis = target.length - 1;
  let stride = strides[strides.length - 1]!;
  let runLength = 1;
  let covered = 1;
  for (let t = shape.length - 1; t >= 0; t--) {
    runLength *= shape[t]!;
    const runEnds = t === 0 || strides[t - 1] !== runLength * stride;
    if (!runEnds) continue;
    while (axis >= 0 && (covered < runLength || target[axis] === 1)) {
      out[axis] = covered * stride;
      covered *= target[axis]!;
      axis--;
    }
    if (covered !== runLength) return undefined;
    if (t > 0) {
      stride = strides[t - 1]!;
      runLength = covered = 1;
    }
  }
  return axis < 0 ? out : undefined;
}

/** The value with its broadcast written out. */
export function written(value: Symbolic): Symbolic {
  if (!value.base) return value;
  return new Symbolic(value.graph, value.shape, value.dtype, value.name, value.order);
}

/** A box of the value; -1 in `size` means up to the end. */
export function slice(value: Symbolic, begin: readonly number[], size: readonly number[]): Symbolic {
  const shape = size.map((length, axis) => (length < 0 ? value.shape[axis]! - begin[axis]! : length));
  if (sameDims(shape, value.shape)) return value;
  const alone = value.cut?.(begin, shape);
  if (alone) return alone;
  if (value.rank === 1 && isRun(value, shape))
    return runOf(value.graph, value.run.argument, value.run.offset + begin[0]!, shape);
  if (value.base) {
    const { base } = value;
    const repeated = (axis: number): boolean => base.shape[axis] === 1;
    const box = slice(
      base,
      begin.map((at, axis) => (repeated(axis) ? 0 : at)),
      shape.map((length, axis) => (repeated(axis) ? 1 : length)),
    );
    return broadcast(box, shape);
  }
  const { graph } = value;
  const cut = axesOf(value.rank).filter((axis) => shape[axis] !== value.shape[axis]);
  const name = graph.emit('Slice', [
    value.name,
    graph.int64(cut.map((axis) => begin[axis]!)),
    graph.int64(cut.map((axis) => begin[axis]! + shape[axis]!)),
    graph.int64(cut.map((axis) => physicalAxis(value, axis))),
  ]);
  return new Symbolic(graph, shape, value.dtype, name, value.order);
}
