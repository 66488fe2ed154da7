/**
 * The pretrained networks inside the npm package `@vladmandic/face-api` (MIT): weights in TensorFlow.js' sharded format,
 * each tensor quantised to bytes with a scale and a minimum of its own. Only these files of the package are used: its code would
 * bring a second set of kernels and a canvas, ours runs compiled on any device.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StageError } from '../../contract.js';
import type { NamedTensor } from '../../data/safetensors.js';

export type FaceApiNetwork = 'face_recognition_model' | 'face_landmark_68_model' | 'ssd_mobilenetv1_model';

interface ManifestEntry {
  name: string;
  shape: number[];
  dtype: string;
  quantization?: { dtype: string; scale: number; min: number };
}

/** Float weights by name. Integer entries (left-overs of TensorFlow's graph) are skipped. */
export type FloatWeights = Map<string, { shape: number[]; data: Float32Array }>;

const packageName = '@vladmandic/face-api';

/** The package's version, for the record of what a model was made of. */
export function faceApiVersion(): string {
  return (createRequire(import.meta.url)(`${packageName}/package.json`) as { version: string }).version;
}

/** Reads one network's weights. Throws StageError where the package is missing or its files do not fit together. */
export async function readFaceApiWeights(network: FaceApiNetwork): Promise<FloatWeights> {
  const reinstall = 'Run npm ci again.';
  let folder: string;
  try {
    folder = join(dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`)), 'model');
  } catch (error) {
    throw new StageError(
      `${packageName} is not installed, so its pretrained ${network} cannot be read`,
      reinstall,
      {
        cause: error,
      },
    );
  }
  const manifest = JSON.parse(await readFile(join(folder, `${network}-weights_manifest.json`), 'utf8')) as {
    paths: string[];
    weights: ManifestEntry[];
  }[];
  const weights: FloatWeights = new Map();
  for (const group of manifest) {
    const bytes = Buffer.concat(await Promise.all(group.paths.map((path) => readFile(join(folder, path)))));
    let offset = 0;
    for (const { name, shape, dtype, quantization } of group.weights) {
      const size = shape.reduce((a, b) => a * b, 1);
      const stored = quantization?.dtype ?? dtype;
      const width = stored === 'uint8' ? 1 : stored === 'uint16' ? 2 : 4;
      if (offset + size * width > bytes.length)
        throw new StageError(`${packageName}: ${network} ends in the middle of ${name}`, reinstall);
      if (dtype === 'float32')
        weights.set(name, { shape, data: dequantise(bytes, offset, size, stored, quantization) });
      offset += size * width;
    }
    if (offset !== bytes.length)
      throw new StageError(
        `${packageName}: ${network} has ${bytes.length - offset} bytes too many`,
        reinstall,
      );
  }
  return weights;
}

function dequantise(
  bytes: Buffer,
  offset: number,
  size: number,
  stored: string,
  quantization: ManifestEntry['quantization'],
): Float32Array {
  const data = new Float32Array(size);
  const { scale, min } = quantization ?? { scale: 1, min: 0 };
  for (let i = 0; i < size; i++) {
    if (stored === 'uint8') data[i] = bytes[offset + i]! * scale + min;
    else if (stored === 'uint16') data[i] = bytes.readUInt16LE(offset + 2 * i) * scale + min;
    else data[i] = bytes.readFloatLE(offset + 4 * i);
  }
  return data;
}

/** The tensor of that name, or a StageError that names it. */
export function pick(
  weights: FloatWeights | ReadonlyMap<string, NamedTensor>,
  name: string,
): { shape: number[]; data: Float32Array } {
  const found = weights.get(name);
  if (!found || !(found.data instanceof Float32Array))
    throw new StageError(
      `weights of the face-api network: '${name}' is missing`,
      'Make the model again with face-api-model.',
    );
  return { shape: found.shape, data: found.data };
}

/**
 * A convolution followed by a scale and a shift per output channel is one convolution with other numbers.
 *
 * @param filters [kh, kw, in, out] (a depthwise one as [kh, kw, 1, channels]: its last axis is what is scaled)
 * @param bias    [out], before the scale
 */
export function fold(
  filters: { shape: number[]; data: Float32Array },
  bias: Float32Array | undefined,
  scale: Float32Array,
  shift: Float32Array,
): { filters: { shape: number[]; data: Float32Array }; bias: Float32Array } {
  const out = scale.length;
  return {
    filters: { shape: filters.shape, data: filters.data.map((value, i) => value * scale[i % out]!) },
    bias: shift.map((value, i) => value + (bias?.[i] ?? 0) * scale[i]!),
  };
}
