/** Hair roots on the scalp, and the soft shade where the hair begins. */
import { clamp, noise2, ramp } from '../curves.js';
import { type Hair, wayRound } from '../hair.js';
import type { Head } from '../head.js';
import type { Colour } from '../shot.js';
import type { Coat } from './coat.js';

export class RootPaint {
  readonly #colour: Colour;
  readonly #texture: number;
  readonly #strength: number;
  readonly #fade: number;

  /** @param colour the hair's at this age */
  constructor(
    private readonly head: Head,
    private readonly hair: Hair,
    colour: Colour,
  ) {
    const p = head.person;
    this.#colour = [colour[0] * 0.85, colour[1] * 0.85, colour[2] * 0.85];
    this.#texture = p.texture;
    this.#strength = hair.style === 'bald' ? 0.35 : hair.style === 'buzz' ? 0.62 + 0.3 * p.hairLength : 0.9;
    this.#fade = hair.style === 'bald' ? 0.25 : 0.06;
  }

  paint(coat: Coat): void {
    const { x, y, z, ax } = coat;
    if (y > 0.75 || (y > -0.15 && ax < 0.5)) return;
    const { head } = this;
    const sin = clamp(x / head.width(y), -1, 1);
    const cos = (z > head.middle(y) ? 1 : -1) * Math.sqrt(1 - sin * sin);
    const below = Math.min(this.hair.edge(wayRound(sin, cos)), 0.72) - y;
    // The edge is ragged by no more than 0.025.
    if (below < -0.06) return;
    const ragged = noise2(x * 26 + this.#texture, y * 12) - 0.5;
    const cover = ramp(-0.03, this.#fade, below + ragged * 0.05) * this.#strength;
    if (cover === 0) return;
    const grain = 0.85 + 0.3 * noise2(x * 60, y * 60);
    const colour = this.#colour;
    coat.over(colour[0] * grain, colour[1] * grain, colour[2] * grain, cover);
    coat.gloss *= 1 - 0.85 * cover;
  }
}
