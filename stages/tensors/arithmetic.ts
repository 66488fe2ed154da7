/**
 * Recording of elementwise operators and casts on symbolic values, with the folding that keeps autodiff's
 * graphs small: x * 0, x * 1, x + 0, products of constants, a multiplication by a cast mask.
 *
 * x * 0 folds to 0 also where x could be infinite or NaN: autodiff multiplies by zeros that mean "nothing flows here".
 */
import * as tf from '@tensorflow/tfjs';
import { addInBlocks, affineInBlocks, affineInRuns } from './blocked-arithmetic.js';
import { sameDims } from './graph.js';
import { DATA_TYPE, FloatAttribute, type Attribute } from './onnx-encoder.js';
import { axesOf, broadcast, fill, scalarOf, sizeOf, Symbolic, typedArray, type Dtype } from './symbol.js';
import { inOrder, lift } from './views.js';

/** The shape of two operands together, by the rule of NumPy. Throws where they do not fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  return tf.backend_util.assertAndGetBroadcastShape([...a], [...b]);
}

/** One elementwise node with broadcasting. Its layout is that of the largest operand, so that the large one is not moved. */
export function elementwise(
  op: string,
  operands: readonly Symbolic[],
  dtype: Dtype,
  attributes: Record<string, Attribute> = {},
): Symbolic {
  const shape = operands.map((operand) => operand.shape).reduce(broadcastShape);
  const cores = operands.map((operand) => lift(operand, shape.length).core);
  const coreShape = cores.map((core) => core.shape).reduce(broadcastShape);
  const largest = Math.max(...cores.map((core) => core.size));
  const leading = cores.filter((core) => core.size === largest);
  // Among equals a value that is not in logical order leads: it comes from a convolution, and what follows is likely one too.
  const { order, graph } = leading.find((core) => !sameDims(core.order, axesOf(shape.length))) ?? leading[0]!;
  const name = graph.emit(
    op,
    cores.map((core) => inOrder(inLongRuns(core, coreShape, order), order)),
    attributes,
  );
  return broadcast(new Symbolic(graph, coreShape, dtype, name, order), shape);
}

/** Below so many elements with the same number, ONNX Runtime's broadcasting takes three times as long as arithmetic without. */
const LEAST_REPEAT = 16;

/** The value repeated along the last axes in memory, where those are short and the first are left to be repeated. */
function inLongRuns(value: Symbolic, shape: readonly number[], order: readonly number[]): Symbolic {
  const isRepeated = (axis: number): boolean => value.shape[axis] === 1 && shape[axis] !== 1;
  // Axes of length 1 belong to either side.
  const last = order.findLastIndex((axis) => !isRepeated(axis) && shape[axis] !== 1);
  const run = order.slice(last + 1);
  const length = sizeOf(run.map((axis) => shape[axis]!));
  if (last < 0 || length === 1 || length >= LEAST_REPEAT || !order.slice(0, last).some(isRepeated))
    return value;
  return broadcast(
    value,
    value.shape.map((dim, axis) => (run.includes(axis) ? shape[axis]! : dim)),
  );
}

/** `operand` broadcast to the shape it has together with another. */
function expanded(operand: Symbolic, shape: number[]): Symbolic {
  return broadcast(lift(operand, shape.length), shape);
}

/** a b, with the folds of 0, 1, constants and cast masks. */
export function multiply(a: Symbolic, b: Symbolic): Symbolic {
  const shape = broadcastShape(a.shape, b.shape);
  const { graph, dtype } = a;
  const [x, y] = [a.uniform, b.uniform];
  if (x !== undefined && y !== undefined) return fill(graph, shape, folded(x * y, dtype), dtype);
  for (const [factor, other] of bothWays(a, b)) {
    if (factor.uniform === 0) return fill(graph, shape, 0, dtype);
    if (factor.uniform === 1) return expanded(other, shape);
    if (factor.mask) return elementwise('Where', [factor.mask, other, scalarOf(graph, 0, dtype)], dtype);
  }
  for (const [factor, other] of bothWays(a, b))
    if (graph.target.fused && isSame(factor.sigmoidOf, other))
      // x sigmoid(x)
      return mapped(other, (name) => graph.emit('QuickGelu', [name], { alpha: float(1) }, 'com.microsoft'));
  const product = elementwise('Mul', [a, b], dtype);
  if (dtype === 'float32' && !a.base && !b.base && sameDims(a.shape, b.shape)) product.factors = [a, b];
  if (dtype === 'float32' && a.size !== b.size)
    product.scaled = a.size > b.size ? { map: a, factor: b } : { map: b, factor: a };
  return product;
}

/** The operands of what commutes, in either order. */
const bothWays = (a: Symbolic, b: Symbolic): readonly (readonly [Symbolic, Symbolic])[] => [
  [a, b],
  [b, a],
];

/** Whether both are the same array, seen alike. */
function isSame(a: Symbolic | undefined, b: Symbolic): boolean {
  return a !== undefined && !a.base && !b.base && a.name === b.name && sameDims(a.order, b.order);
}

/** What nodes make of a value element by element, in blocks where it is in blocks. */
function mapped(value: Symbolic, record: (name: string) => string): Symbolic {
  const { graph, image, shape, dtype, order } = value;
  const array = image?.isInBlocks ? image.mapped(record(image.blocks)) : record(value.name);
  return new Symbolic(graph, shape, dtype, array, order);
}

/** Below so many elements with the same factor, a node for each step is as fast. */
const LEAST_RUN = 16;

/**
 * map factor + term as one node, where the factor, and the term if it is no map, too, belong to some neighbouring axes of the map as it lies in
 * memory: a depthwise convolution, or ONNX's BatchNormalization with mean 0 and variance 1.
 * @returns undefined where they do not
 */
function affine({ map, factor }: NonNullable<Symbolic['scaled']>, term: Symbolic): Symbolic | undefined {
  const { graph, order, rank } = map;
  if (!graph.target.fused || map.base || term.uniform !== undefined) return undefined;
  const [f, t] = [lift(factor, rank).core, lift(term, rank).core];
  if (f.shape.some((dim, axis) => dim !== 1 && dim !== map.shape[axis])) return undefined;
  const blocked = affineInBlocks(map, f, t);
  if (blocked) return blocked;
  const physical = map.physicalShape;
  // Axes with a factor each, as they lie: between `from` and `to`.
  const long = order.flatMap((axis, k) => (map.shape[axis] !== 1 && f.shape[axis] !== 1 ? [k] : []));
  const [from, to] = [long[0] ?? 0, (long.at(-1) ?? -1) + 1];
  const apart = order.slice(from, to).some((axis) => f.shape[axis] !== map.shape[axis]);
  const run = sizeOf(physical.slice(to));
  if (long.length === 0 || apart || run < LEAST_RUN) return undefined;
  const [outer, inner] = [sizeOf(physical.slice(0, from)), sizeOf(physical.slice(from, to))];
  const written = (value: Symbolic): string =>
    graph.reshape(
      inOrder(broadcast(value, f.shape), order),
      order.map((axis) => f.shape[axis]!),
      [inner],
    );
  const a = written(f);
  if (sameDims(t.shape, map.shape))
    return graph.isFolded(a) || map.image?.isInBlocks
      ? undefined
      : affineInRuns(map, [outer, inner, run], a, { sum: inOrder(t, order) });
  // The term may be one for several factors; not the other way round.
  if (t.shape.some((dim, axis) => dim !== 1 && dim !== f.shape[axis])) return undefined;
  const b = written(t);
  // Numbers that stay the same may be taken up by a convolution before or after it.
  const settled = graph.isFolded(a) && graph.isFolded(b);
  const shared = settled ? undefined : affineInRuns(map, [outer, inner, run], a, { term: b });
  if (shared) return shared;
  const ones = graph.constant(new Float32Array(inner).fill(1), [inner], 'float32');
  const zeros = graph.constant(new Float32Array(inner), [inner], 'float32');
  // As it is where its channels are the second axis, as a convolution's.
  const asItIs = from === 1 && to === 2;
  const shape = asItIs ? physical : [outer, inner, run];
  const image = graph.reshape(map.name, physical, shape);
  const name = graph.emit('BatchNormalization', [image, a, b, zeros, ones], { epsilon: float(0) });
  return new Symbolic(graph, map.shape, map.dtype, graph.reshape(name, shape, physical), order);
}

/** a + b, with the folds of 0 and constants. */
export function add(a: Symbolic, b: Symbolic): Symbolic {
  const shape = broadcastShape(a.shape, b.shape);
  const [x, y] = [a.uniform, b.uniform];
  if (x !== undefined && y !== undefined) return fill(a.graph, shape, folded(x + y, a.dtype), a.dtype);
  if (x === 0) return expanded(b, shape);
  if (y === 0) return expanded(a, shape);
  for (const [sum, bias] of bothWays(a, b))
    if (sum.withBias && bias.rank === 1 && bias.size === sum.shape[3]) return sum.withBias(bias);
  for (const [product, term] of bothWays(a, b)) {
    const one = product.scaled && affine(product.scaled, term);
    if (one) return one;
  }
  return addInBlocks(a, b) ?? elementwise('Add', [a, b], a.dtype);
}

/** A result computed here, as the device would round it. */
function folded(value: number, dtype: Dtype): number {
  return dtype === 'float32' ? Math.fround(value) : value | 0;
}

/** Multiplication by a number. */
export function scale(value: Symbolic, factor: number): Symbolic {
  return multiply(value, scalarOf(value.graph, factor, value.dtype));
}

/** The value in another type; booleans become 0 and 1, and what is not 0 becomes true. */
export function cast(value: Symbolic, dtype: Dtype): Symbolic {
  const { graph } = value;
  if (value.dtype === dtype) return value;
  if (value.uniform !== undefined) {
    const number = dtype === 'bool' ? Number(value.uniform !== 0) : typedArray([value.uniform], dtype)[0]!;
    return fill(graph, value.shape, number, dtype);
  }
  const { core } = value;
  const name = graph.emit('Cast', [core.name], { to: DATA_TYPE[dtype] });
  const converted = new Symbolic(graph, core.shape, dtype, name, core.order);
  if (value.dtype === 'bool') converted.mask = core;
  const result = broadcast(converted, value.shape);
  if (value.dtype === 'bool') result.mask = value;
  return result;
}

/** A number as a float attribute of a node, where a bare one would be an integer. */
export function float(value: number): FloatAttribute {
  return new FloatAttribute(value);
}
