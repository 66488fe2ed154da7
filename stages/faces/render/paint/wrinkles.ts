/** The folds beside nose and mouth, and the lines and spots of age; some come and go with the expression. */
import { clamp, hash2, hill, noise2, ramp, sq } from '../curves.js';
import type { Head } from '../head.js';
import type { Shot } from '../shot.js';
import type { Coat } from './coat.js';

export class Wrinkles {
  readonly #lines: number;
  readonly #lined: boolean;
  readonly #spotted: boolean;
  readonly #soft: number;
  readonly #texture: number;
  readonly #tip: number;
  readonly #mouthY: number;
  readonly #mouthWidth: number;
  readonly #eyeX: number;
  readonly #outerCorner: number;
  // The fold from the wing of the nose to beyond the corner of the mouth
  readonly #foldFrom: number;
  readonly #foldTo: number;
  readonly #fold: number;
  readonly #forehead: number;
  readonly #frown: number;
  /** How dark the place is from all its lines. */
  #dark = 0;

  /** @param lines how deep wrinkles are, 0..1 */
  constructor(head: Head, shot: Shot, soft: number, lines: number) {
    const p = head.person;
    this.#lines = lines;
    this.#lined = lines > 0.05 || shot.browRaise > 0.3 || shot.frown > 0.3;
    this.#spotted = lines > 0.5 && p.melanin < 0.5;
    this.#soft = soft;
    this.#texture = p.texture;
    this.#tip = head.noseTip;
    this.#mouthY = head.mouthY;
    this.#mouthWidth = p.mouthWidth;
    this.#eyeX = p.eyeX;
    this.#outerCorner = p.eyeWidth;
    this.#foldFrom = p.noseWidth * 1.1 + 0.015;
    this.#foldTo = p.mouthWidth - p.noseWidth + 0.085 + 0.03 * shot.smile;
    this.#fold = 0.05 + 0.4 * lines + (0.14 + 0.2 * lines) * Math.max(0, shot.smile);
    this.#forehead = 0.34 * lines + (0.04 + 0.25 * lines) * Math.max(0, shot.browRaise);
    this.#frown = 0.3 * lines + (0.15 + 0.4 * lines) * shot.frown;
  }

  paint(coat: Coat): void {
    const { y } = coat;
    this.#dark = 0;
    if (y > this.#tip - 0.06 && y < this.#mouthY + 0.12) this.#besideTheNose(coat);
    if (this.#lined) {
      if (y < 0) this.#brow(coat);
      if (y > -0.14 && y < 0.24) this.#eye(coat);
      if (y > this.#mouthY && y < this.#mouthY + 0.28) this.#besideTheChin(coat);
    }
    if (this.#dark > 0) coat.tint(0.55, 0.42, 0.38, Math.min(0.85, this.#dark));
    if (this.#spotted) this.#spot(coat);
  }

  /** Deeper with a smile. */
  #besideTheNose(coat: Coat): void {
    const { y } = coat;
    const my = this.#mouthY;
    const tip = this.#tip;
    const t = clamp((y - tip + 0.03) / (my - tip + 0.03), 0, 1.2);
    const at = this.#foldFrom + this.#foldTo * t * (0.6 + 0.4 * t);
    const fold = hill(sq((coat.ax - at) / (0.035 + this.#soft)));
    if (fold > 0)
      this.#dark += fold * ramp(-0.06, 0.02, y - tip) * (1 - ramp(my - 0.08, my + 0.1, y)) * this.#fold;
  }

  /** Across the forehead, and upright between the brows. */
  #brow(coat: Coat): void {
    const { x, y, ax } = coat;
    if (y < -0.28 && y > -0.66 && ax < 0.5) {
      const wave = y + 0.05 * sq(x * 1.6) + 0.02 * noise2(x * 4 + this.#texture, 3);
      const fine = (wave * 11.5) % 1;
      const crease = hill(sq((fine < 0 ? fine + 0.5 : fine - 0.5) / 0.24));
      this.#dark +=
        crease *
        (1 - ramp(0.25, 0.5, ax)) *
        this.#forehead *
        ramp(-0.66, -0.58, y) *
        (1 - ramp(-0.36, -0.29, y));
    }
    if (y < 0 && y > -0.32 && ax < 0.12)
      this.#dark +=
        hill(sq((ax - 0.045) / 0.022)) * ramp(-0.32, -0.24, y) * (1 - ramp(-0.14, -0.06, y)) * this.#frown;
  }

  /** Crow's feet, and the line below the eye. */
  #eye(coat: Coat): void {
    const { y, ax } = coat;
    const ox = ax - this.#eyeX - this.#outerCorner - 0.03;
    if (ox > 0 && ox < 0.2 && y > -0.14 && y < 0.14) {
      const fan = (y / (ox + 0.12)) * 6;
      const crow = hill(sq((fan - Math.round(fan)) / 0.28));
      this.#dark += crow * hill(sq((ox - 0.09) / 0.1)) * 0.4 * this.#lines;
    }
    if (y > 0.07 && y < 0.24) {
      const dx = ax - this.#eyeX;
      const bow = 0.135 - 0.3 * dx * dx;
      this.#dark += hill(sq((y - bow) / 0.02)) * (1 - ramp(0.08, 0.2, Math.abs(dx))) * 0.42 * this.#lines;
    }
  }

  #besideTheChin(coat: Coat): void {
    const { y } = coat;
    const my = this.#mouthY;
    const at = this.#mouthWidth + 0.045 + 0.1 * (y - my);
    this.#dark +=
      hill(sq((coat.ax - at) / 0.024)) *
      ramp(my, my + 0.06, y) *
      (1 - ramp(my + 0.16, my + 0.28, y)) *
      0.4 *
      this.#lines;
  }

  #spot(coat: Coat): void {
    const x = coat.x * 9;
    const y = coat.y * 9;
    const column = Math.floor(x);
    const row = Math.floor(y);
    if (hash2(column + this.#texture, row + coat.side) <= 0.93) return;
    const spot = hill((sq(x - column - 0.5) + sq(y - row - 0.5)) * 5);
    coat.tint(0.86, 0.76, 0.66, 0.5 * (this.#lines - 0.4) * spot);
  }
}
