/** What is behind the person: soft gradients, bands as of walls and doors, discs as of lights out of focus. */
import { cosine, hash2, mix, noise2, ramp, sine, sq } from './curves.js';
import type { Shot } from './shot.js';

export class Backdrop {
  r = 0;
  g = 0;
  b = 0;
  readonly #c: number;
  readonly #s: number;
  readonly #bands: number;
  readonly #shift: number;
  readonly #blobs: { x: number; y: number; radius: number; reach: number; light: number }[] = [];

  /** @param side of the picture, in the units of `at` */
  constructor(
    private readonly settings: Shot['background'],
    private readonly side: number,
  ) {
    this.#bands = 2 + 4 * hash2(settings.seed, 1);
    this.#shift = hash2(settings.seed, 2);
    this.#c = cosine(settings.angle);
    this.#s = sine(settings.angle);
    for (let k = 0; k < settings.blobs; k++) {
      const radius = 0.06 + 0.2 * hash2(settings.seed, 30 + k);
      this.#blobs.push({
        x: hash2(settings.seed, 10 + k),
        y: hash2(settings.seed, 20 + k),
        radius,
        reach: sq(radius * 1.16),
        light: 0.45 * (hash2(settings.seed, 40 + k) - 0.4),
      });
    }
  }

  /** Colour at (x, y) of the picture, sRGB. */
  at(x: number, y: number): void {
    const { a, b, kind, seed } = this.settings;
    const u = x / this.side;
    const v = y / this.side;
    let t = ramp(-0.75, 0.75, (u - 0.5) * this.#c + (v - 0.5) * this.#s);
    if (kind > 0.65) {
      const band = u * this.#bands + this.#shift + 0.1 * v;
      const k = Math.floor(band);
      const f = ramp(0.35, 0.65, band - k);
      t = 0.4 * t + 0.6 * mix(hash2(k, seed), hash2(k + 1, seed), f);
    } else if (kind > 0.3) t = 0.5 * t + 0.5 * noise2(u * 3 + seed, v * 3);
    let light = 1;
    for (const blob of this.#blobs) {
      const square = sq(u - blob.x) + sq(v - blob.y);
      if (square > blob.reach) continue;
      const d = Math.sqrt(square);
      light += blob.light * (1 - ramp(blob.radius * 0.7, blob.radius * 1.15, d));
    }
    this.r = mix(a[0], b[0], t) * light;
    this.g = mix(a[1], b[1], t) * light;
    this.b = mix(a[2], b[2], t) * light;
  }
}
