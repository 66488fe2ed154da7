/**
 * How each device is started and found to work or not. A probe never throws and never prints: what is wrong is its answer.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { asItIs, firstLine, quietCpu, starts, TFJS } from './backends.js';
import type { Device, DeviceName } from './device.js';
import { probeOnnx, probeOnnxWebgpu } from './onnx.js';
import { probeTensorflow } from './tensorflow.js';
import { registerWasmKernels } from './wasm-kernels.js';
import { probeWebgpu } from './webgpu.js';

/** What became of starting a device. */
export type Probe =
  | {
      works: true;
      description: string;
      /** Threads it computes with: those it is told to, where it can. */
      threads: number;
      /** Why 'auto' passes it by though it works. */
      drawback?: { why: string; remedy: string };
      compile: Device['compile'];
    }
  | { works: false; why: string; remedy: string };

/** How each device is started, by name. */
export const PROBES: Readonly<Record<DeviceName, (threads: number) => Promise<Probe>>> = {
  tensorflow: probeTensorflow,
  webgpu: probeWebgpu,
  onnx: probeOnnx,
  'onnx-webgpu': probeOnnxWebgpu,
  wasm: probeWasm,
  cpu: probeCpu,
};

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
      threads: 1,
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
    threads: 1,
    compile: asItIs('cpu'),
  };
}
