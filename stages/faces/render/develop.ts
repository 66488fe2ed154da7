/** From linear light to the bytes of a photograph: exposure, white balance, contrast, blur, noise. */
import { clamp, fromLinear } from './curves.js';
import type { Shot } from './shot.js';

/** sRGB of light 0..2, highlights rolled off. */
const TONE = Float32Array.from({ length: 4097 }, (_, i) => {
  const x = i / 2048;
  return fromLinear(x < 0.7 ? x : 0.7 + 0.3 * ((x - 0.7) / (x - 0.7 + 0.3)));
});

/** @param light linear RGB [size, size, 3]; changed in place */
export function develop(
  light: Float32Array,
  size: number,
  shot: Shot,
  out: Uint8Array,
  offset: number,
): void {
  const sigma = (shot.blur * size) / 112;
  // Below a quarter of a pixel the bell does not reach the neighbours.
  if (sigma > 0.25) blur(light, size, sigma);
  const gainG = 1.02 * shot.exposure;
  const gainR = gainG * (1 + shot.warmth);
  const gainB = gainG * (1 - shot.warmth);
  const grain = new Grain(shot.noiseSeed);
  const luma = shot.noise * 2.45 * 0.8;
  const chroma = shot.noise * 2.45 * 0.5;
  const { contrast, saturation } = shot;
  for (let i = 0; i < size * size * 3; i += 3) {
    let r = TONE[Math.min(4096, (light[i]! * gainR * 2048) | 0)]!;
    let g = TONE[Math.min(4096, (light[i + 1]! * gainG * 2048) | 0)]!;
    let b = TONE[Math.min(4096, (light[i + 2]! * gainB * 2048) | 0)]!;
    const gray = 0.3 * r + 0.59 * g + 0.11 * b;
    const all = luma > 0 ? luma * grain.draw() : 0;
    const red = chroma > 0 ? chroma * grain.draw() : 0;
    const blue = chroma > 0 ? chroma * grain.draw() : 0;
    r = 0.46 + (gray + (r - gray) * saturation - 0.46) * contrast + all + red;
    g = 0.46 + (gray + (g - gray) * saturation - 0.46) * contrast + all - 0.5 * (red + blue);
    b = 0.46 + (gray + (b - gray) * saturation - 0.46) * contrast + all + blue;
    out[offset + i] = clamp(r * 255 + 0.5, 0, 255) | 0;
    out[offset + i + 1] = clamp(g * 255 + 0.5, 0, 255) | 0;
    out[offset + i + 2] = clamp(b * 255 + 0.5, 0, 255) | 0;
  }
}

/** Random numbers for a sensor's noise: quick ones, of a stream that depends on the seed alone. */
class Grain {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** A triangular number in -1..1, its variance 1/6. */
  draw(): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s;
    return ((s & 0xffff) + (s >>> 16)) / 65536 - 1 + 1 / 65536;
  }
}

/** A separable bell of this standard deviation, pixels; edges repeat. */
function blur(light: Float32Array, size: number, sigma: number): void {
  const radius = Math.max(1, Math.ceil(sigma * 2.5));
  const kernel: number[] = [];
  let sum = 0;
  for (let k = -radius; k <= radius; k++) {
    // (1 - x^2/(2 s^2 n))^n tends to the bell; n = 8 is near enough.
    const base = Math.max(0, 1 - (k * k) / (16 * sigma * sigma));
    const b2 = base * base;
    const weight = b2 * b2 * b2 * b2;
    kernel.push(weight);
    sum += weight;
  }
  // One row or column with its ends repeated, so that the inner loop asks nothing.
  const line = new Float32Array((size + 2 * radius) * 3);
  const taps = Float64Array.from(kernel, (weight) => weight / sum);
  for (let pass = 0; pass < 2; pass++) {
    const step = pass === 0 ? 3 : size * 3;
    const stride = pass === 0 ? size * 3 : 3;
    for (let row = 0; row < size; row++) {
      const start = row * stride;
      for (let x = -radius; x < size + radius; x++) {
        const at = start + (x < 0 ? 0 : x >= size ? size - 1 : x) * step;
        const to = 3 * (x + radius);
        line[to] = light[at]!;
        line[to + 1] = light[at + 1]!;
        line[to + 2] = light[at + 2]!;
      }
      for (let x = 0; x < size; x++) {
        let r = 0;
        let g = 0;
        let b = 0;
        for (let k = 0; k < taps.length; k++) {
          const from = 3 * (x + k);
          const weight = taps[k]!;
          r += weight * line[from]!;
          g += weight * line[from + 1]!;
          b += weight * line[from + 2]!;
        }
        const at = start + x * step;
        light[at] = r;
        light[at + 1] = g;
        light[at + 2] = b;
      }
    }
  }
}
