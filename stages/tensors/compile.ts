/**
 * Compiled functions on ONNX Runtime: a function is traced once per input signature (structure, shapes and types), and each call is
 * one `session.run`. Inputs are read in place; results are written into arrays kept from earlier donated tensors.
 */
import * as tf from '@tensorflow/tfjs';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { leaves, type Leaf } from './pytree.js';
import { trace, type Trace } from './trace.js';
import type { Dtype } from './symbol.js';

type OnnxRuntime = typeof import('onnxruntime-node');
type Values = Float32Array | Int32Array | Uint8Array;

export interface OnnxCompileOptions {
  threads: number;
  donate: readonly number[];
  check: boolean;
}

interface Compilation {
  traced: Trace;
  session: InferenceSession;
}

export class OnnxFunction {
  readonly #compilations = new Map<string, Promise<Compilation>>();
  readonly #arrays = new ArrayPool();

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly fn: (...args: never[]) => unknown,
    private readonly options: OnnxCompileOptions,
  ) {}

  async call(args: readonly unknown[]): Promise<unknown> {
    const inputs = leaves(args);
    const { traced, session } = await this.#compilation(args, inputs);

    const feeds: Record<string, OrtTensor> = {};
    for (const { name, dims } of traced.graph.inputs) {
      const { tensor } = inputs[Number(name.slice('in'.length))]!;
      feeds[name] = this.#wrap(tensor.dataSync() as Values, tensor.dtype as Dtype, dims);
    }
    const fetches: Record<string, OrtTensor> = {};
    for (const { name, dtype, dims } of traced.graph.outputs) {
      fetches[name] = this.#wrap(
        this.#arrays.take(dtype as Dtype, tf.util.sizeFromShape([...dims])),
        dtype as Dtype,
        dims,
      );
    }
    const out = await session.run(feeds, fetches);

    const tensors = traced.results.map(({ dtype, shape, output }) =>
      tf.tensor(output === undefined ? [] : (out[output]!.data as Values), shape, dtype),
    );
    for (const position of this.options.donate) {
      for (const { tensor } of leaves(args[position])) this.#arrays.reclaim(tensor);
    }
    return traced.rebuild(tensors);
  }

  dispose(): void {
    for (const compilation of this.#compilations.values()) {
      compilation.then(({ session }) => session.release()).catch(() => {});
    }
    this.#compilations.clear();
  }

  #compilation(args: readonly unknown[], inputs: readonly Leaf[]): Promise<Compilation> {
    const signature = inputs
      .map(({ path, tensor }) => `${path}:${tensor.dtype}[${tensor.shape.join()}]`)
      .join(' ');
    let compilation = this.#compilations.get(signature);
    if (!compilation) {
      compilation = this.#compile(args);
      this.#compilations.set(signature, compilation);
      // A failure must not be remembered: the caller may mend its surroundings and call again.
      compilation.catch(() => this.#compilations.delete(signature));
    }
    return compilation;
  }

  async #compile(args: readonly unknown[]): Promise<Compilation> {
    const traced = trace(this.fn, args);
    if (this.options.check && !Buffer.from(traced.model).equals(trace(this.fn, args).model)) {
      throw new Error(
        'two traces of the function differ: it makes values that change from call to call (random numbers, counters, the time). ' +
          'Pass them as arguments',
      );
    }
    const session = await this.runtime.InferenceSession.create(traced.model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: this.options.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // Errors reach us as exceptions; ORT's own lines on stderr would only be noise.
      logSeverityLevel: 4,
      // Idle threads must not spin: stages run beside each other.
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    });
    return { traced, session };
  }

  #wrap(values: Values, dtype: Dtype, dims: readonly number[]): OrtTensor {
    return new this.runtime.Tensor(dtype as 'float32', values as Float32Array, dims);
  }
}

const ARRAY_TYPE = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** Arrays that results are written into, so that a training loop does not allocate its state anew at each step. */
class ArrayPool {
  readonly #free = new Map<string, Values[]>();
  /** Only arrays made here are used again: a caller's own array is never written to. */
  readonly #made = new WeakSet<Values>();

  take(dtype: Dtype, size: number): Values {
    const free = this.#free.get(`${dtype}${size}`)?.pop();
    if (free) return free;
    const array = new ARRAY_TYPE[dtype](size);
    this.#made.add(array);
    return array;
  }

  /** Disposes the tensor and keeps its array, unless another tensor still uses it. */
  reclaim(tensor: tf.Tensor): void {
    if (tensor.isDisposed) return;
    const array = tensor.dataSync() as Values;
    const shared = tf.engine().backend.refCount(tensor.dataId) !== 1;
    tensor.dispose();
    if (shared || !this.#made.has(array)) return;
    const key = `${tensor.dtype}${array.length}`;
    const free = this.#free.get(key);
    if (free) free.push(array);
    else this.#free.set(key, [array]);
  }
}
