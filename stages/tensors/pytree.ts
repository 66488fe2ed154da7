/**
 * Nested arrays and plain objects of tensors: what a compiled function takes and returns.
 */
import * as tf from '@tensorflow/tfjs';
import { placedError } from './stage-line.js';

/** A tensor, or arrays and plain objects of pytrees; null and undefined may stand in for what is absent. */
export type Pytree = object | null | undefined;

/** A tensor of a pytree. */
export interface Leaf {
  /** Where the tensor lies, as in `0.weights`. */
  path: string;
  tensor: tf.Tensor;
}

/**
 * The tensors of a pytree with their places, in the order of its keys.
 * @throws where something is neither a tensor nor a container: a number would be baked into a compiled function unseen; and where a
 *         tensor has been disposed. The message begins with the line of the stage's code
 */
export function leaves(tree: unknown, path = ''): Leaf[] {
  if (tree instanceof tf.Tensor) {
    if (tree.isDisposed)
      throw placedError(
        `${named(path)} has been disposed, by the stage or as an argument donated to an earlier call`,
      );
    return [{ path, tensor: tree }];
  }
  if (tree === null || tree === undefined) return [];
  const prototype: unknown = typeof tree === 'object' ? Object.getPrototypeOf(tree) : undefined;
  if (Array.isArray(tree) || prototype === Object.prototype || prototype === null) {
    return Object.entries(tree).flatMap(([key, child]) =>
      leaves(child, path === '' ? key : `${path}.${key}`),
    );
  }
  const kind = typeof tree === 'object' ? tree.constructor.name : typeof tree;
  throw placedError(`${named(path)} is a ${kind}, not a tensor; make it one (tf.scalar for a number)`);
}

const named = (path: string): string => (path === '' ? 'the result' : `'${path}'`);

/** The same structure with each tensor replaced by `leaf(tensor, its position among the leaves)`. */
export function mapLeaves(tree: unknown, leaf: (tensor: tf.Tensor, index: number) => unknown): unknown {
  let index = 0;
  const visit = (node: unknown): unknown => {
    if (node instanceof tf.Tensor) return leaf(node, index++);
    if (Array.isArray(node)) return node.map(visit);
    if (node !== null && typeof node === 'object') {
      return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, visit(child)]));
    }
    return node;
  };
  return visit(tree);
}
