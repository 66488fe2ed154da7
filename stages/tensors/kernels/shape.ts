/** Kernels that move, cut, join or repeat, and compute nothing. */
import * as tf from '@tensorflow/tfjs';
import { joinBlocks } from '../blocked-arithmetic.js';
import { axesOf, broadcast, constantOf, scalarOf, Symbolic, typedArray, type Dtype } from '../symbol.js';
import { inOrder, physicalAxis, reshape, slice, transpose, written } from '../views.js';
import type { Graph } from '../graph.js';
import { kernel, listKernel, type TraceKernel } from './kernel.js';

/** The axis as 0..rank-1. */
export function plainAxis(axis: number, shape: number[]): number {
  return tf.util.parseAxisParam(axis, shape)[0]!;
}

export function concatenate(values: readonly Symbolic[], axis: number): Symbolic {
  const shape = tf.backend_util.computeOutShape(
    values.map((value) => value.shape),
    axis,
  );
  const parts = values.filter((value) => value.size > 0);
  if (parts.length === 1) return parts[0]!;
  const blocked = shape.length === 4 && axis === 3 ? joinBlocks(parts) : undefined;
  if (blocked) return blocked;
  const largest = parts.reduce((a, b) => (b.size > a.size ? b : a));
  const order = parts.every((value) => value.base) ? axesOf(shape.length) : largest.order;
  const { graph, dtype } = largest;
  const name = graph.emit(
    'Concat',
    parts.map((value) => inOrder(value, order)),
    { axis: order.indexOf(axis) },
  );
  const whole = new Symbolic(graph, shape, dtype, name, order);
  if (whole.rank === 1) whole.pieces = parts;
  return whole;
}

/** The value cut along an axis into pieces of the given lengths. */
function cut(value: Symbolic, axis: number, lengths: readonly number[]): Symbolic[] {
  let at = 0;
  return lengths.map((length) => {
    const begin = value.shape.map(() => 0);
    const size = [...value.shape];
    begin[axis] = at;
    size[axis] = length;
    at += length;
    return slice(value, begin, size);
  });
}

function reverse(x: Symbolic, dims: number | number[]): Symbolic {
  const axes = tf.util.parseAxisParam(dims, x.shape).filter((axis) => x.core.shape[axis] !== 1);
  if (axes.length === 0) return x;
  const { core, graph } = x;
  const name = graph.emit('Slice', [
    core.name,
    graph.int64(axes.map(() => -1)),
    graph.int64(axes.map((axis) => -core.shape[axis]! - 1)),
    graph.int64(axes.map((axis) => physicalAxis(core, axis))),
    graph.int64(axes.map(() => -1)),
  ]);
  return broadcast(new Symbolic(graph, core.shape, core.dtype, name, core.order), x.shape);
}

function pad(x: Symbolic, paddings: [number, number][], constantValue: number): Symbolic {
  const value = written(x);
  const { graph, dtype } = value;
  const shape = value.shape.map((dim, axis) => paddings[axis]![0] + dim + paddings[axis]![1]);
  const physical = value.order.map((axis) => paddings[axis]!);
  const amounts = graph.int64([...physical.map(([before]) => before), ...physical.map(([, after]) => after)]);
  const filler = scalarOf(graph, constantValue, dtype).name;
  const padded = new Symbolic(
    graph,
    shape,
    dtype,
    graph.emit('Pad', [value.name, amounts, filler]),
    value.order,
  );
  if (constantValue === 0) padded.padded = { source: value, paddings };
  return padded;
}

function tile(x: Symbolic, reps: readonly number[]): Symbolic {
  const shape = x.shape.map((dim, axis) => dim * reps[axis]!);
  if (reps.every((times, axis) => times === 1 || x.shape[axis] === 1)) return broadcast(x, shape);
  const value = written(x);
  const times = value.graph.int64(value.order.map((axis) => reps[axis]!));
  return new Symbolic(
    value.graph,
    shape,
    value.dtype,
    value.graph.emit('Tile', [value.name, times]),
    value.order,
  );
}

function range(graph: Graph, start: number, stop: number, step: number, dtype: Dtype): Symbolic {
  const length = Math.max(0, Math.ceil((stop - start) / step));
  const values = typedArray(
    Array.from({ length }, (_, i) => start + i * step),
    dtype,
  );
  return constantOf(graph, values, [length], dtype);
}

/** x with an axis of length 1 put in at `axis`. */
function withAxis(x: Symbolic, axis: number): Symbolic {
  return reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
}

export const shapeKernels: readonly TraceKernel[] = [
  kernel<'x', { shape: number[] }>('Reshape', ({ x }, { shape }) =>
    reshape(x, tf.util.inferFromImplicitShape(shape, x.size)),
  ),
  kernel<'input', { dim: number }>('ExpandDims', ({ input }, { dim }) =>
    withAxis(input, dim < 0 ? input.rank + 1 + dim : dim),
  ),
  kernel<'x', { perm: number[] }>('Transpose', ({ x }, { perm }) => transpose(x, perm)),
  kernel<'x', { begin: number[]; size: number[] }>('Slice', ({ x }, attributes) => {
    const concrete = [...x.shape];
    const [begin, size] = tf.slice_util.parseSliceParams(
      { shape: concrete, rank: x.rank } as tf.Tensor,
      attributes.begin,
      attributes.size,
    );
    return slice(x, begin!, size!);
  }),
  kernel<'x', { numOrSizeSplits: number | number[]; axis: number }>('SplitV', ({ x }, attributes) => {
    const axis = plainAxis(attributes.axis, x.shape);
    const lengths = tf.backend_util.prepareSplitSize(
      x as unknown as tf.Tensor,
      attributes.numOrSizeSplits,
      axis,
    );
    return cut(x, axis, lengths);
  }),
  kernel<'value', { axis: number }>('Unpack', ({ value }, attributes) => {
    const axis = plainAxis(attributes.axis, value.shape);
    const shape = value.shape.filter((_, a) => a !== axis);
    return cut(value, axis, Array<number>(value.shape[axis]!).fill(1)).map((piece) => reshape(piece, shape));
  }),
  listKernel<{ axis: number }>('Concat', (values, { axis }) =>
    concatenate(values, plainAxis(axis, values[0]!.shape)),
  ),
  listKernel<{ axis: number }>('Pack', (values, { axis }) => {
    const at = axis < 0 ? values[0]!.rank + 1 + axis : axis;
    return concatenate(
      values.map((value) => withAxis(value, at)),
      at,
    );
  }),
  kernel<'x', { paddings: [number, number][]; constantValue: number }>('PadV2', ({ x }, attributes) =>
    pad(x, attributes.paddings, attributes.constantValue),
  ),
  kernel<'x', { reps: number[] }>('Tile', ({ x }, { reps }) => tile(x, reps)),
  kernel<'x', { dims: number | number[] }>('Reverse', ({ x }, { dims }) => reverse(x, dims)),
  kernel<'image'>('FlipLeftRight', ({ image }) => reverse(image, 2)),
  kernel<never, { start: number; stop: number; step: number; dtype: Dtype }>(
    'Range',
    (_, attributes, graph) =>
      range(graph, attributes.start, attributes.stop, attributes.step, attributes.dtype),
  ),
];
