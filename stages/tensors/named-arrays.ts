/** A network's flat vectors as named arrays, as they are kept in .safetensors files, and back. */
import * as tf from '@tensorflow/tfjs';
import type { Layout } from './network.js';

/** A named array, as in a .safetensors file. */
export interface NamedArray {
  shape: number[];
  data: Float32Array;
}

/** The flat vectors as named arrays (copies). */
export function toNamed(
  layout: Layout,
  weights: Float32Array,
  buffers: Float32Array,
): Map<string, NamedArray> {
  const named = new Map<string, NamedArray>();
  for (const [slots, source] of [
    [layout.weights, weights],
    [layout.buffers, buffers],
  ] as const) {
    for (const { name, shape, size, offset } of slots)
      named.set(name, { shape: [...shape], data: source.slice(offset, offset + size) });
  }
  return named;
}

/**
 * The flat vectors of a network from named arrays.
 * @throws listing every name that is missing, of another shape, or not of this network
 */
export function fromNamed(
  layout: Layout,
  named: ReadonlyMap<string, { shape: readonly number[]; data: ArrayLike<number> }>,
): { weights: Float32Array; buffers: Float32Array } {
  const weights = new Float32Array(layout.size);
  const buffers = new Float32Array(layout.bufferSize);
  const problems: string[] = [];
  const known = new Set<string>();
  for (const [slots, target] of [
    [layout.weights, weights],
    [layout.buffers, buffers],
  ] as const) {
    for (const { name, shape, offset } of slots) {
      known.add(name);
      const found = named.get(name);
      if (!found) problems.push(`${name} is missing`);
      else if (!tf.util.arraysEqual([...found.shape], shape)) {
        problems.push(`${name} has shape [${found.shape.join(', ')}], not [${shape.join(', ')}]`);
      } else target.set(found.data, offset);
    }
  }
  for (const name of named.keys()) if (!known.has(name)) problems.push(`${name} belongs to no layer`);
  if (problems.length > 0) throw new Error(`these weights do not fit the network: ${problems.join('; ')}`);
  return { weights, buffers };
}
