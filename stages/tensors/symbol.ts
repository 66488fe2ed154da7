/**
 * Symbolic values: what a tensor is while a function is traced.
 *
 * A value has the logical (tfjs) shape, and a physical axis order: order[k] is the logical axis that lies at the physical axis k.
 * So a transpose costs nothing, many reshapes cost nothing, and changes between NHWC (tfjs) and NCHW (ONNX) cancel
 * out; a Transpose node is recorded only where two layouts really meet.
 *
 * A value may also be a broadcast: `base`, of the same rank with 1 where it is repeated, not yet expanded. Autodiff makes many
 * (ones of a shape, the gradient of a sum); most are consumed without ever being written out.
 */
import { BlockedImage } from './blocked-image.js';
import { type Argument, type ConstantValues, sameDims, type Graph } from './graph.js';

/** The types of tensors that can be traced. */
export type Dtype = 'float32' | 'int32' | 'bool';

/** A value of the function being traced: what is known of an array that a node will compute. */
export class Symbolic {
  /** Set where the value is a known constant everywhere. */
  scalar?: number;
  /** Set where the value is a cast of this boolean: multiplying by it is a choice. */
  mask?: Symbolic;
  /** Set where the value is the sigmoid of this: their product is one node. */
  sigmoidOf?: Symbolic;
  /** Set where the value is a product of a map with a number for each of some of its axes: the sum with another such is one node. */
  scaled?: { map: Symbolic; factor: Symbolic };
  /** Set where the value is the product of two of its shape: a sum of it is one pass over both. */
  factors?: readonly [Symbolic, Symbolic];
  /** Set where the value is these vectors, one after the other. */
  pieces?: readonly Symbolic[];
  /** Set where the value is what a convolution without bias gave: it can add one itself. */
  withBias?: (bias: Symbolic) => Symbolic;
  /** Set where a box of the value may be had without the rest. Undefined where it may not. */
  cut?: (begin: readonly number[], shape: number[]) => Symbolic | undefined;
  /** Set where the value is a run of an argument's elements, from `offset` on. */
  run?: { argument: Argument; offset: number };
  /** Set where the value is `source` with zeros around it: a convolution can do the padding itself. */
  padded?: { source: Symbolic; paddings: readonly (readonly [number, number])[] };
  /** Set where the array is a view of this NCHW image. */
  readonly image?: BlockedImage;
  #name: string | undefined;

  /**
   * @param array  the name of the physical array, or the image that it is a view of; undefined for a broadcast of `base`
   */
  constructor(
    readonly graph: Graph,
    readonly shape: number[],
    readonly dtype: Dtype,
    array: string | BlockedImage | undefined,
    readonly order: readonly number[] = axesOf(shape.length),
    readonly base?: Symbolic,
  ) {
    if (array instanceof BlockedImage) this.image = array;
    else if (array !== undefined) this.#name = this.#described(array);
  }

  #described(name: string): string {
    if (this.dtype === 'float32') this.graph.describe(name, this.physicalShape);
    return name;
  }

  /** The physical array, not made before it is used. */
  get array(): string | BlockedImage {
    return this.image ?? this.name;
  }

  /** The name of the physical array. Writes a broadcast out. */
  get name(): string {
    this.#name ??= this.#described(this.#made());
    return this.#name;
  }

  #made(): string {
    const { graph, image, physicalShape } = this;
    if (image) return graph.reshape(image.plain, image.dims, physicalShape);
    return graph.emit('Expand', [this.base!.name, graph.int64(physicalShape)]);
  }

  get physicalShape(): number[] {
    return this.order.map((axis) => this.shape[axis]!);
  }

  get rank(): number {
    return this.shape.length;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** The value without its broadcast. */
  get core(): Symbolic {
    return this.base ?? this;
  }

  /** The number that every element is, where that is known. */
  get uniform(): number | undefined {
    return this.core.scalar;
  }
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** 0, 1, ..., rank - 1: the axes in logical order. */
export function axesOf(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** Values in the array type of their dtype. */
export function typedArray(values: Iterable<number>, dtype: Dtype): Float32Array | Int32Array | Uint8Array {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'int32' ? Int32Array.from(values) : Uint8Array.from(values);
}

/** An array of known values, in logical order. */
export function constantOf(graph: Graph, data: ConstantValues, shape: number[], dtype: Dtype): Symbolic {
  return new Symbolic(graph, shape, dtype, graph.constant(data, shape, dtype));
}

/** Elements of an argument from `offset` on, in order: a constant where it is frozen, otherwise an input of its own, which is fed without a copy. */
export function runOf(graph: Graph, argument: Argument, offset: number, shape: number[]): Symbolic {
  const name = argument.frozen
    ? graph.outside(argument.name, 4 * offset, 4 * sizeOf(shape), shape)
    : graph.input(argument, offset, shape);
  const symbolic = new Symbolic(graph, shape, argument.dtype, name);
  symbolic.run = { argument, offset };
  return symbolic;
}

/** Below so many elements an input of its own costs more than a copy. */
const LEAST_INPUT = 2 ** 14;

/** Whether elements of an argument can be had where they lie. */
export function isRun(
  value: Symbolic,
  shape: readonly number[],
): value is Symbolic & Required<Pick<Symbolic, 'run'>> {
  return (
    value.run !== undefined &&
    (value.run.argument.frozen || (value.graph.target.inPlace && sizeOf(shape) >= LEAST_INPUT))
  );
}

/** One number in a shape of `rank` ones. */
export function scalarOf(graph: Graph, value: number, dtype: Dtype, rank = 0): Symbolic {
  const data = typedArray([value], dtype);
  const symbolic = constantOf(graph, data, Array<number>(rank).fill(1), dtype);
  symbolic.scalar = data[0]!;
  return symbolic;
}

/** One number everywhere. */
export function fill(graph: Graph, shape: number[], value: number, dtype: Dtype): Symbolic {
  return broadcast(scalarOf(graph, value, dtype, shape.length), shape);
}

/** `value` repeated to `shape` (same rank), not written out. */
export function broadcast(value: Symbolic, shape: number[]): Symbolic {
  if (sameDims(value.shape, shape)) return value;
  const core = value.core;
  return new Symbolic(core.graph, shape, core.dtype, undefined, core.order, core);
}

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
