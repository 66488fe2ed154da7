/** The brows: bands that arch and taper to the outside, with hairs. */
import { clamp, noise2, ramp, sq } from '../curves.js';
import type { Head } from '../head.js';
import type { Colour, Shot } from '../shot.js';
import type { Coat } from './coat.js';

export class BrowPaint {
  readonly #colour: Colour;
  readonly #dense: number;
  readonly #inner: number;
  readonly #span: number;
  readonly #arch: number;
  readonly #y: number;
  readonly #skew: number;
  readonly #tilt: number;
  readonly #frown: number;
  readonly #lifted: number;
  readonly #sad: number;
  readonly #thick: number;
  readonly #soft: number;

  /** @param gray how gray the hair is, 0..1 */
  constructor(head: Head, shot: Shot, soft: number, gray: number) {
    const p = head.person;
    const b = 0.62 - 0.16 * ramp(0.2, 0.7, p.hair[0]);
    const silver = (k: 0 | 1 | 2): number => p.hair[k] + (0.6 - p.hair[k]) * (gray * 0.6);
    this.#colour = [silver(0) * b + 0.02, silver(1) * b * 0.97 + 0.015, silver(2) * b * 0.94 + 0.015];
    this.#dense = p.browDense;
    this.#inner = p.browInner;
    this.#span = p.browOuter - p.browInner;
    this.#arch = p.browArch;
    this.#y = p.browY - 0.045 * shot.browRaise + 0.03 * shot.frown + 0.008 * head.aging;
    this.#skew = p.browSkew * 0.7;
    this.#tilt = p.browTilt * 0.22;
    this.#frown = shot.frown * 0.06;
    this.#lifted = 0.02 * shot.browRaise;
    this.#thick = p.browThick;
    this.#sad = ramp(0, 1, -shot.smile);
    this.#soft = soft;
  }

  paint(coat: Coat): void {
    const { x, y } = coat;
    const bx = (coat.ax - this.#inner) / this.#span;
    if (bx <= -0.1 || bx >= 1.06) return;
    const b = clamp(bx, 0, 1);
    const arch = this.#arch * (1 - sq((b - 0.6) / 0.6));
    const centre =
      this.#y +
      coat.side * this.#skew -
      arch -
      this.#tilt * (b - 0.5) +
      0.035 * sq(b) +
      this.#frown * (1 - b) * (1 - b) -
      this.#lifted * (1 - b) * this.#sad;
    const half = this.#thick * (1 - 0.62 * b * b) * (0.72 + 0.28 * ramp(0, 0.25, b)) + this.#soft * 0.3;
    const q = Math.abs(y - centre) / half;
    const blur = this.#soft / half / 2;
    // Hairs reach out by a quarter of the half width at most.
    if (q > 1.46 + blur) return;
    const ragged = (noise2(x * 55 - y * 22, y * 16) - 0.5) * 0.5;
    const ends = ramp(-0.1, 0.12, bx) * (1 - ramp(0.86, 1.06, bx));
    const cover = (1 - ramp(0.62 - blur, 1.2 + blur, q + ragged)) * ends;
    const colour = this.#colour;
    coat.over(colour[0], colour[1], colour[2], cover * this.#dense * 0.92);
  }
}
