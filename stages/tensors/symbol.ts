/**
 * Symbolic values: what a tensor is while a function is traced, and how the first are made.
 *
 * A value has the logical (tfjs) shape, and a physical axis order: order[k] is the logical axis that lies at the physical axis k.
 * What follows from that is in views.ts.
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
