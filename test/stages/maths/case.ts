/**
 * A case of the suite of stage maths: inputs of reproducible random numbers, and what is computed of them.
 * test/reference/maths_reference.py has a function of the same name for each and makes the same numbers from the same names.
 */
import * as tf from '@tensorflow/tfjs';
import type { Scope } from '../../../stages/tensors/network.js';

type Exported = (...args: never[]) => unknown;

export interface Case {
  /** The function of the reference script. */
  name: string;
  /** The exported functions it checks. */
  covers: readonly Exported[];
  /** What is differentiated. */
  inputs: Record<string, Numbers>;
  /** What is not: labels, masks, running statistics, coefficients. */
  given?: Record<string, Numbers>;
  /** Inputs whose gradient is by design not the derivative, with the reason. PyTorch, told to stop there too, still has a say. */
  stopped?: Record<string, string>;
  run(at: Tensors): { value: tf.Tensor; aside?: Tensors };
}

export interface Numbers {
  shape: number[];
  lo: number;
  hi: number;
}
export type Tensors = Record<string, tf.Tensor>;

/** Uniform in [lo, hi). */
export function u(shape: number[], lo = -1, hi = 1): Numbers {
  return { shape, lo, hi };
}

/** The numbers of an input, rounded to float32: mulberry32 seeded by FNV-1a of its name. */
export function numbersOf(name: string, input: string, { shape, lo, hi }: Numbers): number[] {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(`${name}/${input}`)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  return Array.from({ length: tf.util.sizeFromShape(shape) }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.fround(lo + ((hi - lo) * ((t ^ (t >>> 14)) >>> 0)) / 2 ** 32);
  });
}

/** A scope that takes weights and buffers from the case's inputs, and puts updated buffers into `aside`. */
export function scopeOf(at: Tensors, training = true, aside: Tensors = {}): Scope {
  const named = (name: string, shape: number[]): tf.Tensor => {
    tf.util.assertShapesMatch(at[name]!.shape, shape);
    return at[name]!;
  };
  return {
    training,
    weight: named,
    buffer: named,
    updateBuffer: (name, value) => void (aside[name] = value),
  };
}

/** Several results as one vector. */
export function flat(...tensors: tf.Tensor[]): tf.Tensor {
  return tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1])));
}

/** A function of one tensor. */
export const unary = (
  name: string,
  shape: number[],
  f: (x: tf.Tensor) => tf.Tensor,
  covers: Case['covers'],
  [lo, hi]: [number, number] = [-2, 2],
): Case => ({ name, covers, inputs: { x: u(shape, lo, hi) }, run: ({ x }) => ({ value: f(x!) }) });
