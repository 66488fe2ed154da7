/**
 * The tfjs backend 'trace': its kernels record ONNX nodes where others compute, on tensors that stand for symbolic values.
 */
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs';
import { Graph, sameDims } from './graph.js';
import { traceKernels } from './kernels/index.js';
import { placedError } from './stage-line.js';
import { constantOf, fill, Symbolic, typedArray, type Dtype } from './symbol.js';
import { reshape } from './views.js';

type Values = Float32Array | Int32Array | Uint8Array;

interface Entry {
  /** Known where the tensor was made from JavaScript numbers, here or before the trace. */
  values?: Values;
  shape: number[];
  dtype: Dtype;
  /** What the tensor is in the graph that was being recorded when it was made or last used. */
  symbol?: Symbolic;
  references: number;
}

/** What is being recorded; set only while a function is traced. */
export interface Recording {
  graph: Graph;
  captureLimit: number;
  /** A digest of each constant made and each operation called, in their order. */
  events: string[];
  /** Where each event came from; only where asked for, since a stack costs more than the event. */
  stacks?: string[];
  /** The first thing that was refused; the function may have caught the error. */
  refusal?: Error;
}

export class TraceBackend extends tf.KernelBackend {
  recording: Recording | undefined;
  readonly #entries = new tf.DataStorage<Entry>(this, tf.engine());

  get graph(): Graph {
    if (!this.recording) throw new Error("the 'trace' backend is only for functions being traced");
    return this.recording.graph;
  }

  /** Notes what the function does next. */
  note(what: string, values?: Values): void {
    const { recording } = this;
    if (!recording) return;
    const digest = createHash('sha1').update(what);
    if (values) digest.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    recording.events.push(digest.digest('base64'));
    if (recording.stacks) {
      const { stack = '' } = new Error();
      recording.stacks.push(stack);
      recording.graph.origin = stack;
    }
  }

  /** An error that names the line of the stage's code, and outlives a function that catches it. */
  refuse(message: string, options?: ErrorOptions): Error {
    const error = placedError(message, undefined, options);
    if (this.recording) this.recording.refusal ??= error;
    return error;
  }

  /** A tensor that stands for a symbolic value. */
  put(symbol: Symbolic): tf.TensorInfo {
    const dataId = {};
    this.#entries.set(dataId, { shape: symbol.shape, dtype: symbol.dtype, symbol, references: 1 });
    return { dataId, shape: symbol.shape, dtype: symbol.dtype };
  }

  /** The symbolic value of a tensor, in the tensor's own shape (a reshaped tensor may share its data). */
  symbolOf({ dataId, shape }: tf.TensorInfo): Symbolic {
    // For a tensor of another backend this calls move(), below.
    const entry = this.#entries.get(dataId);
    if (entry.symbol?.graph !== this.graph) {
      if (!entry.values)
        throw this.refuse(
          'a tensor made in an earlier trace is used: return tensors, never store them aside',
        );
      this.note(`captured ${entry.dtype} ${entry.shape.join()}`, entry.values);
      entry.symbol = this.#constant(entry.values, entry.shape, entry.dtype);
    }
    return sameDims(entry.symbol.shape, shape) ? entry.symbol : reshape(entry.symbol, shape);
  }

  #constant(values: Values, shape: number[], dtype: Dtype): Symbolic {
    const first = values[0];
    return first !== undefined && values.every((value) => Object.is(value, first))
      ? fill(this.graph, shape, first, dtype)
      : constantOf(this.graph, values, shape, dtype);
  }

  /** A tensor made from numbers while tracing: a constant. */
  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.#store(dataId, values, shape, dtype, 1);
    this.note(`constant ${dtype} ${shape.join()}`, this.#entries.get(dataId).values);
    return dataId;
  }

  /** A tensor from another backend that the function uses though it was not given it. */
  override move(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    // Stored first: it has left its own backend, and must survive the refusal.
    this.#store(dataId, values, shape, dtype, references);
    const limit = this.recording?.captureLimit ?? 0;
    if (values.length > limit) {
      throw this.refuse(
        `the function uses a tensor of shape [${shape.join(', ')}] that is not among its arguments; ` +
          `it would stay as it is now for ever. Pass it as an argument (${limit} elements may be captured)`,
      );
    }
  }

  #store(
    dataId: object,
    values: tf.backend_util.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') {
      throw this.refuse(`tensors of type ${dtype} cannot be traced`);
    }
    this.#entries.set(dataId, { values: typedArray(values as Values, dtype), shape, dtype, references });
  }

  override readSync(dataId: object): Values {
    const { values } = this.#entries.get(dataId);
    if (values) return values;
    if (!this.recording)
      throw this.refuse(
        'a tensor that a compiled function has stored aside is read: it stood for a value and has none. Return it',
      );
    throw this.refuse(
      'the function reads the value of a tensor while it is traced; what depends on values must stay in tensors (tf.where), ' +
        'and what is wanted outside must be returned',
    );
  }

  override read(dataId: object): Promise<Values> {
    try {
      return Promise.resolve(this.readSync(dataId));
    } catch {
      // The refusal is remembered; a rejection that nobody waits for would end the process.
      return new Promise(() => {});
    }
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#entries.has(dataId)) return true;
    const entry = this.#entries.get(dataId);
    entry.references--;
    if (!force && entry.references > 0) return false;
    this.#entries.delete(dataId);
    return true;
  }

  override refCount(dataId: object): number {
    return this.#entries.has(dataId) ? this.#entries.get(dataId).references : 0;
  }

  /** tfjs calls this for variables only, when they are made and assigned to. */
  override incRef(dataId: object): void {
    this.#entries.get(dataId).references++;
    if (this.recording)
      throw this.refuse(
        'the function makes a tf.variable or assigns to one, which a compiled function would do only once; ' +
          'take its value as an argument and return the new one',
      );
  }

  override numDataIds(): number {
    return this.#entries.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return false;
  }
}

let backend: TraceBackend | undefined;

/** The one tracing backend, registered when it is first needed. */
export function traceBackend(): TraceBackend {
  if (backend) return backend;
  const created = new TraceBackend();
  // Priority 0: never chosen by tfjs itself.
  tf.registerBackend('trace', () => created, 0);
  for (const { name, record } of traceKernels) {
    tf.registerKernel({
      kernelName: name,
      backendName: 'trace',
      kernelFunc: ({ inputs, attrs }) => {
        const symbols = Array.isArray(inputs)
          ? (inputs as tf.TensorInfo[]).map((input) => created.symbolOf(input))
          : Object.fromEntries(
              Object.entries(inputs)
                .filter(([, input]) => input !== null && input !== undefined)
                .map(([key, input]) => [key, created.symbolOf(input as tf.TensorInfo)]),
            );
        created.note(`${name} ${JSON.stringify(attrs)}`);
        let result: Symbolic | Symbolic[];
        try {
          result = record(symbols, attrs, created.graph);
        } catch (error) {
          // Shapes that do not fit, or a form of the operation that is not traced.
          throw created.refuse((error as Error).message, { cause: error });
        }
        return Array.isArray(result) ? result.map((symbol) => created.put(symbol)) : created.put(result);
      },
    });
  }
  backend = created;
  return created;
}
