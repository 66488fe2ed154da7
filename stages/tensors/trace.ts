/**
 * Runs a function on symbolic tensors: a tfjs backend ('trace') whose kernels record ONNX nodes where others compute.
 * tfjs' autodiff works on it unchanged, so a whole training step becomes one graph.
 */
import * as tf from '@tensorflow/tfjs';
import { Graph, type Target, type TracedGraph } from './graph.js';
import { encodeModel, type OnnxValue } from './onnx-encoder.js';
import { leaves, mapLeaves } from './pytree.js';
import { placedError } from './stage-line.js';
import { runOf, type Dtype } from './symbol.js';
import { standard } from './views.js';
import { type TraceBackend, traceBackend } from './trace-backend.js';

/**
 * A tensor that the function takes from around it, not as an argument, is frozen into the graph. Small tables are fine; a larger one
 * is a weight or a batch that was meant to change.
 */
export const MAX_CAPTURED_ELEMENTS = 256;

/** Runs `body` on the tracing backend and puts the former one back. Tensors made inside are gone afterwards. */
function recording<T>(
  options: { captureLimit: number; stacks?: boolean; target?: Target },
  body: (tracer: TraceBackend) => T,
): T {
  const tracer = traceBackend();
  const former = tf.getBackend() as string | undefined;
  const outer = tracer.recording;
  const { captureLimit, stacks = false, target } = options;
  tracer.recording = {
    graph: new Graph(target),
    captureLimit,
    events: [],
    ...(stacks ? { stacks: [] } : {}),
  };
  // tfjs calls itself many times over between a stage's line and the backend.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 200;
  tf.setBackend('trace');
  tf.engine().startScope('trace');
  try {
    return body(tracer);
  } catch (error) {
    throw explained(error);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    tf.engine().endScope();
    tracer.recording = outer;
    tf.setBackend(former || 'cpu');
  }
}

function explained(error: unknown): unknown {
  const missing =
    error instanceof Error && /Kernel '(\w+)' not registered for backend 'trace'/.exec(error.message);
  if (!missing) return error;
  return placedError(
    `the operation ${missing[1]} cannot be traced; write it with others, or add a kernel to stages/tensors/kernels`,
    error.stack,
    { cause: error },
  );
}

/** What a trace has made of a function. */
export interface Trace {
  graph: TracedGraph;
  model: Uint8Array;
  /** All results in the order of the leaves, whether or not they are outputs of the graph. */
  results: { dtype: Dtype; shape: number[]; output?: string }[];
  /** A digest of each constant made and each operation called, in their order. */
  events: readonly string[];
  /** With `stacks`, where each of them came from, and where each node did, by its name. */
  stacks: readonly string[];
  origins: ReadonlyMap<string, string>;
  /** The function's result with other tensors in the place of its leaves. */
  rebuild(tensors: readonly tf.Tensor[]): unknown;
}

/**
 * Traces a function for arguments of these shapes and types. Input i of the graph is `in<i>`, the i-th leaf of the arguments.
 *
 * @param options frozen: leaves that are constants of the graph, float32; the session is given the values of the i-th as `in<i>`;
 *                stacks: keep where everything came from, which takes several times as long; target: what it may record beside ONNX's own
 * @throws where the function reads values, captures large tensors, returns a promise or uses an operation without a kernel; the
 *         message begins with the line of the stage's code
 */
export function trace(
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
  options: { stacks?: boolean; frozen?: ReadonlySet<number>; target?: Target } = {},
): Trace {
  const { frozen = new Set<number>(), ...rest } = options;
  return recording({ captureLimit: MAX_CAPTURED_ELEMENTS, ...rest }, (tracer) => {
    const { graph } = tracer;
    const symbolic = mapLeaves(args, (tensor, i) => {
      const dtype = tensor.dtype as Dtype;
      const argument = { name: `in${i}`, dtype, frozen: frozen.has(i) };
      return tf.engine().makeTensorFromTensorInfo(tracer.put(runOf(graph, argument, 0, tensor.shape)));
    }) as never[];
    const result = fn(...symbolic);
    const { events, stacks = [], refusal } = tracer.recording!;
    // What it does after its first await is of no interest any more.
    if (result instanceof Promise) result.catch(() => {});
    if (refusal) throw refusal;
    if (result instanceof Promise)
      throw new Error('the function returns a promise; a compiled function must be synchronous');
    const outputs: OnnxValue[] = [];
    const results = leaves(result).map(({ tensor }): Trace['results'][number] => {
      const { shape } = tensor;
      const dtype = tensor.dtype as Dtype;
      if (tensor.size === 0) return { dtype, shape };
      const output = `out${outputs.length}`;
      outputs.push({ name: standard(tracer.symbolOf(tensor)).name, dtype, dims: shape });
      return { dtype, shape, output };
    });
    const finished = graph.finish(outputs);
    return {
      graph: finished,
      model: encodeModel(finished),
      results,
      events,
      stacks,
      origins: graph.origins,
      rebuild: (tensors) => mapLeaves(result, (_, i) => tensors[i]),
    };
  });
}

/** Runs a function for its shapes only: nothing is computed, however large the network. */
export function shapesOnly<T>(fn: () => T): T {
  return recording({ captureLimit: Infinity }, fn);
}
