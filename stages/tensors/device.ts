/**
 * What tensor computations run on. `openDevice` chooses, `Device.compile` turns a pure function of tensors into what runs it best
 * there.
 */
import * as tf from '@tensorflow/tfjs';
import { StageError } from '../contract.js';
import { OnnxFunction } from './compile.js';
import type { Pytree } from './pytree.js';

export type DeviceName = 'tensorflow' | 'webgpu' | 'onnx' | 'wasm' | 'cpu';

/** A device that was not taken, why, and the line that would mend it. */
export interface Rejection {
  name: DeviceName;
  why: string;
  remedy: string;
}

// The arguments are pytrees; `never` lets functions of any such arguments be assigned.
export type TensorFunction = (...args: never[]) => Pytree;

/** The compiled function: same arguments, a promise of the same result. */
export interface Compiled<F extends TensorFunction> {
  (...args: Parameters<F>): Promise<ReturnType<F>>;
  /** Frees sessions and buffers. Results already returned stay valid. */
  dispose(): void;
}

export interface CompileOptions {
  /**
   * Positions of arguments that are disposed after the call (the old training state). Their memory is used again for later results,
   * so arrays got from them by dataSync() must not be used after the call.
   */
  donate?: readonly number[];
  /** Trace twice and refuse functions that differ between calls (random numbers inside). Default true; only 'onnx' traces. */
  check?: boolean;
}

export interface Device {
  name: DeviceName;
  /** For people: what it is and on what it computes. */
  description: string;
  /** Better devices that were tried before this one. */
  rejected: Rejection[];
  threads: number;
  /** See CompileOptions. The function must be pure: tensors in, tensors out, nothing read, nothing random, nothing captured. */
  compile<F extends TensorFunction>(fn: F, options?: CompileOptions): Compiled<F>;
}

/**
 * Opens the device asked for.
 *
 * @param request  'auto' (the best that works) or a DeviceName
 * @throws StageError naming why it does not work and the remedy
 */
export async function openDevice(request: string, options: { threads: number }): Promise<Device> {
  await tf.setBackend('cpu');
  (tf.backend() as { firstUse?: boolean }).firstUse = false;
  if (request === 'cpu')
    return {
      name: 'cpu',
      description: 'TensorFlow.js in plain JavaScript',
      rejected: [],
      threads: options.threads,
      compile: asItIs,
    };
  if (request !== 'auto' && request !== 'onnx') throw new StageError(`there is no device '${request}'`);
  const runtime = await import('onnxruntime-node');
  return {
    name: 'onnx',
    description: 'compiled, on ONNX Runtime',
    rejected: [],
    threads: options.threads,
    compile<F extends TensorFunction>(
      fn: F,
      { donate = [], check = true }: CompileOptions = {},
    ): Compiled<F> {
      const compiled = new OnnxFunction(runtime, fn, { threads: options.threads, donate, check });
      return Object.assign((...args: Parameters<F>) => compiled.call(args) as Promise<ReturnType<F>>, {
        dispose: () => compiled.dispose(),
      });
    },
  };
}

/** The function itself, its intermediate tensors disposed. */
function asItIs<F extends TensorFunction>(fn: F, options: CompileOptions = {}): Compiled<F> {
  const run = async (...args: Parameters<F>): Promise<ReturnType<F>> => {
    const result = tf.tidy(() => fn(...args) as tf.TensorContainer) as unknown as ReturnType<F>;
    for (const position of options.donate ?? []) tf.dispose(args[position]);
    return result;
  };
  return Object.assign(run, { dispose() {} });
}
