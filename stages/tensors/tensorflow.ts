/** The device 'tensorflow': tfjs on libtensorflow, with CUDA where there is CUDA. */
import { createRequire } from 'node:module';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { asItIs, firstLine, isInstalled, load, starts, TFJS } from './backends.js';
import { cudaObstacle, thisMachine } from './cuda.js';
import type { Probe } from './probes.js';

const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';
const CPU_PACKAGE = '@tensorflow/tfjs-node';

/** libtensorflow makes its threads once in a process. */
let threadsOfLibrary: number | undefined;

export async function probeTensorflow(threads: number): Promise<Probe> {
  const installed = [GPU_PACKAGE, CPU_PACKAGE].filter(isInstalled);
  if (installed.length === 0) {
    const why = `neither ${GPU_PACKAGE} nor ${CPU_PACKAGE} is installed`;
    return { works: false, why, remedy: withCuda(`npm install --no-save ${GPU_PACKAGE}@${TFJS}`) };
  }
  const failures: { why: string; line: string }[] = [];
  for (const name of installed) {
    const failure = await start(name, threads);
    if (failure) {
      failures.push({ ...failure, why: `${name} ${failure.why}` });
      continue;
    }
    const onGpu = Boolean((tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice);
    return {
      works: true,
      description: onGpu ? 'TensorFlow with CUDA' : 'TensorFlow on the CPU',
      threads: threadsOfLibrary!,
      compile: asItIs('tensorflow'),
      ...(onGpu ? {} : { drawback: withoutCuda(name) }),
    };
  }
  const [first] = failures;
  return { works: false, why: failures.map(({ why }) => why).join('; '), remedy: withCuda(first!.line) };
}

/** Loads the package and starts its backend; what went wrong, and the line that mends it. */
async function start(name: string, threads: number): Promise<{ why: string; line: string } | undefined> {
  const { version } = createRequire(import.meta.url)(`${name}/package.json`) as { version: string };
  // It would bring a copy of tfjs-core of its own, and register its kernels there.
  if (version !== TFJS) {
    return { why: `is ${version}, and ${TFJS} is needed`, line: `npm install --no-save ${name}@${TFJS}` };
  }
  // libtensorflow otherwise reports its start on stderr, and takes all memory of the GPU.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  // oneDNN of libtensorflow 2.9 damages memory where it fills up channels to whole blocks: training steps of tiny networks ended the process
  // there. Without it TensorFlow is slower on a CPU; a GPU's kernels have no part in it.
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '0';
  // There is no other way to tell it; it would take all cores.
  process.env.TF_NUM_INTRAOP_THREADS = String(threads);
  keepOldUtilities();
  try {
    await load(name);
    await starts('tensorflow');
    threadsOfLibrary ??= threads;
    return undefined;
  } catch (error) {
    const message = firstLine(error);
    const why = message.includes('native addon module')
      ? 'has no native library: its install script was not allowed to run, or failed'
      : `does not start: ${message}`;
    return { why, line: `npm rebuild ${name}` };
  }
}

/** The line that brings the package, and with it what else CUDA lacks where there is an NVIDIA driver. */
function withCuda(line: string): string {
  const obstacle = cudaObstacle(thisMachine());
  if (!obstacle) return line;
  return obstacle.line ? `${line} && ${obstacle.line}` : `${line} (no gain here: ${obstacle.why})`;
}

/** Why 'auto' passes by a TensorFlow that works but computes on the CPU. */
function withoutCuda(name: string): { why: string; remedy: string } {
  const obstacle = cudaObstacle(thisMachine()) ?? {
    why: 'TensorFlow sees no GPU',
    remedy: 'TF_CPP_MIN_LOG_LEVEL=0 npx cemiflow doctor prints what it says about that.',
  };
  const line = `npm install --no-save ${GPU_PACKAGE}@${TFJS}`;
  const { why, remedy } =
    name === CPU_PACKAGE ? { why: `${CPU_PACKAGE} has no CUDA`, remedy: withCuda(line) } : obstacle;
  return { why: `it computes on the CPU, where ONNX Runtime is faster: ${why}`, remedy };
}

/** tfjs-node calls two functions that Node 23 took away. */
function keepOldUtilities(): void {
  const old = util as unknown as Record<string, unknown>;
  old.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}
