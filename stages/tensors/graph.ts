/**
 * The graph that a trace records: nodes, constants and inputs by name. Equal nodes are recorded once (hash-consing), dead
 * ones dropped at the end.
 */
import {
  FloatAttribute,
  type Attribute,
  type OnnxConstant,
  type OnnxGraph,
  type OnnxNode,
  type OnnxType,
  type OnnxValue,
  type OutsideData,
} from './onnx-encoder.js';

/** Constants up to this many bytes are compared by content, so that equal ones are stored once. */
const SHARED_CONSTANT_BYTES = 4096;

export type ConstantValues = Exclude<OnnxConstant['data'], OutsideData>;

/** What the graph will be computed by. */
export interface Target {
  /** Channels in a block of ONNX Runtime's blocked convolutions; 0 where it has none. */
  block: number;
  /** Whether x sigmoid(x) and a x + b, where a and b belong to a channel, are one node each: ONNX Runtime's CPU kernels for them pass memory once. */
  fused: boolean;
  /** Whether it reads arrays where the caller has them: then a part of one may be an input of its own, and what is done to long vectors be done there. */
  inPlace: boolean;
}

/** An argument of the function. */
export interface Argument {
  /** `in<i>` for the i-th leaf. */
  name: string;
  dtype: OnnxType & ('float32' | 'int32' | 'bool');
  /** Whether its values are constants. */
  frozen: boolean;
}

/** No more than ONNX prescribes. */
export const anyTarget: Target = { block: 0, fused: false, inPlace: false };

/** An input: elements of an argument from `offset` on. */
export interface Input extends OnnxValue {
  argument: string;
  offset: number;
}

/** What a trace has recorded, without what its outputs do not need. */
export interface TracedGraph extends OnnxGraph {
  inputs: readonly Input[];
  /** Shapes of float32 arrays as they lie in memory, as far as they are known. */
  dims: ReadonlyMap<string, readonly number[]>;
  /** The output of each Reshape -> what it is a reshape of. */
  reshaped: ReadonlyMap<string, ShapedName>;
}

/** An array as it lies in memory. */
export interface ShapedName {
  name: string;
  dims: readonly number[];
}

/** What one trace has recorded so far; each trace has a graph of its own. */
export class Graph {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants: OnnxConstant[] = [];
  readonly #constantNames = new Set<string>();
  /** Arrays that nodes make of constants alone: ONNX Runtime computes them once. */
  readonly #foldedNames = new Set<string>();
  readonly #inputs: Input[] = [];
  /** Shapes of float32 arrays as they lie in memory. */
  readonly #dims = new Map<string, readonly number[]>();
  /** What was recorded before: node or constant, spelt out -> the names of its outputs. */
  readonly #known = new Map<string, string[]>();
  /** The output of each Reshape -> what it was a reshape of. */
  readonly #reshaped = new Map<string, ShapedName>();
  #count = 0;
  /** Where the next nodes come from, a stack; set only where a place is looked for. */
  origin: string | undefined;
  /** By the name of a node, where it came from. */
  readonly origins = new Map<string, string>();

  constructor(readonly target: Target = anyTarget) {}

  /** An argument's elements from `offset` on. */
  input({ name: argument, dtype }: Argument, offset: number, dims: readonly number[]): string {
    const key = `input|${argument}|${offset}|${dims.join()}`;
    const known = this.#known.get(key);
    if (known) return known[0]!;
    const isFirst = this.#inputs.every((input) => input.argument !== argument);
    const name = isFirst ? argument : `${argument}_${this.#count++}`;
    this.#inputs.push({ name, dtype, dims, argument, offset });
    this.#known.set(key, [name]);
    return name;
  }

  /** Notes the shape of a float32 array. */
  describe(name: string, dims: readonly number[]): void {
    this.#dims.set(name, dims);
  }

  /** Records a node with one output and returns that output's name. */
  emit(op: string, inputs: string[], attributes: Record<string, Attribute> = {}, domain = ''): string {
    return this.emitAll(op, inputs, 1, attributes, domain)[0]!;
  }

  /** Records a node with several outputs. */
  emitAll(
    op: string,
    inputs: string[],
    outputs: number,
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): string[] {
    const spelt = Object.entries(attributes).map(
      ([key, value]) => `${key}=${value instanceof FloatAttribute ? `f${value.value}` : String(value)}`,
    );
    const key = `${domain}|${op}|${inputs.join()}|${spelt.join(';')}|${outputs}`;
    const known = this.#known.get(key);
    if (known) return known;
    const id = this.#count++;
    const names = Array.from({ length: outputs }, (_, i) => (i === 0 ? `${op}_${id}` : `${op}_${id}_${i}`));
    this.#nodes.push({ op, inputs, outputs: names, attributes, domain });
    this.#known.set(key, names);
    if (inputs.every((name) => name === '' || this.isFolded(name)))
      for (const name of names) this.#foldedNames.add(name);
    if (this.origin !== undefined) this.origins.set(names[0]!, this.origin);
    return names;
  }

  /** A part of an array that the session is given beside the model. */
  outside(location: string, offset: number, length: number, dims: readonly number[]): string {
    const key = `outside|${location}|${offset}|${dims.join()}`;
    const known = this.#known.get(key);
    if (known) return known[0]!;
    const name = `${location}_${this.#count++}`;
    this.#constants.push({ name, data: { location, offset, length }, dims, dtype: 'float32' });
    this.#constantNames.add(name);
    this.#known.set(key, [name]);
    return name;
  }

  constant(data: ConstantValues, dims: readonly number[], dtype: OnnxType): string {
    let key: string | undefined;
    if (data.byteLength <= SHARED_CONSTANT_BYTES) {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
      key = `constant|${dtype}|${dims.join()}|${bytes}`;
      const known = this.#known.get(key);
      if (known) return known[0]!;
    }
    const name = `constant_${this.#count++}`;
    // A copy: the caller may write to its array later.
    this.#constants.push({ name, data: data.slice(), dims, dtype });
    this.#constantNames.add(name);
    if (key !== undefined) this.#known.set(key, [name]);
    return name;
  }

  /** Whether it is known before the graph runs; also seen through a reshape. */
  isConstant(name: string): boolean {
    return this.#constantNames.has(this.#reshaped.get(name)?.name ?? name);
  }

  /** Whether it is a constant, or made of constants alone. */
  isFolded(name: string): boolean {
    return this.#constantNames.has(name) || this.#foldedNames.has(name);
  }

  /** A vector of int64, which is how ONNX takes shapes and axes. */
  int64(values: readonly number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length], 'int64');
  }

  /** A vector of indices, made once for each `key`. */
  indices(key: string, make: () => Iterable<number>): string {
    const spelt = `indices|${key}`;
    let known = this.#known.get(spelt);
    if (!known) {
      const values = Int32Array.from(make());
      known = [this.constant(values, [values.length], 'int32')];
      this.#known.set(spelt, known);
    }
    return known[0]!;
  }

  /** The same elements in another shape. A reshape of a reshape reads the original. */
  reshape(name: string, from: readonly number[], to: readonly number[]): string {
    if (sameDims(from, to)) return name;
    const source = this.#reshaped.get(name);
    if (source) return this.reshape(source.name, source.dims, to);
    const out = this.emit('Reshape', [name, this.int64(to)]);
    this.#reshaped.set(out, { name, dims: from });
    return out;
  }

  /** What is needed for the given values, which become the outputs `out0`, `out1`, ... */
  finish(values: readonly OnnxValue[]): TracedGraph {
    const producers = new Map<string, OnnxNode>();
    for (const node of this.#nodes) for (const output of node.outputs) producers.set(output, node);

    const live = new Set<OnnxNode>();
    const pending = values.map((value) => value.name);
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const node = producers.get(name);
      if (!node || live.has(node)) continue;
      live.add(node);
      pending.push(...node.inputs);
    }

    // An output is its producer's output renamed; where that is taken (an input, a constant, a value given twice), a copy.
    const renamed = new Map<string, string>();
    const copies: OnnxNode[] = [];
    const outputs = values.map(({ name, dtype, dims }, i) => {
      const output = `out${i}`;
      if (producers.has(name) && !renamed.has(name)) {
        renamed.set(name, output);
        const origin = this.origins.get(name);
        if (origin !== undefined) this.origins.set(output, origin);
      } else copies.push({ op: 'Identity', inputs: [name], outputs: [output], attributes: {}, domain: '' });
      return { name: output, dtype, dims };
    });
    const rename = (name: string): string => renamed.get(name) ?? name;
    const nodes = [...this.#nodes.filter((node) => live.has(node)), ...copies].map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    }));

    const used = new Set(nodes.flatMap((node) => node.inputs));
    for (const { name, dtype, dims } of outputs) if (dtype === 'float32') this.#dims.set(name, dims);
    const reshaped = [...this.#reshaped].map(
      ([name, source]) => [rename(name), { ...source, name: rename(source.name) }] as const,
    );
    return {
      nodes,
      dims: this.#dims,
      reshaped: new Map(reshaped),
      outputs,
      inputs: this.#inputs.filter((input) => used.has(input.name)),
      constants: this.#constants.filter((constant) => used.has(constant.name)),
    };
  }
}

/** Whether two shapes, orders or permutations are equal. */
export function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}
