/** Matrix products. */
import { broadcastShape } from '../arithmetic.js';
import { sameDims } from '../graph.js';
import { axesOf, sizeOf, Symbolic } from '../symbol.js';
import { inOrder, lift, reshape, standard, written } from '../views.js';
import { kernel, type TraceKernel } from './kernel.js';

interface Operand {
  name: string;
  /** Whether the product must transpose the array's last two axes. */
  transposed: boolean;
}

/** The operand as it lies: where its last two axes are physically swapped, the product transposes instead of a node. */
function operand(value: Symbolic, transposed: boolean): Operand {
  const { rank, shape } = value;
  const plain = axesOf(rank);
  const swapped = [...axesOf(rank - 2), rank - 1, rank - 2];
  const long = (order: readonly number[]): number[] => order.filter((axis) => shape[axis] !== 1);
  const lies = (order: readonly number[]): boolean => sameDims(long(value.order), long(order));
  if (lies(swapped) && !lies(plain)) return { name: inOrder(value, swapped), transposed: !transposed };
  return { name: inOrder(value, plain), transposed };
}

function product(a: Symbolic, b: Symbolic, transposeA: boolean, transposeB: boolean): Symbolic {
  const { graph, dtype } = a;
  const rank = Math.max(a.rank, b.rank);
  const left = lift(a, rank);
  const right = lift(b, rank);
  const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const rows = left.shape[rank - (transposeA ? 1 : 2)]!;
  const columns = right.shape[rank - (transposeB ? 2 : 1)]!;
  const shape = [...batch, rows, columns];

  const gemm = (x: Operand, y: Operand, height: number): Symbolic => {
    const attributes = { transA: Number(x.transposed), transB: Number(y.transposed) };
    return reshape(
      new Symbolic(graph, [height, columns], dtype, graph.emit('Gemm', [x.name, y.name], attributes)),
      shape,
    );
  };
  const matrix = (value: Symbolic): Symbolic => written(reshape(value, value.shape.slice(-2)));
  const batches = sizeOf(batch);
  if (batches === 1) return gemm(operand(matrix(left), transposeA), operand(matrix(right), transposeB), rows);
  if (sizeOf(right.shape.slice(0, -2)) === 1 && !transposeA) {
    // One matrix for all: the rows of all batches in a single product.
    const { name } = standard(left);
    const stacked = graph.reshape(name, left.shape, [batches * rows, left.shape[rank - 1]!]);
    return gemm({ name: stacked, transposed: false }, operand(matrix(right), transposeB), batches * rows);
  }
  const x = operand(written(left), transposeA);
  const y = operand(written(right), transposeB);
  const name =
    x.transposed || y.transposed
      ? graph.emit(
          'FusedMatMul',
          [x.name, y.name],
          { transA: Number(x.transposed), transB: Number(y.transposed) },
          'com.microsoft',
        )
      : graph.emit('MatMul', [x.name, y.name]);
  return new Symbolic(graph, shape, dtype, name);
}

export const productKernels: readonly TraceKernel[] = [
  kernel<'a' | 'b', { transposeA: boolean; transposeB: boolean }>('BatchMatMul', ({ a, b }, attributes) =>
    product(a, b, attributes.transposeA, attributes.transposeB),
  ),
];
