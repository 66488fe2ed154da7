/** The device 'onnx'. */
import * as tf from '@tensorflow/tfjs';
import { firstLine, isInstalled, quietCpu } from './backends.js';
import { OnnxFunction } from './compile.js';
import type { Compiled, CompileOptions, TensorFunction } from './device.js';
import type { Probe } from './probes.js';

/** Compiled functions on ONNX Runtime's CPU library. */
export async function probeOnnx(threads: number): Promise<Probe> {
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
      { donate = [], frozen = [], check = true }: CompileOptions = {},
    ): Compiled<F> => {
      const compiled = new OnnxFunction(runtime, fn, { threads, donate, frozen, check });
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
      threads,
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
