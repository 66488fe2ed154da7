/**
 * What keeps TensorFlow 2.9, which @tensorflow/tfjs-node-gpu brings, from an NVIDIA GPU, and the line that mends it. Only looks at
 * files: TensorFlow itself says it on stderr, among much else.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The machine as far as it matters here; `has` says whether the dynamic loader would find a library. */
export interface Machine {
  /** `process.platform` and `process.arch`. */
  platform: string;
  /** CUDA_VISIBLE_DEVICES. */
  visible: string | undefined;
  has(library: string): boolean;
}

export interface Obstacle {
  why: string;
  /** For a shell, to be pasted as it is; undefined where there is nothing to be typed. */
  line?: string;
  /** What to do, in words and with the line. */
  remedy: string;
}

/** What libtensorflow 2.9 opens (it names them when one is missing), and where PyPI has them. */
const libraries: readonly (readonly [library: string, pypi: string])[] = [
  ['libcudart.so.11.0', 'nvidia-cuda-runtime-cu11'],
  ['libcublas.so.11', 'nvidia-cublas-cu11'],
  ['libcublasLt.so.11', 'nvidia-cublas-cu11'],
  ['libcufft.so.10', 'nvidia-cufft-cu11'],
  ['libcurand.so.10', 'nvidia-curand-cu11'],
  ['libcusolver.so.11', 'nvidia-cusolver-cu11'],
  ['libcusparse.so.11', 'nvidia-cusparse-cu11'],
  ['libcudnn.so.8', "'nvidia-cudnn-cu11<9'"],
];

/** Of other versions of CUDA, to say why what is installed does not do. */
const otherVersions = [
  'libcudart.so.10.2',
  'libcudart.so.12',
  'libcudart.so.13',
  'libcudnn.so.7',
  'libcudnn.so.9',
];

/**
 * The first thing that is in TensorFlow's way; undefined where nothing can be seen to be, which is so on Windows, where no more than
 * the kind of machine is looked at.
 */
export function cudaObstacle({ platform, visible, has }: Machine): Obstacle | undefined {
  if (platform !== 'linux x64' && platform !== 'win32 x64') {
    return {
      why: `there is no TensorFlow with CUDA for ${platform}`,
      remedy: 'WebGPU may reach the GPU: npm install --no-save webgpu',
    };
  }
  if (platform !== 'linux x64') return undefined;
  if (!has('libcuda.so.1')) {
    return {
      why: 'there is no NVIDIA driver',
      remedy: 'With an NVIDIA GPU, install its driver (libcuda.so.1); nvidia-smi then lists the GPU.',
    };
  }
  if (visible !== undefined && !/^[^-]/.test(visible.trim())) {
    const line = 'unset CUDA_VISIBLE_DEVICES';
    return { why: `CUDA_VISIBLE_DEVICES is '${visible}', which hides every GPU`, line, remedy: line };
  }
  const missing = libraries.filter(([library]) => !has(library));
  if (missing.length > 0) {
    const others = otherVersions.filter(has);
    const line = pipLine(missing.map(([, pypi]) => pypi));
    return {
      why:
        `TensorFlow 2.9 wants CUDA 11 and cuDNN 8, and finds no ${missing.map(([library]) => library).join(', ')}` +
        (others.length > 0 ? ` (${others.join(' and ')} cannot stand in)` : ''),
      line,
      remedy: line,
    };
  }
  return undefined;
}

/** Into a folder of their own, where nothing else finds them. Up to 2 GB. */
function pipLine(packages: readonly string[]): string {
  const distinct = [...new Set(packages)].join(' ');
  return `python3 -m pip install --target ~/.cuda11 ${distinct} && export LD_LIBRARY_PATH=$(echo ~/.cuda11/nvidia/*/lib | tr ' ' :):$LD_LIBRARY_PATH`;
}

export function thisMachine(): Machine {
  const folders = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== ''),
    ...['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/lib/x86_64-linux-gnu', '/usr/lib/wsl/lib'],
  ];
  // The names in the loader's own list end in a zero byte each.
  const listed = existsSync('/etc/ld.so.cache') ? readFileSync('/etc/ld.so.cache', 'latin1') : '';
  return {
    platform: `${process.platform} ${process.arch}`,
    visible: process.env.CUDA_VISIBLE_DEVICES,
    has: (library) =>
      folders.some((folder) => existsSync(join(folder, library))) || listed.includes(`${library}\0`),
  };
}
