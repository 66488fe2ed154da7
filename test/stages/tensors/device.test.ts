/**
 * Which device is chosen and what is said of the others, in processes of their own: a device is a choice for a whole process. TensorFlow and
 * WebGPU need hardware, so small packages stand in for them that behave as those do with and without it.
 */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cemiflow-device-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A folder with the devices' code and the packages it may find: the real ones less `without`, and stand-ins by name. */
async function installation(
  name: string,
  standIns: Record<string, string> = {},
  without: string[] = [],
): Promise<string> {
  const folder = join(root, name);
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '@tensorflow'), { recursive: true });
  const hidden = new Set([
    '@tensorflow',
    ...without,
    ...Object.keys(standIns),
    'webgpu',
    'tfjs-node',
    'tfjs-node-gpu',
  ]);
  for (const scope of ['', '@tensorflow']) {
    for (const entry of await readdir(join('node_modules', scope))) {
      if (!hidden.has(entry))
        await symlink(join(process.cwd(), 'node_modules', scope, entry), join(modules, scope, entry));
    }
  }
  for (const [path, code] of Object.entries(standIns)) {
    await mkdir(join(modules, path), { recursive: true });
    await writeFile(join(modules, path, 'index.js'), code);
    const type = code.includes('export ') ? 'module' : 'commonjs';
    await writeFile(
      join(modules, path, 'package.json'),
      JSON.stringify({ main: 'index.js', type, version: '4.22.0' }),
    );
  }
  await build({
    entryPoints: ['stages/tensors/device.ts'],
    outfile: join(folder, 'device.mjs'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  });
  return folder;
}

/** Runs code with `openDevice` and `probeDevices` at hand; its `answer(...)` is the result. All else it prints is a failure. */
async function answerIn(folder: string, code: string, env: Record<string, string> = {}): Promise<unknown> {
  const script = `import { openDevice, probeDevices } from './device.mjs';
    const answer = (value) => process.send(value);
    ${code}`;
  await writeFile(join(folder, 'script.mjs'), script);
  const child = execa('node', ['script.mjs'], { cwd: folder, env, ipc: true, serialization: 'json' });
  const value = await child.getOneMessage();
  const { stdout, stderr } = await child;
  expect(stdout + stderr).toBe('');
  return value;
}

const OPEN_AUTO = `
  const { name, description, rejected, threads } = await openDevice('auto', { threads: 2 });
  answer({ name, description, rejected, threads });`;
const open = (name: string): string => `
  try { const { description } = await openDevice('${name}', { threads: 2 }); answer({ description }); }
  catch ({ name, message, remedy }) { answer({ name, message, remedy }); }`;

/** Registers tfjs' cpu backend under another name, as tfjs-node does with its own. */
const tfjsNode = (onGpu: boolean): string => `
  const tf = require('@tensorflow/tfjs');
  const cpu = tf.findBackendFactory('cpu');
  tf.registerBackend('tensorflow', () => Object.assign(cpu(), { firstUse: false, isUsingGpuDevice: ${String(onGpu)} }), 3);
  for (const kernel of tf.getKernelsForBackend('cpu')) tf.registerKernel({ ...kernel, backendName: 'tensorflow' });
  tf.setBackend('tensorflow');
  if (!require('util').isNullOrUndefined(null)) throw new Error('no isNullOrUndefined');
  if (!process.env.TF_CPP_MIN_LOG_LEVEL) console.error('libtensorflow talks');`;

/** No graphics driver, whatever the machine has. */
const noVulkan = { VK_ICD_FILENAMES: '/nowhere.json' };

describe('without a GPU package', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await installation('plain');
  });

  test('auto takes onnx, with the threads it is given, and says why not the better ones', async () => {
    expect(await answerIn(folder, OPEN_AUTO)).toEqual({
      name: 'onnx',
      description: expect.stringMatching(/^ONNX Runtime 1\.\d+\.\d+ on the CPU/),
      threads: 2,
      rejected: [
        {
          name: 'tensorflow',
          why: 'neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed',
          remedy: expect.stringContaining('npm install --no-save @tensorflow/tfjs-node-gpu@4.22.0'),
        },
        {
          name: 'webgpu',
          why: 'webgpu is not installed',
          remedy: expect.stringContaining('npm install --no-save webgpu'),
        },
      ],
    });
  });

  test('what is asked by name and does not work is an error with its reason and remedy', async () => {
    expect(await answerIn(folder, open('tensorflow'))).toEqual({
      name: 'StageError',
      message:
        "device 'tensorflow' does not work here: neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed",
      remedy: expect.stringContaining('npm install'),
    });
    expect(await answerIn(folder, open('cuda'))).toEqual({
      name: 'StageError',
      message: "there is no device 'cuda'",
      remedy: 'Choose auto, tensorflow, webgpu, onnx, onnx-webgpu, wasm, cpu.',
    });
  });

  test('probing tries all of them, best first, and leaves the process as it was', async () => {
    const code = `
      await openDevice('onnx', { threads: 1 });
      const handlers = () => ['uncaughtException', 'unhandledRejection'].map((event) => process.listenerCount(event));
      const before = handlers();
      const reports = await probeDevices();
      answer({ works: reports.map(({ name, works }) => [name, works]), handlers: [before, handlers()] });`;
    expect(await answerIn(folder, code, noVulkan)).toEqual({
      works: [
        ['tensorflow', false],
        ['webgpu', false],
        ['onnx', true],
        ['onnx-webgpu', false],
        ['wasm', true],
        ['cpu', true],
      ],
      handlers: [
        [0, 0],
        [0, 0],
      ],
    });
  });

  test('a number of threads below one is refused', async () => {
    const code = `await openDevice('cpu', { threads: 0 }).catch(({ message }) => answer(message));`;
    expect(await answerIn(folder, code)).toBe('threads must be a positive integer, not 0');
  });
});

test('without onnxruntime-node, auto takes wasm', async () => {
  const folder = await installation('no-onnx', {}, ['onnxruntime-node']);
  expect(await answerIn(folder, OPEN_AUTO)).toMatchObject({
    name: 'wasm',
    threads: 1,
    rejected: [
      { name: 'tensorflow' },
      { name: 'webgpu' },
      {
        name: 'onnx',
        why: 'onnxruntime-node is not installed',
        remedy: 'npm install --ignore-scripts --no-save onnxruntime-node@1.30.0',
      },
      { name: 'onnx-webgpu', why: 'onnxruntime-node is not installed' },
    ],
  });
});

describe('tensorflow', () => {
  test('with CUDA is what auto takes', async () => {
    const folder = await installation('cuda', { '@tensorflow/tfjs-node-gpu': tfjsNode(true) });
    expect(await answerIn(folder, OPEN_AUTO)).toEqual({
      name: 'tensorflow',
      description: 'TensorFlow with CUDA',
      threads: 2,
      rejected: [],
    });
  });

  test('without CUDA is passed by, but can be asked for', async () => {
    const folder = await installation('no-cuda', { '@tensorflow/tfjs-node-gpu': tfjsNode(false) });
    expect(await answerIn(folder, OPEN_AUTO)).toMatchObject({
      name: 'onnx',
      rejected: [
        {
          name: 'tensorflow',
          why: expect.stringMatching(/^it computes on the CPU, where ONNX Runtime is faster: ./),
          remedy: expect.stringMatching(/./),
        },
        { name: 'webgpu' },
      ],
    });
    expect(await answerIn(folder, open('tensorflow'))).toEqual({ description: 'TensorFlow on the CPU' });
  });

  test('is told its threads before it starts, and keeps them', async () => {
    const folder = await installation('threads', { '@tensorflow/tfjs-node-gpu': tfjsNode(false) });
    const code = `
      const threads = [];
      for (const asked of [2, 1]) threads.push((await openDevice('tensorflow', { threads: asked })).threads);
      answer({ threads, told: process.env.told });`;
    const tell = `process.env.told = process.env.TF_NUM_INTRAOP_THREADS;`;
    await writeFile(join(folder, 'node_modules/@tensorflow/tfjs-node-gpu/index.js'), tell + tfjsNode(false));
    expect(await answerIn(folder, code)).toEqual({ threads: [2, 2], told: '2' });
  });

  test('of the CPU package has no CUDA, and the line brings the one that has', async () => {
    const folder = await installation('cpu-package', { '@tensorflow/tfjs-node': tfjsNode(false) });
    expect(await answerIn(folder, OPEN_AUTO)).toMatchObject({
      rejected: [
        {
          why: expect.stringContaining('@tensorflow/tfjs-node has no CUDA'),
          remedy: expect.stringContaining('npm install --no-save @tensorflow/tfjs-node-gpu@4.22.0'),
        },
        {},
      ],
    });
  });

  const noAddon = `throw new Error('The Node.js native addon module (tfjs_binding.node) can not be found at path: /x. \\nPlease run');`;

  test('whose library was not downloaded says so', async () => {
    const folder = await installation('no-addon', { '@tensorflow/tfjs-node-gpu': noAddon });
    expect(await answerIn(folder, open('tensorflow'))).toEqual({
      name: 'StageError',
      message:
        "device 'tensorflow' does not work here: @tensorflow/tfjs-node-gpu has no native library: " +
        'its install script was not allowed to run, or failed',
      remedy: expect.stringMatching(/^npm rebuild @tensorflow\/tfjs-node-gpu/),
    });
  });

  test('without its library, the CPU package is tried next', async () => {
    const folder = await installation('no-gpu-addon', {
      '@tensorflow/tfjs-node-gpu': noAddon,
      '@tensorflow/tfjs-node': tfjsNode(false),
    });
    expect(await answerIn(folder, open('tensorflow'))).toEqual({ description: 'TensorFlow on the CPU' });
  });

  test('whose library cannot be loaded says what the loader says', async () => {
    const unloadable = `throw new Error('libtensorflow.so.2: cannot open shared object file: No such file or directory');`;
    const folder = await installation('no-library', { '@tensorflow/tfjs-node-gpu': unloadable });
    expect(await answerIn(folder, open('tensorflow'))).toMatchObject({
      message: expect.stringMatching(/tfjs-node-gpu does not start: libtensorflow\.so\.2: cannot open/),
      remedy: expect.stringMatching(/^npm rebuild @tensorflow\/tfjs-node-gpu/),
    });
  });

  test('of another version than tfjs is not even loaded', async () => {
    const folder = await installation('old', { '@tensorflow/tfjs-node-gpu': `console.log('loaded')` });
    await writeFile(
      join(folder, 'node_modules/@tensorflow/tfjs-node-gpu/package.json'),
      JSON.stringify({ main: 'index.js', version: '4.10.0' }),
    );
    expect(await answerIn(folder, open('tensorflow'))).toMatchObject({
      message: expect.stringContaining('tfjs-node-gpu is 4.10.0, and 4.22.0 is needed'),
      remedy: expect.stringMatching(/^npm install --no-save @tensorflow\/tfjs-node-gpu@4\.22\.0/),
    });
  });
});

describe('webgpu', () => {
  const dawn = (adapter: string): string =>
    `export const globals = {}; export const create = () => ({ requestAdapter: async () => (${adapter}) });`;

  test('without an adapter is passed by, with the remedy', async () => {
    const folder = await installation('no-adapter', { webgpu: dawn('null') });
    expect(await answerIn(folder, open('webgpu'))).toEqual({
      name: 'StageError',
      message: "device 'webgpu' does not work here: no graphics adapter was found",
      remedy: "Install the GPU's Vulkan driver (vulkaninfo --summary must list it).",
    });
  });

  test('whose adapter cannot be started says what went wrong', async () => {
    const adapter = `{ info: {}, features: new Set(), limits: {}, requestDevice: async () => { throw new Error('device lost.'); } }`;
    const folder = await installation('lost', { webgpu: dawn(adapter) });
    expect(await answerIn(folder, open('webgpu'))).toMatchObject({
      message: expect.stringContaining('does not work here'),
    });
  });
});

describe('onnx-webgpu', () => {
  /** The real package, but for what its WebGPU does: `gpu` wraps a session of the CPU. */
  const runtime = (gpu: string): string => `
    const real = require(${JSON.stringify(join(process.cwd(), 'node_modules/onnxruntime-node'))});
    const gpu = ${gpu};
    const create = async (model, options) => {
      const [provider] = options.executionProviders;
      const onGpu = (provider.name ?? provider) === 'webgpu';
      const session = await real.InferenceSession.create(model, { ...options, executionProviders: ['cpu'] });
      return onGpu ? gpu(session) : session;
    };
    exports.InferenceSession = { create };
    exports.Tensor = real.Tensor;
    exports.env = real.env;`;
  const withGpu = (name: string, gpu: string): Promise<string> =>
    installation(name, { 'onnxruntime-node': runtime(gpu) });

  test('that computes right can be asked for, and auto takes onnx before it', async () => {
    const folder = await withGpu('right', '(session) => session');
    expect(await answerIn(folder, open('onnx-webgpu'))).toEqual({
      description: expect.stringMatching(/^ONNX Runtime 1\.\d+\.\d+ on WebGPU, steps compiled/),
    });
    expect(await answerIn(folder, OPEN_AUTO)).toMatchObject({ name: 'onnx' });
  });

  test.each([
    ['a little wrong', 'value * 1.01', /differ from the CPU's by 0\.01\d* of the largest/],
    ['not a number', 'NaN', /differ from the CPU's by NaN/],
  ])('whose results are %s is refused', async (name, value, why) => {
    const wrong = `(session) => ({
      outputNames: session.outputNames,
      async run(feeds) {
        const results = await session.run(feeds);
        return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, { data: data.map((value) => ${value}) }]));
      },
    })`;
    const folder = await withGpu(name.replaceAll(' ', '-'), wrong);
    expect(await answerIn(folder, open('onnx-webgpu'))).toMatchObject({
      name: 'StageError',
      message: expect.stringMatching(why),
      remedy: 'Update the graphics driver.',
    });
  });

  test('whose driver ends the process is survived', async () => {
    const folder = await withGpu('crash', `() => process.kill(process.pid, 'SIGSEGV')`);
    expect(await answerIn(folder, open('onnx-webgpu'))).toMatchObject({
      message: expect.stringMatching(/it ended its process: .*SIGSEGV/),
    });
  });

  test.runIf(process.platform === 'linux')('without a driver says so in a few words', async () => {
    expect(await answerIn(await installation('no-vulkan'), open('onnx-webgpu'), noVulkan)).toEqual({
      name: 'StageError',
      message:
        "device 'onnx-webgpu' does not work here: Failed to get a WebGPU adapter: No supported adapters",
      remedy: expect.stringContaining('Vulkan driver'),
    });
  });
});
