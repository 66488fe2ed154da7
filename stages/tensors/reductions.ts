/**
 * Recording of sums, means, products and extrema over axes of symbolic values. What is only repeated is not passed over; images in blocks
 * and products of maps have faster ways than ONNX's reductions.
 */
import * as tf from '@tensorflow/tfjs';
import { scale } from './arithmetic.js';
import { meanOverPixels } from './blocked-arithmetic.js';
import { broadcast, sizeOf, Symbolic } from './symbol.js';
import { inOrder, physicalAxis, reshape, written } from './views.js';

/** ONNX's reductions that `reduce` records. */
export type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd';

/** A reduction over logical axes. Over a repeated axis a sum is a multiplication, and a mean or an extremum nothing. */
export function reduce(
  op: Reduction,
  value: Symbolic,
  axes: number | number[] | undefined,
  keepDims: boolean,
): Symbolic {
  const over = tf.util.parseAxisParam((axes ?? null) as number[], value.shape);
  const core = op === 'ReduceProd' ? written(value) : value.core;
  const reduced = (shape: readonly number[]): number[] =>
    shape.map((dim, axis) => (over.includes(axis) ? 1 : dim));
  const long = over.filter((axis) => core.shape[axis] !== 1);
  let result = core;
  if (long.length > 0) {
    const physical = long.map((axis) => physicalAxis(core, axis)).sort((a, b) => a - b);
    const recorded = (): Symbolic => {
      const name = core.graph.emit(op, [core.name, core.graph.int64(physical)], { keepdims: 1 });
      return new Symbolic(core.graph, reduced(core.shape), core.dtype, name, core.order);
    };
    result =
      (op === 'ReduceMean' ? meanOverPixels(core, long) : undefined) ??
      sumOfProducts(op, core, long) ??
      recorded();
  }
  if (op === 'ReduceSum') {
    const repeats = sizeOf(over.map((axis) => value.shape[axis]! / core.shape[axis]!));
    if (repeats !== 1) result = scale(result, repeats);
  }
  result = broadcast(result, reduced(value.shape));
  return keepDims
    ? result
    : reshape(
        result,
        value.shape.filter((_, axis) => !over.includes(axis)),
      );
}

/** With so many neighbours in a row, a product of a row and a column is faster than a product of maps and its sum. */
const LEAST_ROW = 1024;
/** With fewer rows there is too little to share among threads. */
const LEAST_ROWS = 16;
/** More are not needed, where there is a choice. */
const MOST_ROWS = 64;

/**
 * The sum or mean of a product of two maps as products of rows and columns, over those of the axes that lie last in memory: one pass over both, and
 * nothing written.
 * @returns with 1 for the axes; undefined where the value is no such product, or that is not faster
 */
function sumOfProducts(op: Reduction, product: Symbolic, axes: readonly number[]): Symbolic | undefined {
  const { graph, shape, dtype, order, factors } = product;
  if (!factors || !graph.target.fused || (op !== 'ReduceSum' && op !== 'ReduceMean')) return undefined;
  const last = order.findLastIndex((axis) => shape[axis] !== 1 && !axes.includes(axis));
  const row = order.slice(last + 1);
  let length = sizeOf(row.map((axis) => shape[axis]!));
  let rows = product.size / length;
  // The sum of all of it may be cut into any rows.
  for (; last < 0 && rows < MOST_ROWS && length % 2 === 0; rows *= 2) length /= 2;
  if (length < LEAST_ROW || rows < LEAST_ROWS) return undefined;
  const [left, right] = factors.map((value) =>
    graph.reshape(inOrder(value, order), product.physicalShape, [rows, 1, length]),
  );
  const name = graph.emit('FusedMatMul', [left!, right!], { transB: 1 }, 'com.microsoft');
  const [dims, axesInOrder] =
    last < 0 ? [[rows], [0]] : [shape.map((dim, axis) => (row.includes(axis) ? 1 : dim)), order];
  const physical = axesInOrder.map((axis) => dims[axis]!);
  const sums = new Symbolic(graph, dims, dtype, graph.reshape(name, [rows, 1, 1], physical), axesInOrder);
  const sum =
    last < 0
      ? reshape(reduce('ReduceSum', sums, 0, false), Array<number>(product.rank).fill(1))
      : reduce('ReduceSum', sums, [...axes], true);
  return op === 'ReduceSum' ? sum : scale(sum, 1 / sizeOf(axes.map((axis) => shape[axis]!)));
}
