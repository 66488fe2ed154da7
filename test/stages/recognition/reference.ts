/** The committed reference numbers (test/reference/recognition_reference.py made them) and the formula their inputs come from. */
import { readFileSync } from 'node:fs';

type Shape = {
  widths: number[];
  blocks: number[];
  stem_stride: number;
  se: boolean;
  embedding: number;
  size: number;
};

export interface Reference {
  network: Record<
    'plain' | 'se',
    {
      shape: Shape;
      names: string[];
      embeddings: number[][];
      losses: Record<
        'cosface' | 'arcface' | 'adaface',
        {
          value: number;
          /** By name: norm, and product with fill('probe') in PyTorch's order. */
          gradients: Record<string, [number, number]>;
          /** Norms of running statistics after the step. */
          running: Record<string, number>;
          state: [number, number] | null;
        }
      >;
    }
  >;
  margins: { arcface: [number, number, number][]; adaface: [number, number, number, number][] };
  verification: { accuracy: number; std: number; folds: number[]; tar: Record<string, number>; eer: number };
  frechet: { distance: number; eigenvalues: number[] };
  hues: [[number, number, number], number, [number, number, number]][];
}

export const reference = JSON.parse(
  readFileSync(new URL('../../reference/recognition.json', import.meta.url), 'utf8'),
) as Reference;

/** As `fill` of the script. */
export function fill(name: string, size: number, scale = 1, offset = 0): Float32Array {
  const base = [...name].reduce((sum, letter, i) => sum + (i + 1) * letter.charCodeAt(0), 0) % 1000;
  return Float32Array.from({ length: size }, (_, i) => offset + scale * Math.sin(base + 1.37 * i));
}

/** A weight as `filled` of the script gives it, in PyTorch's order [out, in, kh, kw]. */
export function filled(name: string, shape: readonly number[]): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  if (name.endsWith('running_var')) return fill(name, size, 0.3, 1);
  if (shape.length === 1 && name.endsWith('.weight')) return fill(name, size, 0.3, 0.8);
  return fill(name, size, 0.3);
}

/** [out, in, kh, kw] to [out, kh, kw, in]. Other shapes stay. `shape` is the latter. */
export function fromTorch(data: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length !== 4) return data;
  const [o, h, w, i] = shape as [number, number, number, number];
  const out = new Float32Array(data.length);
  for (let a = 0; a < o; a++)
    for (let b = 0; b < i; b++)
      for (let y = 0; y < h; y++)
        for (let x = 0; x < w; x++) out[((a * h + y) * w + x) * i + b] = data[((a * i + b) * h + y) * w + x]!;
  return out;
}
