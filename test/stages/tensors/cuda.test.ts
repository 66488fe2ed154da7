/** What is in the way of CUDA, on machines that are described; and one real look. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { cudaObstacle, thisMachine } from '../../../stages/tensors/cuda.js';

const driver = 'libcuda.so.1';
const cuda11 = [
  'libcudart.so.11.0',
  'libcublas.so.11',
  'libcublasLt.so.11',
  'libcufft.so.10',
  'libcurand.so.10',
  'libcusolver.so.11',
  'libcusparse.so.11',
];
const linux = (libraries: string[], visible?: string) => ({
  platform: 'linux x64',
  visible,
  has: (library: string) => libraries.includes(library),
});

describe('an obstacle to CUDA', () => {
  test('is a missing driver', () => {
    expect(cudaObstacle(linux([...cuda11, 'libcudnn.so.8']))).toEqual({
      why: 'there is no NVIDIA driver',
      remedy: expect.stringContaining('libcuda.so.1'),
    });
  });

  test.each(['', '-1'])("is CUDA_VISIBLE_DEVICES='%s'", (visible) => {
    const obstacle = cudaObstacle(linux([driver, ...cuda11, 'libcudnn.so.8'], visible));
    expect(obstacle).toMatchObject({ line: 'unset CUDA_VISIBLE_DEVICES' });
  });

  test('is a library, with the line that brings what is missing and no more', () => {
    const line =
      "python3 -m pip install --target ~/.cuda11 nvidia-cublas-cu11 'nvidia-cudnn-cu11<9' && " +
      "export LD_LIBRARY_PATH=$(echo ~/.cuda11/nvidia/*/lib | tr ' ' :):$LD_LIBRARY_PATH";
    const libraries = [driver, ...cuda11.filter((library) => !library.includes('cublas'))];
    expect(cudaObstacle(linux(libraries))).toEqual({
      why: 'TensorFlow 2.9 wants CUDA 11 and cuDNN 8, and finds no libcublas.so.11, libcublasLt.so.11, libcudnn.so.8',
      line,
      remedy: line,
    });
  });

  test('is another CUDA, which is named', () => {
    const obstacle = cudaObstacle(linux([driver, 'libcudart.so.12', 'libcudnn.so.9']));
    expect(obstacle?.why).toMatch(
      /no libcudart\.so\.11\.0, .*\(libcudart\.so\.12 and libcudnn\.so\.9 cannot stand in\)/,
    );
  });

  test('is the kind of machine', () => {
    for (const platform of ['darwin arm64', 'linux arm64'])
      expect(cudaObstacle({ ...linux([driver]), platform })).toMatchObject({
        why: `there is no TensorFlow with CUDA for ${platform}`,
        remedy: expect.stringContaining('npm install --no-save webgpu'),
      });
  });

  test('is not to be seen with all libraries and a card, or on Windows', () => {
    expect(cudaObstacle(linux([driver, ...cuda11, 'libcudnn.so.8'], '0'))).toBe(undefined);
    expect(cudaObstacle({ ...linux([]), platform: 'win32 x64' })).toBe(undefined);
  });
});

describe('this machine', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test('has the libraries of LD_LIBRARY_PATH, and those that the loader lists', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cemiflow-cuda-'));
    await writeFile(join(folder, 'libcemiflow.so.11'), '');
    expect(thisMachine().has('libcemiflow.so.11')).toBe(false);
    vi.stubEnv('LD_LIBRARY_PATH', `/nowhere:${folder}`);
    const { has } = thisMachine();
    expect(has('libcemiflow.so.11')).toBe(true);
    expect(has('libcemiflow.so')).toBe(false);
    if (process.platform === 'linux') expect(has('libc.so.6')).toBe(true);
    await rm(folder, { recursive: true });
  });
});
