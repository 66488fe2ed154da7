/**
 * The state of an FR training on disk: one file, written beside and renamed, so that a kill at any moment leaves the old
 * one or the new one. Randomness depends on the step only, so the step and the vectors are all there is.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { StageError } from '../contract.js';
import { readSafetensors, writeSafetensors } from '../data/safetensors.js';

export interface TrainCheckpoint {
  /** Steps done. */
  step: number;
  weights: Float32Array;
  m: Float32Array;
  buffers: Float32Array;
  sums: Float32Array;
}

const vectors = ['weights', 'm', 'buffers', 'sums'] as const;
const fileIn = (folder: string) => join(folder, 'training.safetensors');

export function saveCheckpoint(folder: string, checkpoint: TrainCheckpoint): void {
  const tensors = new Map<string, { shape: number[]; data: Float32Array | Int32Array }>([
    ['step', { shape: [1], data: Int32Array.of(checkpoint.step) }],
  ]);
  for (const name of vectors) tensors.set(name, { shape: [checkpoint[name].length], data: checkpoint[name] });
  writeSafetensors(fileIn(folder), tensors);
}

/**
 * @param sizes elements of each vector
 * @returns undefined where there is none
 * @throws StageError where it is damaged or of another network
 */
export function readCheckpoint(
  folder: string,
  sizes: Record<(typeof vectors)[number], number>,
): TrainCheckpoint | undefined {
  const file = fileIn(folder);
  if (!existsSync(file)) return undefined;
  const tensors = readSafetensors(file);
  const vector = (name: (typeof vectors)[number]): Float32Array => {
    const data = tensors.get(name)?.data;
    if (!(data instanceof Float32Array) || data.length !== sizes[name])
      throw new StageError(
        `${file}: ${name} does not have this training's ${sizes[name]} numbers`,
        'Delete the file: training starts again.',
      );
    return data;
  };
  return {
    step: tensors.get('step')?.data[0] ?? 0,
    weights: vector('weights'),
    m: vector('m'),
    buffers: vector('buffers'),
    sums: vector('sums'),
  };
}
