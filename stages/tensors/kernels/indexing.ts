/** Kernels that pick or place by index. */
import { cast, elementwise } from '../arithmetic.js';
import { DATA_TYPE } from '../onnx-encoder.js';
import { constantOf, fill, scalarOf, Symbolic, type Dtype } from '../symbol.js';
import { reshape, standard } from '../views.js';
import { kernel, type TraceKernel } from './kernel.js';
import { plainAxis } from './shape.js';

/** Rows of `x` summed into the segment that each names: the gradient of a gather. */
function segmentSum(x: Symbolic, segments: Symbolic, count: number): Symbolic {
  const { graph, dtype } = x;
  const shape = [count, ...x.shape.slice(1)];
  const indices = standard(reshape(segments, [segments.size, 1]));
  const name = graph.emit(
    'ScatterND',
    [
      fill(graph, shape, 0, dtype).name,
      graph.emit('Cast', [indices.name], { to: DATA_TYPE.int64 }),
      standard(x).name,
    ],
    { reduction: 'add' },
  );
  return new Symbolic(graph, shape, dtype, name);
}

export const indexingKernels: readonly TraceKernel[] = [
  kernel<'x' | 'indices', { axis: number; batchDims: number }>('GatherV2', ({ x, indices }, attributes) => {
    if (attributes.batchDims !== 0)
      throw new Error('gather with batchDims is not traced; multiply with a one-hot instead');
    const axis = plainAxis(attributes.axis, x.shape);
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    const name = x.graph.emit('Gather', [standard(x).name, standard(indices).name], { axis });
    return new Symbolic(x.graph, shape, x.dtype, name);
  }),
  kernel<'x' | 'segmentIds', { numSegments: number }>(
    'UnsortedSegmentSum',
    ({ x, segmentIds }, { numSegments }) => segmentSum(x, segmentIds, numSegments),
  ),
  kernel<'indices', { depth: number; onValue: number; offValue: number; dtype?: Dtype }>(
    'OneHot',
    ({ indices }, { depth, onValue, offValue, dtype = 'int32' }, graph) => {
      const classes = constantOf(
        graph,
        Int32Array.from({ length: depth }, (_, i) => i),
        [depth],
        'int32',
      );
      const hit = elementwise('Equal', [reshape(indices, [...indices.shape, 1]), classes], 'bool');
      if (onValue === 1 && offValue === 0) return cast(hit, dtype);
      return elementwise(
        'Where',
        [hit, scalarOf(graph, onValue, dtype), scalarOf(graph, offValue, dtype)],
        dtype,
      );
    },
  ),
];
