/**
 * Smooth steps, bumps, sines and colour curves made of + - * / and sqrt only: every machine and every version of Node
 * rounds these alike, so a face has the same pixels everywhere (Math.exp, Math.sin and Math.pow would not promise that).
 */

/** 0 below a, 1 above b, smooth between. */
export function ramp(a: number, b: number, x: number): number {
  const t = (x - a) / (b - a);
  return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}

/** A hill of height 1 over the ellipse q = (dx/sx)^2 + (dy/sy)^2 < 1, flat at its edge. */
export function hill(q: number): number {
  return q < 1 ? (1 - q) * (1 - q) : 0;
}

export function sq(x: number): number {
  return x * x;
}

export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}

export function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

/** Sine of any modest angle (radians), to about 1e-9. */
export function sine(x: number): number {
  const turns = Math.round(x / (2 * Math.PI));
  let r = x - turns * 2 * Math.PI;
  if (r > Math.PI / 2) r = Math.PI - r;
  else if (r < -Math.PI / 2) r = -Math.PI - r;
  const q = r * r;
  return (
    r * (1 - (q / 6) * (1 - (q / 20) * (1 - (q / 42) * (1 - (q / 72) * (1 - (q / 110) * (1 - q / 156))))))
  );
}

export function cosine(x: number): number {
  return sine(x + Math.PI / 2);
}

/** sRGB 0..1 to linear light (a cubic within 0.2 % of the standard's curve). */
export function toLinear(c: number): number {
  return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878);
}

/** Linear light 0..1 to sRGB 0..1, by square roots. */
export function fromLinear(c: number): number {
  const a = Math.sqrt(c);
  const b = Math.sqrt(a);
  return 0.585122381 * a + 0.783140355 * b - 0.368262736 * Math.sqrt(b);
}

/** A hash of two integers to [0, 1). */
export function hash2(x: number, y: number): number {
  let h = Math.imul(x | 0, 0x27d4eb2d) ^ Math.imul(y | 0, 0x165667b1);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return ((h ^ (h >>> 15)) >>> 8) * (1 / 16777216);
}

/** A lattice of 256 x 256 numbers in 0..1, for `noise2`; its first row and column come again at its end, so that neighbours lie side by side. */
const LATTICE = Float32Array.from({ length: 257 * 257 }, (_, i) =>
  hash2((i % 257) & 255, Math.floor(i / 257) & 255),
);

/** Smooth noise in 0..1 with one cell per unit; repeats after 256. Short, as V8 puts only short functions into their callers. */
export function noise2(x: number, y: number): number {
  const lattice = LATTICE;
  const xi = Math.floor(x);
  const yi = Math.floor(y);
  const u = x - xi;
  const v = y - yi;
  const fx = u * u * (3 - 2 * u);
  const at = (yi & 255) * 257 + (xi & 255);
  const a = lattice[at]!;
  const c = lattice[at + 257]!;
  const top = a + (lattice[at + 1]! - a) * fx;
  return top + (c + (lattice[at + 258]! - c) * fx - top) * v * v * (3 - 2 * v);
}

/** A smooth curve (cubic Hermite, Catmull-Rom slopes) through anchors with rising x; constant outside. */
export function curveThrough(xs: readonly number[], ys: readonly number[], x: number): number {
  const n = xs.length;
  if (x <= xs[0]!) return ys[0]!;
  if (x >= xs[n - 1]!) return ys[n - 1]!;
  let k = 0;
  while (x > xs[k + 1]!) k++;
  const x0 = xs[k]!;
  const h = xs[k + 1]! - x0;
  const before = Math.max(0, k - 1);
  const after = Math.min(n - 1, k + 2);
  const t = (x - x0) / h;
  const m0 = ((ys[k + 1]! - ys[before]!) / (xs[k + 1]! - xs[before]!)) * h;
  const m1 = ((ys[after]! - ys[k]!) / (xs[after]! - xs[k]!)) * h;
  const t2 = t * t;
  const t3 = t2 * t;
  return (
    (2 * t3 - 3 * t2 + 1) * ys[k]! + (t3 - 2 * t2 + t) * m0 + (3 * t2 - 2 * t3) * ys[k + 1]! + (t3 - t2) * m1
  );
}
