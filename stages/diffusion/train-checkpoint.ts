/**
 * The state of a training on disk: one file, written beside and renamed, so that a kill at any moment leaves the old one
 * or the new one. Random numbers depend on the step only, so the step and the vectors are all there is.
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
  v: Float32Array;
  average: Float32Array;
  /** Sums of the reported numbers since the last metric was logged. */
  sums: Float32Array;
}

const vectors = ['weights', 'm', 'v', 'average', 'sums'] as const;

export function saveCheckpoint(folder: string, checkpoint: TrainCheckpoint): void {
  const tensors = new Map<string, { shape: number[]; data: Float32Array | Int32Array }>([
    ['step', { shape: [1], data: Int32Array.of(checkpoint.step) }],
  ]);
  for (const name of vectors) tensors.set(name, { shape: [checkpoint[name].length], data: checkpoint[name] });
  writeSafetensors(join(folder, 'training.safetensors'), tensors);
}

/** @returns undefined where there is none. @throws StageError where it is of another network */
export function readCheckpoint(folder: string, size: number): TrainCheckpoint | undefined {
  const file = join(folder, 'training.safetensors');
  if (!existsSync(file)) return undefined;
  const tensors = readSafetensors(file);
  const vector = (name: (typeof vectors)[number]): Float32Array => {
    const data = tensors.get(name)?.data;
    if (!(data instanceof Float32Array) || (name !== 'sums' && data.length !== size))
      throw new StageError(
        `${file}: ${name} is not a vector of this network's ${size} weights`,
        'Delete the file: training starts again.',
      );
    return data;
  };
  return {
    step: tensors.get('step')?.data[0] ?? 0,
    weights: vector('weights'),
    m: vector('m'),
    v: vector('v'),
    average: vector('average'),
    sums: vector('sums'),
  };
}
