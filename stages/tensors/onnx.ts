/** The devices of ONNX Runtime: `onnx` on the CPU, `onnx-webgpu` on a GPU through the WebGPU that its library has inside. */
import { createRequire } from 'node:module';
import { execa } from 'execa';
import * as tf from '@tensorflow/tfjs';
import { firstLine, isInstalled, quietCpu } from './backends.js';
import { OnnxFunction } from './compile.js';
import type { Compiled, CompileOptions, Device, TensorFunction } from './device.js';
import type { Probe } from './probes.js';
import { anyTarget } from './graph.js';
import { cpuTarget } from './cpu-target.js';
import { trace } from './trace.js';

const PACKAGE = 'onnxruntime-node';
const INSTALL = `npm install --ignore-scripts --no-save ${PACKAGE}@1.30.0`;

export async function probeOnnx(threads: number): Promise<Probe> {
  if (!isInstalled(PACKAGE)) return { works: false, why: `${PACKAGE} is not installed`, remedy: INSTALL };
  try {
    const { version, compile } = await open('cpu', threads);
    const twice = compile((x: tf.Tensor) => tf.add(x, x), { check: false });
    const x = tf.scalar(2);
    const sum = await twice(x);
    const [value] = sum.dataSync();
    tf.dispose([x, sum]);
    twice.dispose();
    if (value !== 4) throw new Error(`it computes 2 + 2 = ${value}`);
    return {
      works: true,
      description: `ONNX Runtime ${version} on the CPU, steps compiled`,
      threads,
      compile,
    };
  } catch (error) {
    const remedy = `${INSTALL} (it needs 64-bit glibc Linux, macOS or Windows)`;
    return { works: false, why: firstLine(error), remedy };
  }
}

/** What a GPU's float32 may be away from the CPU's, as a part of the largest value: WGSL's sine and exponential are not exact. */
const TOLERANCE = 1e-3;

export async function probeOnnxWebgpu(threads: number): Promise<Probe> {
  if (!isInstalled(PACKAGE)) return { works: false, why: `${PACKAGE} is not installed`, remedy: INSTALL };
  try {
    const { version, compile } = await open('webgpu', threads);
    const outcome = await tryWebgpu();
    if (typeof outcome === 'string') {
      const remedy =
        "Install the GPU's driver (on Linux its Vulkan driver: vulkaninfo --summary must list it).";
      return { works: false, why: outcome, remedy };
    }
    if (!(outcome <= TOLERANCE)) {
      const why = `its results are wrong: they differ from the CPU's by ${outcome.toPrecision(2)} of the largest`;
      return { works: false, why, remedy: 'Update the graphics driver.' };
    }
    return {
      works: true,
      description: `ONNX Runtime ${version} on WebGPU, steps compiled`,
      threads,
      drawback: {
        why: 'weights and moments go to the GPU and back in every step, and it has been timed on no GPU yet',
        remedy: '--device onnx-webgpu takes it.',
      },
      compile,
    };
  } catch (error) {
    return { works: false, why: firstLine(error), remedy: INSTALL };
  }
}

async function open(
  provider: 'cpu' | 'webgpu',
  threads: number,
): Promise<{ version: string; compile: Device['compile'] }> {
  const runtime = await import('onnxruntime-node');
  await quietCpu();
  const target = provider === 'cpu' ? await cpuTarget(runtime) : anyTarget;
  const compile = <F extends TensorFunction>(
    fn: F,
    { donate = [], frozen = [], check = true }: CompileOptions = {},
  ): Compiled<F> => {
    const compiled = new OnnxFunction(runtime, fn, { provider, target, threads, donate, frozen, check });
    return Object.assign((...args: Parameters<F>) => compiled.call(args) as Promise<ReturnType<F>>, {
      dispose: () => compiled.dispose(),
    });
  };
  return { version: runtime.env.versions.node ?? '', compile };
}

/** What training steps are made of: a convolution, a norm, a softmax of products, and the gradients of all by image and filter. */
function trial(x: tf.Tensor, filter: tf.Tensor): tf.Tensor[] {
  const { value, grads } = tf.valueAndGrads((image, f) => {
    const y = tf.conv2d(image as tf.Tensor4D, f as tf.Tensor4D, 1, 'same');
    const { mean, variance } = tf.moments(y, [1, 2], true);
    const h = tf.sigmoid(tf.div(tf.sub(y, mean), tf.sqrt(tf.add(variance, 1e-3))));
    const rows = tf.reshape(h, [16, -1]);
    const weights = tf.softmax(tf.matMul(rows, rows, false, true));
    return tf.sum(tf.square(tf.matMul(weights, rows)));
  })([x, filter]);
  return [value, ...grads];
}

/**
 * The trial on WebGPU and on the CPU, in a process of its own: Dawn writes to stderr where there is no driver, and a bad driver can end
 * the process.
 * @returns the largest difference, as a part of the largest value, or what went wrong
 */
async function tryWebgpu(): Promise<number | string> {
  const inputs = tf.tidy(() =>
    [
      tf.sin(tf.range(0, 2 * 8 * 8 * 6)).reshape([2, 8, 8, 6]),
      tf.cos(tf.range(0, 3 * 3 * 6 * 8)).reshape([3, 3, 6, 8]),
    ].map((tensor) => ({ dims: tensor.shape, values: Array.from(tensor.dataSync()) })),
  );
  const tensors = inputs.map(({ dims, values }) => tf.tensor(values, dims));
  const { model } = trace(trial, tensors);
  tf.dispose(tensors);
  const input = JSON.stringify({ model: Buffer.from(model).toString('base64'), inputs });
  const path = createRequire(import.meta.url).resolve(PACKAGE);
  const child = await execa(process.execPath, ['--eval', tryBoth, path], {
    input,
    reject: false,
    timeout: 120_000,
  });
  const answer = child.stdout.split('\n').at(-1)!;
  if (child.failed || !answer.startsWith('{'))
    return `it ended its process: ${child.shortMessage ?? 'no answer'}`;
  const { difference, error } = JSON.parse(answer) as { difference: number | null; error?: string };
  return error === undefined ? (difference ?? NaN) : inShort(error);
}

/** CommonJS; its last line is the answer, `{difference}` (null for NaN) or `{error}`. */
const tryBoth = `
  const ort = require(process.argv[1]);
  const { model, inputs } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const run = async (provider) => {
    const session = await ort.InferenceSession.create(Buffer.from(model, 'base64'), { executionProviders: [provider], logSeverityLevel: 4 });
    const feeds = Object.fromEntries(inputs.map(({ dims, values }, i) => ['in' + i, new ort.Tensor('float32', Float32Array.from(values), dims)]));
    const results = await session.run(feeds);
    return session.outputNames.map((name) => Array.from(results[name].data));
  };
  (async () => {
    const [gpu, cpu] = [await run({ name: 'webgpu', preferredLayout: 'NCHW' }), await run('cpu')];
    let difference = 0;
    cpu.forEach((expected, k) => {
      const scale = Math.max(1e-6, ...expected.map(Math.abs));
      for (const [i, value] of expected.entries()) {
        const distance = Math.abs(gpu[k][i] - value) / scale;
        if (!(distance <= difference)) difference = distance;
      }
    });
    console.log(JSON.stringify({ difference }));
  })().catch((error) => console.log(JSON.stringify({ error: error.message })));`;

/** ONNX Runtime puts file, line and function before what it has to say. */
function inShort(message: string): string {
  const said = /Failed to get a WebGPU adapter: .*/.exec(message)?.[0] ?? firstLine(message);
  return said.replace(/\.$/, '');
}
