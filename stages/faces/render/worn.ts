/** What lies between face and camera: glasses on a plane before the eyes, fingers, a thing held up. */
import { clamp, cosine, mix, ramp, sine, sq } from './curves.js';
import type { Camera } from './camera.js';
import type { Head } from './head.js';
import type { Shot } from './shot.js';

/** From a corner of the frame to the ear: samples and depths. */
interface Arm {
  x0: number;
  y0: number;
  z0: number;
  x1: number;
  y1: number;
  z1: number;
}

/** Glasses, drawn where the line of sight meets the plane of their lenses. */
export class Glasses {
  /** Result of `at`: colour and cover. */
  r = 0;
  g = 0;
  b = 0;
  cover = 0;
  readonly #dark: boolean;
  readonly #eyeX: number;
  readonly #w: number;
  readonly #h: number;
  readonly #square: number;
  readonly #thick: number;
  readonly #frame: readonly [number, number, number];
  readonly #inverse: readonly [number, number, number, number];
  readonly #origin: readonly [number, number, number];
  readonly #depthX: number;
  readonly #depthY: number;
  readonly #arms: Arm[] = [];
  readonly #unit: number;

  constructor(head: Head, camera: Camera, shot: Shot, samples: number) {
    const p = head.person;
    this.#dark = shot.glasses === 'dark';
    this.#eyeX = p.eyeX * 1.03;
    const f = p.frames;
    this.#w = Math.min(f.size * (this.#dark ? 1.12 : 1), this.#eyeX - 0.055);
    this.#h = this.#w * mix(0.95, 0.68, f.square) * (this.#dark ? 1.05 : 1);
    this.#square = f.square;
    this.#thick = this.#dark ? Math.max(0.014, f.thick) : f.thick;
    const t = f.tint;
    this.#frame =
      t < 0.5
        ? [0.06, 0.055, 0.06]
        : t < 0.7
          ? [0.3, 0.17, 0.09]
          : t < 0.85
            ? [0.33, 0.23, 0.15]
            : [0.35, 0.09, 0.12];
    const z = Math.max(head.surface(p.eyeX, 0) + 0.12, head.surface(0, 0.02) + 0.01);
    const o = camera.toPicture(0, 0.02, z, samples);
    const ox = camera.toPicture(0.5, 0.02, z, samples);
    const oy = camera.toPicture(0, 0.52, z, samples);
    const a = (ox[0] - o[0]) * 2;
    const c = (ox[1] - o[1]) * 2;
    const b = (oy[0] - o[0]) * 2;
    const d = (oy[1] - o[1]) * 2;
    const det = a * d - b * c;
    const k = Math.abs(det) < 1e-3 ? 0 : 1 / det;
    this.#inverse = [d * k, -b * k, -c * k, a * k];
    this.#origin = o;
    this.#depthX = (ox[2] - o[2]) * 2;
    this.#depthY = (oy[2] - o[2]) * 2;
    this.#unit = camera.unit(samples);
    for (const side of [-1, 1]) {
      const q = camera.toPicture(side * (this.#eyeX + this.#w), -0.03, z - 0.02, samples);
      const e = camera.toPicture(side * (head.width(0) + 0.03), -0.04, -0.1, samples);
      this.#arms.push({ x0: q[0], y0: q[1], z0: q[2], x1: e[0], y1: e[1], z1: e[2] });
    }
  }

  /** @param depth of what is behind, at (hx, hy), half samples */
  at(hx: number, hy: number, depth: number): void {
    this.cover = 0;
    const inverse = this.#inverse;
    if (inverse[0] === 0) return;
    const sx = hx * 0.5;
    const sy = hy * 0.5;
    const px = sx - this.#origin[0];
    const py = sy - this.#origin[1];
    const x = inverse[0] * px + inverse[1] * py;
    const y = inverse[2] * px + inverse[3] * py;
    if (y > -0.4 && y < 0.4 && x > -0.75 && x < 0.75) {
      const z = this.#origin[2] + this.#depthX * x + this.#depthY * y;
      if (z > depth - 0.02) this.#front(x, y);
    }
    for (const arm of this.#arms) this.#side(arm, sx, sy, depth);
  }

  /** The two glasses, their rims and the bridge, at (x, y) of their plane. */
  #front(x: number, y: number): void {
    const soft = 0.75 / this.#unit;
    const ax = x < 0 ? -x : x;
    const dx = (ax - this.#eyeX) / this.#w;
    const dy = y / this.#h;
    const round = Math.sqrt(dx * dx + dy * dy);
    const square = Math.sqrt(Math.sqrt(dx * dx * dx * dx + dy * dy * dy * dy));
    const q = mix(round, square, 0.25 + 0.75 * this.#square);
    const off = (q - 1) * this.#h;
    const frame = 1 - ramp(this.#thick, this.#thick + soft, off < 0 ? -off : off);
    const reach = this.#eyeX - this.#w * 0.9;
    const bridge =
      ax < reach ? 1 - ramp(this.#thick, this.#thick + soft, Math.abs(y + 0.07 - 0.5 * ax * ax)) : 0;
    const rim = Math.max(frame, bridge);
    if (q < 1) {
      const sheen = 0.06 + 0.12 * ramp(0.3, -0.8, dx * 0.6 + dy);
      if (this.#dark) this.#put(0.06 + sheen, 0.06 + sheen, 0.07 + sheen * 1.1, 0.93);
      else this.#put(0.85, 0.9, 0.95, 0.03 + 0.5 * sheen * ramp(0.08, 0, Math.abs(dx - dy * 0.6 + 0.35)));
    }
    if (rim > 0) this.#putFrame(rim * 0.96);
  }

  #side(arm: Arm, sx: number, sy: number, depth: number): void {
    const ex = arm.x1 - arm.x0;
    const ey = arm.y1 - arm.y0;
    const length = ex * ex + ey * ey;
    if (length < 1) return;
    const t = ((sx - arm.x0) * ex + (sy - arm.y0) * ey) / length;
    if (t < 0 || t > 1) return;
    const gap = Math.sqrt(sq(sx - arm.x0 - t * ex) + sq(sy - arm.y0 - t * ey));
    const half = (this.#thick + 0.006) * this.#unit;
    if (gap > half + 1) return;
    if (mix(arm.z0, arm.z1, t) < depth - 0.05) return;
    this.#putFrame(1 - ramp(half - 0.3, half + 1, gap));
  }

  #putFrame(alpha: number): void {
    const frame = this.#frame;
    this.#put(frame[0], frame[1], frame[2], alpha);
  }

  #put(r: number, g: number, b: number, alpha: number): void {
    const cover = alpha + this.cover * (1 - alpha);
    if (cover <= 0) return;
    const k = alpha / cover;
    this.r += (r - this.r) * k;
    this.g += (g - this.g) * k;
    this.b += (b - this.b) * k;
    this.cover = cover;
  }
}

/** Fingers or a thing before the face, in the picture's own plane. */
export class InTheWay {
  r = 0;
  g = 0;
  b = 0;
  cover = 0;

  /** @param side of the picture, half samples */
  constructor(
    private readonly shot: Shot,
    private readonly skin: readonly [number, number, number],
    private readonly side: number,
  ) {}

  /** At (hx, hy) of the picture, half samples. Lit crudely, from the light's side. */
  at(hx: number, hy: number): void {
    this.cover = 0;
    const u = hx / this.side;
    const v = hy / this.side;
    const soft = 0.7 / (0.5 * this.side);
    const o = this.shot.occluder;
    const { light } = this.shot;
    if (o.kind === 'thing') {
      const dx = (u - o.x) / o.radius;
      const dy = (v - o.y) / (o.radius * 1.3);
      const q = Math.sqrt(dx * dx * dx * dx + dy * dy * dy * dy);
      const cover = 1 - ramp(1 - (2 * soft) / o.radius, 1 + (2 * soft) / o.radius, q);
      if (cover <= 0) return;
      const lit = 0.62 + 0.3 * clamp(dx * light[0] + dy * light[1] * 0.5, -1, 1);
      this.#set(o.colour[0] * lit, o.colour[1] * lit, o.colour[2] * lit, cover);
    } else if (o.kind === 'hand') {
      const inward = o.x < 0.5 ? 1 : -1;
      const cx = inward * cosine(o.angle);
      const cy = -0.35 - sine(o.angle) * 0.6;
      const norm = Math.sqrt(cx * cx + cy * cy);
      const dx = cx / norm;
      const dy = cy / norm;
      const px = u - o.x;
      const py = v - o.y;
      const along = px * dx + py * dy;
      const across = -px * dy + py * dx;
      for (let f = 0; f < 4; f++) {
        const radius = 0.05 - 0.003 * f * f * 0.5;
        const center = (f - 1.5) * 0.094 * inward;
        const tip = 0.27 - 0.025 * (f - 1.3) ** 2;
        const t = clamp(along, -0.9, tip);
        const d = Math.sqrt((along - t) ** 2 + (across - center) ** 2);
        const cover = 1 - ramp(radius - soft, radius + soft, d);
        if (cover <= 0) continue;
        const side = (across - center) / radius;
        const lit = 0.8 - 0.28 * side * side + 0.18 * side * (-dy * light[0] + dx * light[1]);
        const nail = ramp(0.03, 0.02, Math.abs(tip + 0.005 - along)) * ramp(0.7, 0.5, Math.abs(side));
        const s = this.skin;
        this.#set(
          s[0] * lit * (1 + 0.04 * nail),
          s[1] * lit * (0.93 + 0.07 * nail),
          s[2] * lit * (0.9 + 0.1 * nail),
          cover,
        );
      }
    }
  }

  #set(r: number, g: number, b: number, alpha: number): void {
    const cover = alpha + this.cover * (1 - alpha);
    const k = alpha / cover;
    this.r += (r - this.r) * k;
    this.g += (g - this.g) * k;
    this.b += (b - this.b) * k;
    this.cover = cover;
  }
}
