/** Kernels that reduce or normalise over axes. */
import * as tf from '@tensorflow/tfjs';
import { cast, reduce, written, type Reduction } from '../arithmetic.js';
import { DATA_TYPE } from '../onnx-encoder.js';
import { axesOf, inOrder, physicalAxis, standard, Symbolic } from '../symbol.js';
import { kernel, type TraceKernel } from './kernel.js';

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
  reduction('Sum', 'ReduceSum', (x) => (x.dtype === 'bool' ? cast(x, 'int32') : x)),
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
