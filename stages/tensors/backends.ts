/** What the probes share: optional packages, and tfjs backends that run a function as it is. */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import type { Compiled, CompileOptions, Device, TensorFunction } from './device.js';
import { leaves, mapLeaves } from './pytree.js';
import { placedError } from './stage-line.js';

/** The version of every tfjs package: their backends register with one and the same @tensorflow/tfjs-core. */
export const TFJS = '4.22.0';

/** Whether a package can be found from here. */
export const isInstalled = (name: string): boolean => {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** Optional packages are not known to the compiler, which may run where they are not installed. */
export const load = (name: string): Promise<Record<string, unknown>> =>
  import(name) as Promise<Record<string, unknown>>;

/** What an error says, in one line without a full stop. */
export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim().replace(/\.$/, '');

/** Makes the backend current and computes a sum on it, which is where a broken one shows. */
export async function starts(backend: string): Promise<void> {
  if (!(backend in tf.engine().registry)) {
    const factory = tf.findBackendFactory(backend) as (() => unknown) | null;
    if (!factory) throw new Error(`tfjs knows no backend '${backend}'`);
    // Made here and not by tfjs, which would print what goes wrong instead of throwing it.
    const made = (await factory()) as tf.KernelBackend;
    tf.removeBackend(backend);
    tf.registerBackend(backend, () => made);
  }
  await tf.setBackend(backend);
  const sum = tf.tidy(() => tf.add(tf.tensor1d([1, 2]), tf.scalar(1)));
  const values = await sum.data();
  sum.dispose();
  if (values[1] !== 3) throw new Error(`its backend '${backend}' computes 2 + 1 = ${values[1]}`);
}

/** tfjs' 'cpu' backend, without the banner that it prints when the first tensor is made. */
export async function quietCpu(): Promise<void> {
  await tf.setBackend('cpu');
  (tf.backend() as { firstUse?: boolean }).firstUse = false;
}

/** The function itself on a tfjs backend, its intermediate tensors disposed. */
export function asItIs(backend: string): Device['compile'] {
  return <F extends TensorFunction>(fn: F, { donate = [] }: CompileOptions = {}): Compiled<F> => {
    const made = new Error().stack;
    const run = async (...args: Parameters<F>): Promise<ReturnType<F>> => {
      if (tf.getBackend() !== backend) await tf.setBackend(backend);
      const given = new Set(leaves(args).map(({ tensor }) => tensor));
      const body = (): unknown => {
        const result: unknown = fn(...args);
        if (result instanceof Promise) {
          // What it does after its first await is of no interest any more.
          result.catch(() => {});
          throw placedError('the function returns a promise; a compiled function must be synchronous', made);
        }
        leaves(result);
        // An argument that is passed through comes back as a tensor of its own, as it does from a compiled session.
        return mapLeaves(result, (tensor) => (given.has(tensor) ? tf.clone(tensor) : tensor));
      };
      const result = tf.tidy(body as () => tf.TensorContainer) as unknown;
      for (const position of donate) tf.dispose(args[position] as tf.TensorContainer);
      return result as ReturnType<F>;
    };
    return Object.assign(run, { dispose() {} });
  };
}
