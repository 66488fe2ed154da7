/** What is behind the person: soft gradients, bands as of walls and doors, discs as of lights out of focus. */
import { cosine, hash2, mix, noise2, ramp, sine } from './curves.js';
import type { Shot } from './shot.js';

export class Backdrop {
  r = 0;
  g = 0;
  b = 0;
  readonly #c: number;
  readonly #s: number;
  readonly #blobs: { x: number; y: number; radius: number; light: number }[] = [];

  constructor(private readonly settings: Shot['background']) {
    this.#c = cosine(settings.angle);
    this.#s = sine(settings.angle);
    for (let k = 0; k < settings.blobs; k++)
      this.#blobs.push({
        x: hash2(settings.seed, 10 + k),
        y: hash2(settings.seed, 20 + k),
        radius: 0.06 + 0.2 * hash2(settings.seed, 30 + k),
        light: 0.45 * (hash2(settings.seed, 40 + k) - 0.4),
      });
  }

  /** Colour at (u, v) of the picture, 0..1, sRGB. */
  at(u: number, v: number): void {
    const { a, b, kind, seed } = this.settings;
    let t = ramp(-0.75, 0.75, (u - 0.5) * this.#c + (v - 0.5) * this.#s);
    if (kind > 0.65) {
      const band = u * (2 + 4 * hash2(seed, 1)) + hash2(seed, 2) + 0.1 * v;
      const k = Math.floor(band);
      const f = ramp(0.35, 0.65, band - k);
      t = 0.4 * t + 0.6 * mix(hash2(k, seed), hash2(k + 1, seed), f);
    } else if (kind > 0.3) t = 0.5 * t + 0.5 * noise2(u * 3 + seed, v * 3);
    let light = 1;
    for (const blob of this.#blobs) {
      const d = Math.sqrt((u - blob.x) ** 2 + (v - blob.y) ** 2);
      light += blob.light * (1 - ramp(blob.radius * 0.7, blob.radius * 1.15, d));
    }
    this.r = mix(a[0], b[0], t) * light;
    this.g = mix(a[1], b[1], t) * light;
    this.b = mix(a[2], b[2], t) * light;
  }
}
