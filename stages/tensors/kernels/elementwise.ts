/** Kernels that work element by element, with broadcasting. */
import { add, cast, elementwise, float, multiply } from '../arithmetic.js';
import { broadcast, fill, scalarOf, type Dtype, type Symbolic } from '../symbol.js';
import { reshape } from '../views.js';
import { kernel, listKernel, type TraceKernel } from './kernel.js';

/** tfjs' name -> ONNX's, where they mean the same. */
const UNARY = {
  Neg: 'Neg',
  Sqrt: 'Sqrt',
  Exp: 'Exp',
  Log: 'Log',
  Tanh: 'Tanh',
  Relu: 'Relu',
  Abs: 'Abs',
  Sign: 'Sign',
  Sin: 'Sin',
  Cos: 'Cos',
  Tan: 'Tan',
  Asin: 'Asin',
  Acos: 'Acos',
  Atan: 'Atan',
  Erf: 'Erf',
  Floor: 'Floor',
  Ceil: 'Ceil',
  Round: 'Round',
  Softplus: 'Softplus',
  Reciprocal: 'Reciprocal',
  Elu: 'Elu',
} as const;

const BINARY = { Maximum: 'Max', Minimum: 'Min', Pow: 'Pow' } as const;

const COMPARISON = {
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  Equal: 'Equal',
  LogicalAnd: 'And',
  LogicalOr: 'Or',
} as const;

/** Of float32. */
const LARGEST = 2 ** 127 * (2 - 2 ** -23);

type Pair = 'a' | 'b';

function subtract(a: Symbolic, b: Symbolic): Symbolic {
  return b.uniform === 0 && a.size >= b.size && a.rank >= b.rank && broadcastsInto(b, a)
    ? a
    : elementwise('Sub', [a, b], a.dtype);
}

/** Whether b adds no axis and no length to a. */
function broadcastsInto(b: Symbolic, a: Symbolic): boolean {
  return b.shape.every((dim, axis) => dim === 1 || dim === a.shape[a.rank - b.rank + axis]);
}

function divide(a: Symbolic, b: Symbolic): Symbolic {
  // By a number: one multiplication less exact than IEEE division would change bits, so only division by 1 is folded.
  return b.uniform === 1 && broadcastsInto(b, a) ? a : elementwise('Div', [a, b], a.dtype);
}

/** A number in the value's type. */
function number(x: Symbolic, value: number): Symbolic {
  return scalarOf(x.graph, value, x.dtype);
}

function where(condition: Symbolic, chosen: Symbolic, other: Symbolic): Symbolic {
  return elementwise('Where', [condition, chosen, other], chosen.dtype);
}

export const elementwiseKernels: readonly TraceKernel[] = [
  ...Object.entries(UNARY).map(([name, op]) => kernel<'x'>(name, ({ x }) => elementwise(op, [x], x.dtype))),
  kernel<'x'>('Sigmoid', ({ x }) => {
    const y = elementwise('Sigmoid', [x], x.dtype);
    y.sigmoidOf = x;
    return y;
  }),
  ...Object.entries(BINARY).map(([name, op]) =>
    kernel<Pair>(name, ({ a, b }) => elementwise(op, [a, b], a.dtype)),
  ),
  ...Object.entries(COMPARISON).map(([name, op]) =>
    kernel<Pair>(name, ({ a, b }) => elementwise(op, [a, b], 'bool')),
  ),

  kernel<Pair>('Add', ({ a, b }) => add(a, b)),
  listKernel('AddN', (inputs) => inputs.reduce(add)),
  kernel<Pair>('Sub', ({ a, b }) => subtract(a, b)),
  kernel<Pair>('Multiply', ({ a, b }) => multiply(a, b)),
  kernel<Pair>('RealDiv', ({ a, b }) => divide(a, b)),
  kernel<Pair>('FloorDiv', ({ a, b }) => {
    const quotient = elementwise('Div', [cast(a, 'float32'), cast(b, 'float32')], 'float32');
    return cast(elementwise('Floor', [quotient], 'float32'), a.dtype);
  }),
  // tfjs' mod has the divisor's sign, as Python's.
  kernel<Pair>('Mod', ({ a, b }) => {
    if (a.dtype !== 'float32') return elementwise('Mod', [a, b], a.dtype);
    const floor = elementwise('Floor', [elementwise('Div', [a, b], a.dtype)], a.dtype);
    return elementwise('Sub', [a, multiply(floor, b)], a.dtype);
  }),
  kernel<Pair>('SquaredDifference', ({ a, b }) => {
    const difference = elementwise('Sub', [a, b], a.dtype);
    return multiply(difference, difference);
  }),
  kernel<Pair>('NotEqual', ({ a, b }) => elementwise('Not', [elementwise('Equal', [a, b], 'bool')], 'bool')),

  kernel<'x'>('LogicalNot', ({ x }) => elementwise('Not', [x], 'bool')),
  kernel<'x'>('IsNan', ({ x }) => elementwise('IsNaN', [x], 'bool')),
  kernel<'x'>('Square', ({ x }) => multiply(x, x)),
  kernel<'x'>('Rsqrt', ({ x }) => elementwise('Reciprocal', [elementwise('Sqrt', [x], x.dtype)], x.dtype)),
  kernel<'x'>('Log1p', ({ x }) => elementwise('Log', [add(x, number(x, 1))], x.dtype)),
  kernel<'x'>('Expm1', ({ x }) =>
    elementwise('Sub', [elementwise('Exp', [x], x.dtype), number(x, 1)], x.dtype),
  ),
  kernel<'x'>('Relu6', ({ x }) =>
    elementwise('Min', [elementwise('Relu', [x], x.dtype), number(x, 6)], x.dtype),
  ),
  kernel<'x', { alpha: number }>('LeakyRelu', ({ x }, { alpha }) =>
    elementwise('LeakyRelu', [x], x.dtype, { alpha: float(alpha) }),
  ),
  kernel<'x' | 'alpha'>('Prelu', ({ x, alpha }) =>
    where(elementwise('Greater', [x, number(x, 0)], 'bool'), x, multiply(x, alpha)),
  ),
  // elu'(x) in terms of y = elu(x): 1 where y >= 0, else y + 1.
  kernel<'dy' | 'y'>('EluGrad', ({ dy, y }) =>
    where(elementwise('GreaterOrEqual', [y, number(y, 0)], 'bool'), dy, multiply(dy, add(y, number(y, 1)))),
  ),
  kernel<'x', { alpha: number }>('Step', ({ x }, { alpha }) => {
    // ONNX Runtime's Where takes four times as long as this and a product, on one thread only. 0 times the largest number is 0.
    if (x.graph.target.fused && alpha === 0 && x.dtype === 'float32')
      return elementwise('HardSigmoid', [x], x.dtype, { alpha: float(LARGEST), beta: float(0) });
    const positive = elementwise('Greater', [x, number(x, 0)], 'bool');
    return alpha === 0 ? cast(positive, x.dtype) : where(positive, number(x, 1), number(x, alpha));
  }),
  kernel<'x', { clipValueMin: number; clipValueMax: number }>(
    'ClipByValue',
    ({ x }, { clipValueMin, clipValueMax }) =>
      elementwise(
        'Min',
        [elementwise('Max', [x, number(x, clipValueMin)], x.dtype), number(x, clipValueMax)],
        x.dtype,
      ),
  ),
  kernel<'condition' | 't' | 'e'>('Select', ({ condition, t, e }) => where(condition, t, e)),

  kernel<'x'>('Identity', ({ x }) => x),
  kernel<'x', { dtype: Dtype }>('Cast', ({ x }, { dtype }) => cast(x, dtype)),
  kernel<'x'>('ZerosLike', ({ x }) => fill(x.graph, x.shape, 0, x.dtype)),
  kernel<'x'>('OnesLike', ({ x }) => fill(x.graph, x.shape, 1, x.dtype)),
  kernel<never, { shape: number[]; value: number; dtype?: Dtype }>(
    'Fill',
    (_, { shape, value, dtype }, graph) => fill(graph, shape, value, dtype ?? 'float32'),
  ),
  kernel<'x', { shape: number[] }>('BroadcastTo', ({ x }, { shape }) =>
    broadcast(reshape(x, [...Array<number>(shape.length - x.rank).fill(1), ...x.shape]), shape),
  ),
];
