/**
 * The tail of a step: what it does to long vectors element by element at its end, as an optimiser does to weights and moments. In ONNX
 * Runtime each of its two dozen operations would pass all memory, and results would be copied into fresh pages. Split off, it is one loop
 * (vector-loop.ts) that writes over the vectors that were donated. A vector that would be joined for it, as a gradient is, it reads in
 * the pieces it was made in.
 */
import type { Input, ShapedName, TracedGraph } from './graph.js';
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
export const LEAST_LENGTH = 2 ** 18;
/** Elements of vectors outside of the loop's memory that are copied into it at a time. */
const PART = 2 ** 14;

/** Its vectors and numbers are outputs of the head, arguments of the function or constants. */
export interface Tail extends LoopSource {
  /** Of each vector. */
  length: number;
  /** What each of the vectors consists of, one after the other: often itself. */
  pieces: readonly (readonly string[])[];
  inputs: readonly Input[];
  constants: ReadonlyMap<string, Float32Array>;
}

/** @returns the graph itself, without a tail, where nothing is to be gained */
export function splitTail(graph: TracedGraph): { head: TracedGraph; tail?: Tail } {
  const { nodes, inputs, outputs, constants, dims, reshaped } = graph;
  const long = outputs.filter((output) => output.dtype === 'float32' && output.dims.length === 1);
  const length = Math.max(0, ...long.map((output) => output.dims[0]!));
  if (length < LEAST_LENGTH) return { head: graph };
  /** Constants that only the session has. */
  const outside = new Set(constants.filter(({ data }) => 'location' in data).map(({ name }) => name));
  const results = new Set(outputs.map(({ name }) => name));
  const isVector = (name: string): boolean =>
    dims.get(name)?.length === 1 && dims.get(name)![0] === length && !outside.has(name);
  const isNumber = (name: string): boolean => {
    const shape = dims.get(name);
    return shape !== undefined && shape.length < 2 && (shape[0] ?? 1) === 1 && !outside.has(name);
  };
  /** As whoever made it left it: an output that is a Reshape would be a copy. */
  const asMade = (name: string): ShapedName => reshaped.get(name) ?? { name, dims: dims.get(name)! };
  const piecesOf = ({ op, inputs: parts, outputs: [output] }: OnnxNode): ShapedName[] | undefined => {
    const pieces = op === 'Concat' ? parts.map(asMade) : reshaped.has(output!) ? [asMade(output!)] : [];
    return pieces.length > 0 && pieces.every(({ name }) => !outside.has(name)) ? pieces : undefined;
  };

  const front: OnnxNode[] = [];
  const rear: OnnxNode[] = [];
  const made = new Set<string>();
  /** Vectors that would only be joined, or seen as vectors, for the rear: it reads their pieces where they lie. */
  const joined = new Map<string, readonly ShapedName[]>();
  /** What the front reads, and what the rear does. Readers come after what they read, so from the end on they are all known in time. */
  const needed = new Set<string>();
  const border = new Set<string>();
  for (const node of nodes.toReversed()) {
    const output = node.outputs[0]!;
    const fits =
      LOOP_OPERATORS.has(node.op) &&
      isVector(output) &&
      node.inputs.every((name) => isVector(name) || isNumber(name));
    const idle = !needed.has(output) && !results.has(output);
    const pieces = piecesOf(node);
    if (fits && !needed.has(output)) {
      rear.push(node);
      made.add(output);
      for (const name of node.inputs) border.add(name);
    } else if (idle && isVector(output) && pieces) {
      joined.set(output, pieces);
    } else if (!(idle && reshaped.has(output) && !border.has(output))) {
      // Not the reshape of a piece, which nobody reads any more.
      front.push(node);
      for (const name of node.inputs) needed.add(name);
    }
  }
  const ends = outputs.filter(({ name }) => made.has(name));
  if (ends.length === 0) return { head: graph };

  const given = [...border].filter((name) => !made.has(name));
  const vectors = given.filter(isVector);
  const pieces = vectors.map((name) => joined.get(name) ?? [{ name, dims: dims.get(name)! }]);
  const numbers = given.filter((name) => !isVector(name));
  const read = new Map(pieces.flat().map((piece) => [piece.name, piece.dims]));
  for (const name of numbers) read.set(name, dims.get(name)!);
  const there = new Set([...inputs, ...outputs, ...constants].map(({ name }) => name));
  const handed = [...read].filter(([name]) => !there.has(name));
  return {
    head: {
      nodes: front.reverse(),
      dims,
      reshaped,
      inputs: inputs.filter(({ name }) => needed.has(name)),
      constants: constants.filter(({ name }) => needed.has(name)),
      outputs: [
        ...outputs.filter(({ name }) => !made.has(name)),
        ...handed.map(([name, shape]) => ({ name, dtype: 'float32' as const, dims: shape })),
      ],
    },
    tail: {
      nodes: rear.reverse(),
      vectors,
      pieces: pieces.map((parts) => parts.map(({ name }) => name)),
      numbers,
      outputs: ends.map(({ name }) => name),
      length,
      inputs: inputs.filter(({ name }) => read.has(name)),
      constants: new Map(
        constants.filter(({ name }) => read.has(name)).map(({ name, data }) => [name, data as Float32Array]),
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
   * @param given the pieces of vectors, and numbers, by name, but for constants
   * @param free vectors that an earlier run has made and nobody will read again: results are written over them
   * @returns the outputs
   */
  run(
    given: ReadonlyMap<string, Float32Array>,
    free: readonly Float32Array[],
  ): ReadonlyMap<string, Float32Array> {
    const { pieces, outputs, numbers, length, constants } = this.source;
    const arrayOf = (name: string): Float32Array => (given.get(name) ?? constants.get(name))!;
    const inputs = pieces.map((names) => names.map(arrayOf));
    for (const vector of free) this.#taken.delete(vector);
    // A piece is read at other elements than it lies at: what is written there would be read.
    const moved = inputs.filter((vector) => vector.length > 1).flat();
    const places = this.#places.filter((place) => !this.#taken.has(place) && !moved.some(isWithin(place)));
    const results = outputs.map((_, k) => places[k] ?? new Float32Array(length));
    for (const place of places) this.#taken.add(place);

    const values = numbers.map((name) => arrayOf(name)[0]!);
    const vectors = [...inputs, ...results.map((result) => [result])];
    const isInside = vectors.map(
      ([first, ...more]) => more.length === 0 && first!.buffer === this.#memory.buffer,
    );
    const readers = inputs.map((vector) => new Reader(vector));
    const step = isInside.every(Boolean) ? length : PART;
    for (let from = 0; from < length; from += step) {
      const to = Math.min(from + step, length);
      const pointers = vectors.map(([first], k) => {
        if (isInside[k]) return first!.byteOffset + 4 * from;
        const part = this.#parts[k]!;
        readers[k]?.fill(part.subarray(0, to - from));
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

const isWithin =
  (place: Float32Array) =>
  ({ buffer, byteOffset }: Float32Array): boolean =>
    buffer === place.buffer &&
    byteOffset >= place.byteOffset &&
    byteOffset < place.byteOffset + place.byteLength;

/** Reads a vector from its pieces, from the first element on. */
class Reader {
  /** The piece that it is at, and the element in it. */
  #piece = 0;
  #element = 0;

  constructor(private readonly pieces: readonly Float32Array[]) {}

  /** Writes as many elements as there is room for. */
  fill(room: Float32Array): void {
    for (let filled = 0; filled < room.length;) {
      const piece = this.pieces[this.#piece]!;
      const part = piece.subarray(this.#element, this.#element + room.length - filled);
      room.set(part, filled);
      filled += part.length;
      this.#element += part.length;
      if (this.#element === piece.length) {
        this.#piece++;
        this.#element = 0;
      }
    }
  }
}
