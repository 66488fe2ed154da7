/**
 * @tensorflow/tfjs-node-gpu with a real libtensorflow, as test/native/tensorflow.sh has built it: what doctor says of it, whole and
 * with parts missing, and how it computes.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import type { DeviceReport } from '../../stages/tensors/device.js';

const folder = 'node_modules/@tensorflow/tfjs-node-gpu';

async function doctor(): Promise<DeviceReport & { name: 'tensorflow' }> {
  const { stdout, stderr } = await execa('node', ['dist/engine/cli/main.js', 'doctor', '--json']);
  expect(stderr).toBe('');
  const { devices } = JSON.parse(stdout) as { devices: DeviceReport[] };
  return devices.find(({ name }) => name === 'tensorflow') as DeviceReport & { name: 'tensorflow' };
}

/** What doctor says while a file of the package is elsewhere. */
async function without(file: string): Promise<DeviceReport> {
  const path = join(folder, file);
  renameSync(path, `${path}.away`);
  try {
    return await doctor();
  } finally {
    renameSync(`${path}.away`, path);
  }
}

/** A convolution in a process of its own: what it gives, the threads the device claims, and those the process has. */
async function computeWith(threads: number): Promise<{ values: number[]; claimed: number; all: number }> {
  const script = `
    import * as tf from '@tensorflow/tfjs';
    import { openDevice } from './dist/stages/tensors/device.js';
    import { readdirSync } from 'node:fs';
    const device = await openDevice('tensorflow', { threads: ${threads} });
    const convolve = device.compile((x, f) => tf.conv2d(x, f, 1, 'same'));
    const y = await convolve(tf.ones([1, 3, 3, 1]), tf.ones([3, 3, 1, 1]));
    const values = Array.from(await y.data());
    console.log(JSON.stringify({ values, claimed: device.threads, all: readdirSync('/proc/self/task').length }));`;
  const { stdout, stderr } = await execa('node', ['--input-type=module', '--eval', script]);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Awaited<ReturnType<typeof computeWith>>;
}

test('doctor says that it works, on the CPU, why auto passes it by, and prints nothing else', async () => {
  expect(await doctor()).toEqual({
    name: 'tensorflow',
    works: true,
    description: 'TensorFlow on the CPU',
    why: expect.stringContaining('there is no NVIDIA driver'),
    remedy: expect.stringContaining('nvidia-smi'),
  });
});

test('without the addon, doctor says that its install script has to run', async () => {
  expect(await without('lib')).toEqual({
    name: 'tensorflow',
    works: false,
    why: '@tensorflow/tfjs-node-gpu has no native library: its install script was not allowed to run, or failed',
    remedy: expect.stringMatching(/^npm rebuild @tensorflow\/tfjs-node-gpu/),
  });
});

test('without libtensorflow, doctor names the library', async () => {
  expect(await without('deps/lib/libtensorflow_framework.so.2')).toEqual({
    name: 'tensorflow',
    works: false,
    why: expect.stringMatching(
      /does not start: libtensorflow_framework\.so\.2: cannot open shared object file/,
    ),
    remedy: expect.stringMatching(/^npm rebuild @tensorflow\/tfjs-node-gpu/),
  });
});

test('with a library of another machine, doctor says so', async () => {
  const path = join(folder, 'deps/lib/libtensorflow_framework.so.2');
  renameSync(path, `${path}.away`);
  writeFileSync(path, 'not a library');
  try {
    expect(await doctor()).toMatchObject({
      works: false,
      why: expect.stringMatching(/libtensorflow_framework\.so\.2: file too short|invalid ELF header/),
    });
  } finally {
    renameSync(`${path}.away`, path);
  }
});

test('of another version than tfjs, doctor names both', async () => {
  const path = join(folder, 'package.json');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('"version": "4.22.0"', '"version": "4.21.0"'));
  try {
    expect(await doctor()).toMatchObject({
      works: false,
      why: '@tensorflow/tfjs-node-gpu is 4.21.0, and 4.22.0 is needed',
      remedy: expect.stringMatching(/^npm install --no-save @tensorflow\/tfjs-node-gpu@4\.22\.0/),
    });
  } finally {
    writeFileSync(path, text);
  }
});

test('computes with the threads it is told to', async () => {
  const [one, three] = [await computeWith(1), await computeWith(3)];
  expect(one.values).toEqual([4, 6, 4, 6, 9, 6, 4, 6, 4]);
  expect([one.claimed, three.claimed]).toEqual([1, 3]);
  expect(three.all - one.all).toBe(2);
});
