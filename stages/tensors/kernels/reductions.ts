/** Kernels that reduce or normalise over axes. */
import * as tf from '@tensorflow/tfjs';
import { cast, multiply } from '../arithmetic.js';
import { reduce, type Reduction } from '../reductions.js';
import { DATA_TYPE } from '../onnx-encoder.js';
import { axesOf, Symbolic } from '../symbol.js';
import { inOrder, physicalAxis, standard, written } from '../views.js';
import { LEAST_LENGTH } from '../tail.js';
import { kernel, type TraceKernel } from './kernel.js';
import { concatenate } from './shape.js';

interface Axes {
  axis?: number | number[];
  /** tfjs' max calls its axes so. */
  reductionIndices?: number | number[];
  keepDims: boolean;
}

function reduction(name: string, op: Reduction, prepare: (x: Symbolic) => Symbolic = (x) => x): TraceKernel {
  return kernel<'x', Axes>(name, ({ x }, { axis, reductionIndices, keepDims }) =>
    reduce(op, prepare(x), axis ?? reductionIndices, keepDims),
  );
}

/** Each piece takes a few nodes: smaller ones are joined after all. */
const LEAST_PIECE = 2 ** 14;

/**
 * The sum of a product of two long vectors that were joined of pieces alike, as a gradient's norm has it, piece by piece: so the vectors need not be
 * there whole.
 * @returns undefined where it is no such sum
 */
function sumOfPieces(product: Symbolic): Symbolic | undefined {
  const [left, right] = product.factors?.map(({ pieces }) => pieces) ?? [];
  if (!product.graph.target.inPlace || product.size < LEAST_LENGTH) return undefined;
  if (!left || !right || left.some((piece, k) => piece.size !== right[k]?.size)) return undefined;
  const isLarge = ({ size }: Symbolic): boolean => size >= LEAST_PIECE;
  const parts = (pieces: readonly Symbolic[]): Symbolic[] => {
    const small = pieces.filter((piece) => !isLarge(piece));
    return [...pieces.filter(isLarge), ...(small.length > 0 ? [concatenate(small, 0)] : [])];
  };
  const others = parts(right);
  const sums = parts(left).map((piece, k) => reduce('ReduceSum', multiply(piece, others[k]!), 0, true));
  return reduce('ReduceSum', concatenate(sums, 0), 0, true);
}

/** Whether any (or all) are true, as an extremum of 0 and 1. */
function logical(name: string, op: Reduction): TraceKernel {
  return kernel<'x', Axes>(name, ({ x }, { axis, keepDims }) =>
    cast(reduce(op, cast(x, 'int32'), axis, keepDims), 'bool'),
  );
}

function softmaxLike(logits: Symbolic, op: 'Softmax' | 'LogSoftmax', dim: number | undefined): Symbolic {
  const axis = dim === undefined || dim < 0 ? logits.rank - 1 : dim;
  // ORT transposes inside unless the axis is physically the last.
  const value = physicalAxis(logits, axis) === logits.rank - 1 ? written(logits) : standard(logits);
  const name = value.graph.emit(op, [value.name], { axis: physicalAxis(value, axis) });
  return new Symbolic(value.graph, value.shape, value.dtype, name, value.order);
}

function argument(name: 'ArgMax' | 'ArgMin'): TraceKernel {
  return kernel<'x', { axis: number }>(name, ({ x }, { axis }) => {
    const { graph } = x;
    const indices = graph.emit(name, [x.name], { axis: physicalAxis(x, axis), keepdims: 0 });
    const rest = x.order.filter((a) => a !== axis).map((a) => (a > axis ? a - 1 : a));
    const shape = x.shape.filter((_, a) => a !== axis);
    // ONNX counts in int64.
    return new Symbolic(graph, shape, 'int32', graph.emit('Cast', [indices], { to: DATA_TYPE.int32 }), rest);
  });
}

export const reductionKernels: readonly TraceKernel[] = [
  kernel<'x', Axes>('Sum', ({ x }, { axis, keepDims }) => {
    const pieces = x.rank === 1 ? sumOfPieces(x) : undefined;
    return reduce('ReduceSum', pieces ?? (x.dtype === 'bool' ? cast(x, 'int32') : x), axis, keepDims);
  }),
  reduction('Mean', 'ReduceMean', (x) => cast(x, 'float32')),
  reduction('Max', 'ReduceMax'),
  reduction('Min', 'ReduceMin'),
  reduction('Prod', 'ReduceProd'),
  logical('All', 'ReduceMin'),
  logical('Any', 'ReduceMax'),
  argument('ArgMax'),
  argument('ArgMin'),
  kernel<'logits', { dim?: number }>('Softmax', ({ logits }, { dim }) => softmaxLike(logits, 'Softmax', dim)),
  kernel<'logits', { axis?: number }>('LogSoftmax', ({ logits }, { axis }) =>
    softmaxLike(logits, 'LogSoftmax', axis),
  ),
  kernel<'x', { axis: number; exclusive: boolean; reverse: boolean }>('Cumsum', ({ x }, attributes) => {
    const { graph } = x;
    const axis = tf.util.parseAxisParam(attributes.axis, x.shape)[0]!;
    const order = axesOf(x.rank);
    const name = graph.emit('CumSum', [inOrder(x, order), graph.int64([axis])], {
      exclusive: Number(attributes.exclusive),
      reverse: Number(attributes.reverse),
    });
    return new Symbolic(graph, x.shape, x.dtype, name, order);
  }),
];
