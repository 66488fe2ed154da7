/** The spot of a triangle that a sample sees: where in the triangle it lies, and what lies there. One is used for all samples. */
import { clamp } from './curves.js';
import type { Scene } from './scene.js';

export class Spot {
  /** The sample's place in the picture. */
  sx = 0;
  sy = 0;
  /** The triangle's corners, vertex numbers. */
  a = 0;
  b = 0;
  c = 0;
  /** Their weights, which sum to 1. */
  wa = 1;
  wb = 0;
  wc = 0;
  /** Unit normal, camera axes. */
  nx = 0;
  ny = 0;
  nz = 1;
  readonly #corners: Int32Array;
  readonly #screen: Float32Array;
  readonly #normal: Float32Array;

  constructor(scene: Scene) {
    this.#corners = scene.corners;
    this.#screen = scene.screen;
    this.#normal = scene.normal;
  }

  /** Goes to triangle t under the sample at (hx, hy), half samples: integers cost nothing to hand over. */
  find(t: number, hx: number, hy: number): void {
    const screen = this.#screen;
    const sx = hx * 0.5;
    const sy = hy * 0.5;
    this.a = this.#corners[3 * t]!;
    this.b = this.#corners[3 * t + 1]!;
    this.c = this.#corners[3 * t + 2]!;
    const a = 3 * this.a;
    const b = 3 * this.b;
    const c = 3 * this.c;
    const ax = screen[a]!;
    const ay = screen[a + 1]!;
    const e1x = screen[b]! - ax;
    const e1y = screen[b + 1]! - ay;
    const e2x = screen[c]! - ax;
    const e2y = screen[c + 1]! - ay;
    const area = 1 / (e1x * e2y - e1y * e2x);
    const px = sx - ax;
    const py = sy - ay;
    const wb = clamp((px * e2y - py * e2x) * area, -0.5, 1.5);
    const wc = clamp((e1x * py - e1y * px) * area, -0.5, 1.5);
    const wa = 1 - wb - wc;
    const normal = this.#normal;
    const nx = wa * normal[a]! + wb * normal[b]! + wc * normal[c]!;
    const ny = wa * normal[a + 1]! + wb * normal[b + 1]! + wc * normal[c + 1]!;
    const nz = wa * normal[a + 2]! + wb * normal[b + 2]! + wc * normal[c + 2]!;
    const length = 1 / (Math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9);
    this.sx = sx;
    this.sy = sy;
    this.wa = wa;
    this.wb = wb;
    this.wc = wc;
    this.nx = nx * length;
    this.ny = ny * length;
    this.nz = nz * length;
  }

  /** The value here of what each vertex has three numbers for: number k, 0..2. */
  of(values: Float32Array, k: number): number {
    return (
      this.wa * values[3 * this.a + k]! +
      this.wb * values[3 * this.b + k]! +
      this.wc * values[3 * this.c + k]!
    );
  }

  /** The value here of what each vertex has one number for. */
  single(values: Float32Array): number {
    return this.wa * values[this.a]! + this.wb * values[this.b]! + this.wc * values[this.c]!;
  }
}
