/**
 * How each device is started and found to work or not. A probe never throws and never prints: what is wrong is its answer.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { OnnxFunction } from './compile.js';
import type { Compiled, CompileOptions, Device, DeviceName, TensorFunction } from './device.js';
import { leaves, mapLeaves } from './pytree.js';
import { registerWasmKernels } from './wasm-kernels.js';

export type Probe =
  | {
      works: true;
      description: string;
      /** Whether it computes with as many threads as it is told to. */
      threaded: boolean;
      /** Why 'auto' passes it by though it works. */
      drawback?: { why: string; remedy: string };
      compile: Device['compile'];
    }
  | { works: false; why: string; remedy: string };

const TFJS = '4.22.0';

export const PROBES: Readonly<Record<DeviceName, (threads: number) => Promise<Probe>>> = {
  tensorflow: probeTensorflow,
  webgpu: probeWebgpu,
  onnx: probeOnnx,
  wasm: probeWasm,
  cpu: probeCpu,
};

const isInstalled = (name: string): boolean => {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
};

/** Optional packages are not known to the compiler, which may run where they are not installed. */
const load = (name: string): Promise<Record<string, unknown>> =>
  import(name) as Promise<Record<string, unknown>>;

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!.trim().replace(/\.$/, '');

/** Makes the backend current and computes a sum on it, which is where a broken one shows. */
async function starts(backend: string): Promise<void> {
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

/** tfjs on libtensorflow: with CUDA what a GPU user gets; without, TensorFlow's CPU kernels. */
async function probeTensorflow(): Promise<Probe> {
  const wanted = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];
  const installed = wanted.filter(isInstalled);
  if (installed.length === 0) {
    return {
      works: false,
      why: `neither ${wanted.join(' nor ')} is installed`,
      remedy: `With an NVIDIA GPU, CUDA 11 and cuDNN 8: npm install --no-save @tensorflow/tfjs-node-gpu@${TFJS}`,
    };
  }
  // libtensorflow otherwise reports its start on stderr, and takes all memory of the GPU.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  keepOldUtilities();
  const failures: string[] = [];
  for (const name of installed) {
    try {
      await load(name);
      await starts('tensorflow');
      const onGpu = Boolean((tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice);
      return {
        works: true,
        description: onGpu ? 'TensorFlow with CUDA' : 'TensorFlow on the CPU',
        threaded: false,
        compile: asItIs('tensorflow'),
        ...(onGpu
          ? {}
          : {
              drawback: {
                why: `${name} works, but sees no CUDA device, and ONNX Runtime is faster on a CPU`,
                remedy: 'It needs an NVIDIA GPU with CUDA 11 and cuDNN 8 (nvidia-smi shows the GPU).',
              },
            }),
      };
    } catch (error) {
      failures.push(`${name}: ${firstLine(error)}`);
    }
  }
  return { works: false, why: failures.join('; '), remedy: `npm rebuild ${installed[0]!}` };
}

/** tfjs-node calls two functions that Node 23 took away. */
function keepOldUtilities(): void {
  const old = util as unknown as Record<string, unknown>;
  old.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}

/** tfjs on WebGPU, which npm's `webgpu` (Dawn) brings to Node: Vulkan, Metal or Direct3D 12. */
async function probeWebgpu(): Promise<Probe> {
  const missing = ['webgpu', '@tensorflow/tfjs-backend-webgpu'].filter((name) => !isInstalled(name));
  if (missing.length > 0) {
    const versioned = missing.map((name) => (name === 'webgpu' ? name : `${name}@${TFJS}`));
    return {
      works: false,
      why: `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not installed`,
      remedy: `With a GPU and its Vulkan driver: npm install --no-save ${versioned.join(' ')}`,
    };
  }
  try {
    const adapter = await webgpuAdapter();
    if (!adapter) {
      return {
        works: false,
        why: 'no graphics adapter was found',
        remedy: "Install the GPU's Vulkan driver (vulkaninfo --summary must list it).",
      };
    }
    await load('@tensorflow/tfjs-backend-webgpu');
    await starts('webgpu');
    const drawn = [adapter.vendor, adapter.architecture, adapter.device, adapter.description]
      .join(' ')
      .trim();
    const software = /swiftshader|llvmpipe|lavapipe|software/i.test(drawn);
    return {
      works: true,
      description: `WebGPU on ${adapter.description || drawn}`,
      threaded: false,
      compile: asItIs('webgpu'),
      ...(software
        ? {
            drawback: {
              why: `its only adapter is a program, not a GPU (${adapter.description || drawn})`,
              remedy: "Install the GPU's Vulkan driver (vulkaninfo --summary must list it).",
            },
          }
        : {}),
    };
  } catch (error) {
    return { works: false, why: firstLine(error), remedy: 'Update webgpu and the graphics driver.' };
  }
}

interface AdapterInfo {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
}

/** Puts Dawn where browsers have WebGPU, once, and asks it for its best adapter. */
async function webgpuAdapter(): Promise<AdapterInfo | undefined> {
  interface Gpu {
    requestAdapter(options: { powerPreference: string }): Promise<{ info: AdapterInfo } | null>;
  }
  const scope = globalThis as unknown as { navigator?: { gpu?: Gpu } };
  if (!scope.navigator?.gpu) {
    const { create, globals } = (await load('webgpu')) as { create(flags: string[]): Gpu; globals: object };
    Object.assign(globalThis, globals);
    // Node 20 has no navigator; later ones have one that takes no assignments.
    if (!scope.navigator) Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
    Object.defineProperty(scope.navigator, 'gpu', { value: create([]), configurable: true });
  }
  const adapter = await scope.navigator!.gpu!.requestAdapter({ powerPreference: 'high-performance' });
  return adapter?.info;
}

/** Compiled functions on ONNX Runtime's CPU library. */
async function probeOnnx(threads: number): Promise<Probe> {
  if (!isInstalled('onnxruntime-node')) {
    return {
      works: false,
      why: 'onnxruntime-node is not installed',
      remedy: 'npm install --ignore-scripts --no-save onnxruntime-node@1.30.0',
    };
  }
  try {
    const runtime = await import('onnxruntime-node');
    await quietCpu();
    const compile = <F extends TensorFunction>(
      fn: F,
      { donate = [], check = true }: CompileOptions = {},
    ): Compiled<F> => {
      const compiled = new OnnxFunction(runtime, fn, { threads, donate, check });
      return Object.assign((...args: Parameters<F>) => compiled.call(args) as Promise<ReturnType<F>>, {
        dispose: () => compiled.dispose(),
      });
    };
    const twice = compile((x: tf.Tensor) => tf.add(x, x), { check: false });
    const x = tf.scalar(2);
    const sum = await twice(x);
    const [value] = sum.dataSync();
    tf.dispose([x, sum]);
    twice.dispose();
    if (value !== 4) throw new Error(`it computes 2 + 2 = ${value}`);
    return {
      works: true,
      description: `ONNX Runtime ${runtime.env.versions.node ?? ''} on the CPU, steps compiled`,
      threaded: true,
      compile,
    };
  } catch (error) {
    return {
      works: false,
      why: firstLine(error),
      remedy:
        'npm install --ignore-scripts --no-save onnxruntime-node@1.30.0 (it needs 64-bit glibc Linux, macOS or Windows)',
    };
  }
}

async function probeWasm(): Promise<Probe> {
  try {
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    const folder = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
    // Only before the first start: tfjs warns when the paths of a running backend are set.
    if (!tf.engine().registry.wasm) wasm.setWasmPaths(join(folder, '/'));
    registerWasmKernels();
    await withoutNewHandlers(() => starts('wasm'));
    return {
      works: true,
      description: 'TensorFlow.js in WebAssembly, one thread',
      threaded: false,
      compile: asItIs('wasm'),
    };
  } catch (error) {
    return {
      works: false,
      why: firstLine(error),
      remedy: `npm install --no-save @tensorflow/tfjs-backend-wasm@${TFJS}`,
    };
  }
}

/** Emscripten takes over the process's uncaught errors when it starts, and shows them as its own; they are given back. */
async function withoutNewHandlers(start: () => Promise<void>): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = new Map(events.map((event) => [event, process.listeners(event as never)]));
  await start();
  for (const event of events) {
    for (const listener of process.listeners(event as never)) {
      if (!before.get(event)!.includes(listener)) process.off(event, listener);
    }
  }
}

async function probeCpu(): Promise<Probe> {
  await quietCpu();
  return {
    works: true,
    description: 'TensorFlow.js in plain JavaScript, one thread (thousands of times slower than onnx)',
    threaded: false,
    compile: asItIs('cpu'),
  };
}

/** tfjs' 'cpu' backend, without the banner that it prints when the first tensor is made. */
async function quietCpu(): Promise<void> {
  await tf.setBackend('cpu');
  (tf.backend() as { firstUse?: boolean }).firstUse = false;
}

/** The function itself on a tfjs backend, its intermediate tensors disposed. */
function asItIs(backend: string): Device['compile'] {
  return <F extends TensorFunction>(fn: F, { donate = [] }: CompileOptions = {}): Compiled<F> => {
    const run = async (...args: Parameters<F>): Promise<ReturnType<F>> => {
      if (tf.getBackend() !== backend) await tf.setBackend(backend);
      const given = new Set(leaves(args).map(({ tensor }) => tensor));
      const body = (): unknown => {
        const result: unknown = fn(...args);
        if (result instanceof Promise) {
          // What it does after its first await is of no interest any more.
          result.catch(() => {});
          throw new Error('the function returns a promise; a compiled function must be synchronous');
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
