/**
 * Compiled functions on ONNX Runtime: a function is traced once per input signature (structure, shapes and types), and each call is
 * one `session.run`, and one loop over the long vectors in its tail (tail.ts). Inputs are read in place. Results of the session are
 * copied out once by onnxruntime-node, also where it is given arrays to write to (measured with 1.30), so none are kept for it.
 */
import * as tf from '@tensorflow/tfjs';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Input, Target, TracedGraph } from './graph.js';
import { leaves, type Leaf } from './pytree.js';
import { encodeModel, type OnnxGraph } from './onnx-encoder.js';
import { placedError } from './stage-line.js';
import { splitTail, TailLoop } from './tail.js';
import { trace, type Trace } from './trace.js';
import type { Dtype } from './symbol.js';

type OnnxRuntime = typeof import('onnxruntime-node');
type Values = Float32Array | Int32Array | Uint8Array;

/** `CompileOptions` with their defaults filled in, and the threads of the device. */
export interface OnnxCompileOptions {
  /** ONNX Runtime's execution provider; nodes that it does not have run on the CPU. */
  provider: 'cpu' | 'webgpu';
  target: Target;
  threads: number;
  donate: readonly number[];
  frozen: readonly number[];
  check: boolean;
}

/**
 * Compiled for so many signatures (shapes, types and frozen tensors), a function is refused another: each costs seconds and memory, and
 * a shape that changes at every call would be compiled for ever.
 */
export const MAX_SIGNATURES = 8;

/**
 * Calls at which a function is traced again, to see whether it still is what was compiled: 2, 4, 8, ..., so that never more went wrong
 * than had gone well.
 */
const isChecked = (call: number): boolean => call > 1 && Number.isInteger(Math.log2(call));

interface Compilation {
  traced: Trace;
  head: TracedGraph;
  /** Undefined where all is tail. */
  session?: InferenceSession;
  tail?: TailLoop;
  calls: number;
}

/**
 * Around two faults of ONNX Runtime 1.30's WebGPU: in its own layout, NHWC, convolutions of 6, 9, 15, ... channels (multiples of 3, not of
 * 4) are wrong; and it claims a MaxPool that tells where its maxima are, and then does not have it.
 */
function webgpuFor(graph: OnnxGraph): InferenceSession.WebGpuExecutionProviderOption {
  const pools = graph.nodes.filter(({ op, outputs }) => op === 'MaxPool' && outputs.length > 1);
  const names = pools.map(({ outputs }) => outputs[0]!);
  // It takes no empty list.
  const onCpu = names.length > 0 ? { forceCpuNodeNames: names } : {};
  return { name: 'webgpu', preferredLayout: 'NCHW', ...onCpu };
}

/** A function with its compilations, one for each signature that it was called with. */
export class OnnxFunction {
  readonly #compilations = new Map<string, Promise<Compilation>>();
  /** Where the stage asked for it. */
  readonly #made = new Error().stack;
  /** Frozen tensors' data in the order they were met. */
  readonly #met = new WeakMap<object, number>();
  #meetings = 0;

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly fn: (...args: never[]) => unknown,
    private readonly options: OnnxCompileOptions,
  ) {}

  async call(args: readonly unknown[]): Promise<unknown> {
    const inputs = leaves(args);
    const compilation = await this.#compilation(args, inputs);
    const { traced, head, session, tail } = compilation;
    if (this.options.check && isChecked(++compilation.calls)) this.#checkUnchanged(args, traced);

    const arrays = new Map<string, Values>();
    try {
      if (session) {
        const out = await session.run(this.#feeds(head.inputs, inputs));
        for (const { name } of head.outputs) arrays.set(name, out[name]!.data as Values);
      }
      if (tail) {
        for (const input of tail.source.inputs) arrays.set(input.name, elementsOf(input, inputs));
        // What it is given is float32.
        const made = tail.run(arrays as Map<string, Float32Array>, this.#free(inputs));
        for (const [name, values] of made) arrays.set(name, values);
      }
    } catch (error) {
      throw this.#placed(error, args);
    }

    const tensors = traced.results.map(({ dtype, shape, output }) =>
      tf.tensor(output === undefined ? [] : arrays.get(output)!, shape, dtype),
    );
    for (const position of this.options.donate) tf.dispose(args[position] as tf.TensorContainer);
    return traced.rebuild(tensors);
  }

  #feeds(wanted: readonly Input[], inputs: readonly Leaf[]): Record<string, OrtTensor> {
    return Object.fromEntries(
      wanted.map((input) => [
        input.name,
        this.#wrap(elementsOf(input, inputs), input.dtype as Dtype, input.dims),
      ]),
    );
  }

  /** Arrays of donated arguments, but where a clone has the same. */
  #free(inputs: readonly Leaf[]): Float32Array[] {
    return inputs
      .filter((leaf) => isWithin(leaf, this.options.donate))
      .filter(({ tensor }) => tf.engine().backend.refCount(tensor.dataId) === 1)
      .map(({ tensor }) => tensor.dataSync() as Float32Array);
  }

  dispose(): void {
    for (const compilation of this.#compilations.values()) {
      compilation.then(({ session }) => session?.release()).catch(() => {});
    }
    this.#compilations.clear();
  }

  #compilation(args: readonly unknown[], inputs: readonly Leaf[]): Promise<Compilation> {
    const frozen = this.#frozen(inputs);
    const described = inputs.map(({ path, tensor }, i) => {
      const identity = frozen.has(i) ? `=${this.#identity(tensor.dataId)}` : '';
      return `${path}: ${tensor.dtype}[${tensor.shape.join()}]${identity}`;
    });
    const signature = described.join(' ');
    let compilation = this.#compilations.get(signature);
    if (!compilation) {
      if (this.#compilations.size >= MAX_SIGNATURES) throw this.#tooManyShapes(described);
      compilation = this.#compile(args, inputs);
      this.#compilations.set(signature, compilation);
      // A failure must not be remembered: the caller may mend its surroundings and call again.
      compilation.catch(() => this.#compilations.delete(signature));
    }
    return compilation;
  }

  /** The leaves of frozen arguments. Only float32 is baked in: the rest is small. */
  #frozen(inputs: readonly Leaf[]): ReadonlySet<number> {
    const { frozen } = this.options;
    const isFrozen = (leaf: Leaf): boolean =>
      leaf.tensor.dtype === 'float32' && leaf.tensor.size > 0 && isWithin(leaf, frozen);
    return new Set([...inputs.keys()].filter((i) => isFrozen(inputs[i]!)));
  }

  #identity(dataId: object): number {
    let identity = this.#met.get(dataId);
    if (identity === undefined) this.#met.set(dataId, (identity = this.#meetings++));
    return identity;
  }

  #tooManyShapes(described: readonly string[]): Error {
    const known = new Set([...this.#compilations.keys()].at(-1)!.split(/ (?=[^ ]+: )/));
    const changed = described.find((leaf) => !known.has(leaf)) ?? 'their structure';
    return placedError(
      `the compiled function has been called with arguments of ${MAX_SIGNATURES} different shapes or frozen tensors, and now with others again ` +
        `(${changed}); each is compiled anew. Bring them to one shape, as by filling up a last batch`,
    );
  }

  async #compile(args: readonly unknown[], inputs: readonly Leaf[]): Promise<Compilation> {
    const traced = this.#trace(args);
    if (this.options.check) {
      const again = this.#trace(args);
      if (!sameModel(traced, again)) {
        throw this.#changed(
          args,
          again,
          'two traces of the function differ: it makes values that change from call to call (random numbers, counters, the time). ' +
            'Pass them as arguments',
        );
      }
    }
    const { head, tail } = this.options.target.inPlace ? withLoop(traced.graph) : { head: traced.graph };
    try {
      const isEmpty = head.outputs.length === 0 && tail !== undefined;
      const session = isEmpty ? {} : { session: await this.#session(head, inputs) };
      return { traced, head, calls: 0, ...session, ...(tail ? { tail } : {}) };
    } catch (error) {
      throw this.#placed(error, args);
    }
  }

  #session(graph: OnnxGraph, inputs: readonly Leaf[]): Promise<InferenceSession> {
    const { provider, threads } = this.options;
    return this.runtime.InferenceSession.create(encodeModel(graph), {
      executionProviders: [provider === 'webgpu' ? webgpuFor(graph) : 'cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      externalData: [...this.#frozen(inputs)].map((i) => {
        const { buffer, byteOffset, byteLength } = inputs[i]!.tensor.dataSync() as Float32Array;
        return { path: `in${i}`, data: new Uint8Array(buffer, byteOffset, byteLength) };
      }),
      // Errors reach us as exceptions; ORT's own lines on stderr would only be noise.
      logSeverityLevel: 4,
      // A stage with several threads has as many cores to itself: waiting threads may spin, which is a tenth faster.
      // With one, stages run beside each other.
      extra: {
        session: {
          intra_op: { allow_spinning: threads > 1 ? '1' : '0' },
          inter_op: { allow_spinning: '0' },
        },
      },
    });
  }

  #trace(args: readonly unknown[], options?: { stacks: boolean }): Trace {
    try {
      return trace(this.fn, args, {
        ...options,
        target: this.options.target,
        frozen: this.#frozen(leaves(args)),
      });
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('the function returns a promise'))
        throw placedError(error.message, this.#made);
      throw error;
    }
  }

  /** A number, or a tensor, from around the function is frozen when it is traced: here is seen that it has changed since. */
  #checkUnchanged(args: readonly unknown[], traced: Trace): void {
    if (sameModel(traced, this.#trace(args))) return;
    throw this.#changed(
      args,
      traced,
      'the function is no more what it was at its first call: a value from around it has changed since (a learning rate, a counter), ' +
        'and a compiled function would go on with the old one. Pass it as an argument, a number as tf.scalar',
    );
  }

  /** The error at the first line where the function does something else than in the trace `before`. */
  #changed(args: readonly unknown[], before: Trace, message: string): Error {
    const { events, stacks } = this.#trace(args, { stacks: true });
    const parting = events.findIndex((event, i) => event !== before.events[i]);
    return placedError(message, stacks[parting] ?? this.#made);
  }

  /** ONNX Runtime's errors name a node; the line of the stage that made the node is put before it. */
  #placed(error: unknown, args: readonly unknown[]): unknown {
    const node = error instanceof Error && /Name:'([^']+)'/.exec(error.message)?.[1];
    if (!node) return error;
    const stack = this.#trace(args, { stacks: true }).origins.get(node) ?? this.#made;
    return placedError(error.message, stack, { cause: error });
  }

  #wrap(values: Values, dtype: Dtype, dims: readonly number[]): OrtTensor {
    return new this.runtime.Tensor(dtype as 'float32', values as Float32Array, dims);
  }
}

/** The graph in two, where the processor has what the loop wants and memory for it can be had. */
function withLoop(graph: TracedGraph): { head: TracedGraph; tail?: TailLoop } {
  const { head, tail } = splitTail(graph);
  if (!tail) return { head };
  try {
    return { head, tail: new TailLoop(tail) };
  } catch {
    return { head: graph };
  }
}

/** Whether the leaf belongs to one of the arguments at these positions. */
function isWithin({ path }: Leaf, positions: readonly number[]): boolean {
  return positions.some((position) => `${path}.`.startsWith(`${position}.`));
}

/** What an input of the graph reads, where it lies. */
function elementsOf({ argument, offset, dims }: Input, inputs: readonly Leaf[]): Values {
  const values = inputs[Number(argument.slice('in'.length))]!.tensor.dataSync() as Values;
  const size = tf.util.sizeFromShape([...dims]);
  return size === values.length ? values : values.subarray(offset, offset + size);
}

function sameModel(a: Trace, b: Trace): boolean {
  return Buffer.from(a.model).equals(b.model);
}
