/**
 * Compiled functions on ONNX Runtime: a function is traced once per input signature (structure, shapes and types), and each call is
 * one `session.run`. Inputs are read in place. Results are copied out once by onnxruntime-node, also where it is given arrays to write
 * to (measured with 1.30), so none are kept for it.
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
    const out = await session.run(feeds);

    const tensors = traced.results.map(({ dtype, shape, output }) =>
      tf.tensor(output === undefined ? [] : (out[output]!.data as Values), shape, dtype),
    );
    for (const position of this.options.donate) tf.dispose(args[position] as tf.TensorContainer);
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
