/**
 * The tail of a step: what it does to long vectors element by element at its end, as an optimiser does to weights and moments. In ONNX
 * Runtime each of its two dozen operations would pass all memory, and results would be copied into fresh pages. Split off, it is one loop
 * (vector-loop.ts) that writes over the vectors that were donated.
 */
import type { Input, TracedGraph } from './graph.js';
import type { OnnxNode } from './onnx-encoder.js';
import {
  type Loop,
  LOOP_OPERATORS,
  type LoopMemory,
  loopMemory,
  type LoopSource,
  MAX_BYTES,
  vectorLoop,
} from './vector-loop.js';

/** Shorter vectors stay in the graph. */
const LEAST_LENGTH = 2 ** 18;
/** Elements of vectors outside of the loop's memory that are copied into it at a time. */
const PART = 2 ** 14;

/** Its vectors and numbers are outputs of the head, arguments of the function or constants. */
export interface Tail extends LoopSource {
  /** Of each vector. */
  length: number;
  inputs: readonly Input[];
  constants: ReadonlyMap<string, Float32Array>;
}

/** @returns the graph itself, without a tail, where nothing is to be gained */
export function splitTail(graph: TracedGraph): { head: TracedGraph; tail?: Tail } {
  const { nodes, inputs, outputs, constants, dims } = graph;
  const long = outputs.filter((output) => output.dtype === 'float32' && output.dims.length === 1);
  const length = Math.max(0, ...long.map((output) => output.dims[0]!));
  if (length < LEAST_LENGTH) return { head: graph };
  /** Constants that only the session has. */
  const outside = new Set(constants.filter(({ data }) => 'location' in data).map(({ name }) => name));
  const isVector = (name: string): boolean =>
    dims.get(name)?.length === 1 && dims.get(name)![0] === length && !outside.has(name);
  const isNumber = (name: string): boolean => {
    const shape = dims.get(name);
    return shape !== undefined && shape.length < 2 && (shape[0] ?? 1) === 1 && !outside.has(name);
  };

  const rear = new Set<OnnxNode>();
  /** What the head reads. Readers come after what they read, so from the end on they are all known in time. */
  const needed = new Set<string>();
  for (const node of nodes.toReversed()) {
    const [output] = node.outputs;
    const fits =
      LOOP_OPERATORS.has(node.op) &&
      isVector(output!) &&
      node.inputs.every((name) => isVector(name) || isNumber(name));
    if (fits && !needed.has(output!)) rear.add(node);
    else for (const name of node.inputs) needed.add(name);
  }
  const own = nodes.filter((node) => rear.has(node));
  const made = new Set(own.flatMap((node) => node.outputs));
  const border = [...new Set(own.flatMap((node) => node.inputs))].filter((name) => !made.has(name));
  const ends = outputs.filter(({ name }) => made.has(name));
  if (ends.length === 0) return { head: graph };

  const there = new Set([...inputs, ...outputs, ...constants].map(({ name }) => name));
  const handed = border.filter((name) => !there.has(name));
  return {
    head: {
      nodes: nodes.filter((node) => !rear.has(node)),
      dims,
      inputs: inputs.filter(({ name }) => needed.has(name)),
      constants: constants.filter(({ name }) => needed.has(name)),
      outputs: [
        ...outputs.filter(({ name }) => !made.has(name)),
        ...handed.map((name) => ({ name, dtype: 'float32' as const, dims: dims.get(name)! })),
      ],
    },
    tail: {
      nodes: own,
      vectors: border.filter(isVector),
      numbers: border.filter((name) => !isVector(name)),
      outputs: ends.map(({ name }) => name),
      length,
      inputs: inputs.filter(({ name }) => border.includes(name)),
      constants: new Map(
        constants
          .filter(({ name }) => border.includes(name))
          .map(({ name, data }) => [name, data as Float32Array]),
      ),
    },
  };
}

/** A tail with its memory: a place for each output, and room for parts of vectors that lie elsewhere. */
export class TailLoop {
  readonly #loop: Loop;
  readonly #memory: LoopMemory;
  readonly #places: Float32Array[];
  /** Where parts of vectors, and of outputs that have no place, are kept meanwhile. */
  readonly #parts: Float32Array[];
  /** Places whose vector somebody has. */
  readonly #taken = new Set<Float32Array>();

  /** @throws RangeError or WebAssembly.CompileError where memory or processor do not have it */
  constructor(readonly source: Tail) {
    const { vectors, outputs, length } = source;
    const parts = vectors.length + outputs.length;
    const bytes = (elements: number): number => 16 * Math.ceil(elements / 4);
    const total = (places: number): number => places * bytes(length) + parts * bytes(PART);
    const places = total(outputs.length) <= MAX_BYTES ? outputs.length : 0;
    this.#memory = loopMemory(total(places));
    const { buffer } = this.#memory;
    this.#places = Array.from(
      { length: places },
      (_, k) => new Float32Array(buffer, k * bytes(length), length),
    );
    const behind = places * bytes(length);
    this.#parts = Array.from(
      { length: parts },
      (_, k) => new Float32Array(buffer, behind + k * bytes(PART), PART),
    );
    this.#loop = vectorLoop(source, this.#memory);
  }

  /**
   * @param given the vectors and numbers by name, but for constants
   * @param free vectors that an earlier run has made and nobody will read again: results are written over them
   * @returns the outputs
   */
  run(
    given: ReadonlyMap<string, Float32Array>,
    free: readonly Float32Array[],
  ): ReadonlyMap<string, Float32Array> {
    const { vectors, outputs, numbers, length, constants } = this.source;
    const arrayOf = (name: string): Float32Array => (given.get(name) ?? constants.get(name))!;
    for (const vector of free) this.#taken.delete(vector);
    const places = this.#places.filter((place) => !this.#taken.has(place));
    const inputs = vectors.map(arrayOf);
    const results = outputs.map((_, k) => places[k] ?? new Float32Array(length));
    for (const place of places) this.#taken.add(place);

    const values = numbers.map((name) => arrayOf(name)[0]!);
    const arrays = [...inputs, ...results];
    const isInside = arrays.map(({ buffer }) => buffer === this.#memory.buffer);
    const step = isInside.every(Boolean) ? length : PART;
    for (let from = 0; from < length; from += step) {
      const to = Math.min(from + step, length);
      const pointers = arrays.map((array, k) => {
        if (isInside[k]) return array.byteOffset + 4 * from;
        const part = this.#parts[k]!;
        if (k < inputs.length) part.set(array.subarray(from, to));
        return part.byteOffset;
      });
      this.#loop(4 * (to - from), ...pointers, ...values);
      results.forEach((result, k) => {
        if (!isInside[inputs.length + k])
          result.set(this.#parts[inputs.length + k]!.subarray(0, to - from), from);
      });
    }
    return new Map(outputs.map((name, k) => [name, results[k]!]));
  }
}
