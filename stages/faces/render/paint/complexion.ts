/** Bare skin: rosy cheeks and nose, blotches, freckles, moles. */
import { clamp, hill, noise2, ramp, sq } from '../curves.js';
import type { Head } from '../head.js';
import type { Coat } from './coat.js';

interface Mole {
  x: number;
  y: number;
  /** Its radius, squared. */
  square: number;
  dark: number;
}

export class Complexion {
  readonly #r: number;
  readonly #g: number;
  readonly #b: number;
  readonly #gloss: number;
  readonly #texture: number;
  readonly #blotchy: number;
  readonly #rosy: number;
  readonly #tip: number;
  readonly #freckles: number;
  readonly #moles: readonly Mole[];

  constructor(head: Head, soft: number) {
    const p = head.person;
    [this.#r, this.#g, this.#b] = p.skin;
    this.#gloss = 0.35 + 0.35 * p.shine;
    this.#texture = p.texture;
    this.#blotchy = 1 + head.aging;
    this.#rosy = ((0.25 + 0.75 * p.rosiness) * (1 - 0.5 * p.melanin) + 0.35 * p.makeup) * 0.75;
    this.#tip = head.noseTip;
    this.#freckles = p.freckles * 0.6;
    this.#moles = p.moles.map(({ x, y, size, dark }) => ({ x, y, square: sq(size + soft * 0.6), dark }));
  }

  /** Skin without features, for ears, neck and hands. */
  plain(coat: Coat, red: number): void {
    coat.r = this.#r * (1 - 0.02 * red);
    coat.g = this.#g * (1 - 0.1 * red);
    coat.b = this.#b * (1 - 0.1 * red);
    coat.gloss = 0.25;
    coat.open = 1;
    coat.glint = 0;
  }

  /** The head's skin, blotchy all over. */
  skin(coat: Coat): void {
    const { x, y } = coat;
    const t = this.#texture;
    const blotch = noise2(x * 7 + t, y * 7) + 0.6 * noise2(x * 19 + t, y * 19 + 7) - 0.8;
    const light = 1 + 0.035 * blotch * this.#blotchy;
    coat.r = this.#r * light;
    coat.g = this.#g * (light * (1 - 0.01 * blotch));
    coat.b = this.#b * light;
    coat.gloss = this.#gloss;
    coat.open = 1;
    coat.glint = 0;
  }

  /** What only the face has. */
  face(coat: Coat): void {
    const { x, y, ax } = coat;
    const blush =
      hill(sq((ax - 0.4) / 0.3) + sq((y - 0.32) / 0.27)) +
      0.8 * hill(sq(x / 0.22) + sq((y - this.#tip) / 0.17));
    if (blush > 0) coat.tint(1.0, 0.87, 0.84, this.#rosy * clamp(blush, 0, 1));
    if (this.#freckles > 0 && y > -0.2 && y < 0.6) this.#freckle(coat);
    for (const mole of this.#moles) {
      const q = (sq(x - mole.x) + sq(y - mole.y)) / mole.square;
      if (q < 1.6) coat.tint(0.42, 0.32, 0.3, mole.dark * (1 - ramp(0.5, 1.6, q)));
    }
  }

  #freckle(coat: Coat): void {
    const { x, y } = coat;
    const spread = hill(sq(x / 0.75) + sq((y - 0.22) / 0.5));
    if (spread === 0) return;
    const spot = noise2(x * 42 + this.#texture, y * 42);
    coat.tint(0.8, 0.68, 0.58, this.#freckles * ramp(0.62, 0.8, spot) * spread);
  }
}
