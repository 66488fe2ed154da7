/**
 * The camera of aligned face crops: turns the head, projects its five landmarks in perspective, and places the picture by the
 * similarity (rotation, scale, shift) that brings them nearest, by least squares, to the ArcFace 112x112 template, as a
 * detector and an alignment would have done. Nothing is resampled.
 */
import { cosine, sine } from './curves.js';
import type { Shot } from './shot.js';

/** ArcFace's five points for 112x112 (insightface, arcface_dst): eyes, nose tip, corners of the mouth; pixel centers at integers. */
export const TEMPLATE: readonly (readonly [number, number])[] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

/** ArcFace's crops show the brows but little hair and often cut the chin, and so do these. */
export class Camera {
  /** Head to camera, row by row. */
  readonly turn: Float64Array;
  readonly distance: number;
  #re = 1;
  #im = 0;
  #px = 0;
  #py = 0;
  #tx = 0;
  #ty = 0;

  /** @param landmarks (x, y, z) of the five on the head */
  constructor(
    landmarks: Float64Array,
    shot: Pick<Shot, 'yaw' | 'pitch' | 'roll' | 'distance' | 'shiftX' | 'shiftY' | 'zoom'>,
    private readonly size: number,
  ) {
    const cy = cosine(shot.yaw);
    const sy = sine(shot.yaw);
    const cp = cosine(shot.pitch);
    const sp = sine(shot.pitch);
    // y points down, so a positive pitch (looking down) moves the nose down.
    this.turn = Float64Array.of(cy, 0, sy, -sy * sp, cp, sp * cy, -sy * cp, -sp, cp * cy);
    this.distance = shot.distance;

    // Template ~ w (p - mean) as complex numbers: w = sum conj(p) t / sum |p|^2.
    const points = new Float64Array(10);
    for (let k = 0; k < 5; k++) {
      const p = this.project(landmarks[3 * k]!, landmarks[3 * k + 1]!, landmarks[3 * k + 2]!);
      points[2 * k] = p[0];
      points[2 * k + 1] = p[1];
      this.#px += p[0] / 5;
      this.#py += p[1] / 5;
      this.#tx += TEMPLATE[k]![0] / 5;
      this.#ty += TEMPLATE[k]![1] / 5;
    }
    let re = 0;
    let im = 0;
    let norm = 0;
    for (let k = 0; k < 5; k++) {
      const x = points[2 * k]! - this.#px;
      const y = points[2 * k + 1]! - this.#py;
      const u = TEMPLATE[k]![0] - this.#tx;
      const v = TEMPLATE[k]![1] - this.#ty;
      re += x * u + y * v;
      im += x * v - y * u;
      norm += x * x + y * y;
    }
    re /= norm;
    im /= norm;
    const c = cosine(shot.roll) * shot.zoom;
    const s = sine(shot.roll) * shot.zoom;
    this.#re = re * c - im * s;
    this.#im = re * s + im * c;
    this.#tx += shot.shiftX;
    this.#ty += shot.shiftY;
  }

  /** Head point to the picture plane before alignment, and its depth. */
  project(x: number, y: number, z: number): [number, number, number] {
    const m = this.turn;
    const cx = m[0]! * x + m[1]! * y + m[2]! * z;
    const cy = m[3]! * x + m[4]! * y + m[5]! * z;
    const cz = m[6]! * x + m[7]! * y + m[8]! * z;
    const near = this.distance / (this.distance - cz);
    return [cx * near, cy * near, cz];
  }

  /** Head point to pixels of a picture of `samples` by `samples` (edges at 0 and `samples`), and depth. */
  toPicture(x: number, y: number, z: number, samples = this.size): [number, number, number] {
    const [px, py, depth] = this.project(x, y, z);
    const dx = px - this.#px;
    const dy = py - this.#py;
    const k = samples / 112;
    return [
      (this.#re * dx - this.#im * dy + this.#tx + 0.5) * k,
      (this.#im * dx + this.#re * dy + this.#ty + 0.5) * k,
      depth,
    ];
  }

  /** Samples a head unit spans in a picture of `samples` by `samples`. */
  unit(samples: number): number {
    return (Math.sqrt(this.#re * this.#re + this.#im * this.#im) * samples) / 112;
  }

  /** All vertices at once: places to sample coordinates, normals to camera axes. */
  transform(
    place: Float32Array,
    normal: Float32Array,
    screen: Float32Array,
    from: number,
    to: number,
    samples: number,
  ): void {
    const m = this.turn;
    const [m0, m1, m2, m3, m4, m5, m6, m7, m8] = [
      m[0]!,
      m[1]!,
      m[2]!,
      m[3]!,
      m[4]!,
      m[5]!,
      m[6]!,
      m[7]!,
      m[8]!,
    ];
    const k = samples / 112;
    const re = this.#re * k;
    const im = this.#im * k;
    const tx = (this.#tx + 0.5) * k;
    const ty = (this.#ty + 0.5) * k;
    const px = this.#px;
    const py = this.#py;
    const d = this.distance;
    for (let v = 3 * from; v < 3 * to; v += 3) {
      const x = place[v]!;
      const y = place[v + 1]!;
      const z = place[v + 2]!;
      const depth = m6 * x + m7 * y + m8 * z;
      const near = d / (d - depth);
      const dx = (m0 * x + m1 * y + m2 * z) * near - px;
      const dy = (m3 * x + m4 * y + m5 * z) * near - py;
      screen[v] = re * dx - im * dy + tx;
      screen[v + 1] = im * dx + re * dy + ty;
      screen[v + 2] = depth;
      const nx = normal[v]!;
      const ny = normal[v + 1]!;
      const nz = normal[v + 2]!;
      normal[v] = m0 * nx + m1 * ny + m2 * nz;
      normal[v + 1] = m3 * nx + m4 * ny + m5 * nz;
      normal[v + 2] = m6 * nx + m7 * ny + m8 * nz;
    }
  }
}
