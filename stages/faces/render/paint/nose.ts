/** Nostrils, the crease round the wings of the nose, the shade under it. */
import { clamp, hill, sq } from '../curves.js';
import type { Head } from '../head.js';
import type { Coat } from './coat.js';

export class NosePaint {
  readonly #skew: number;
  readonly #tip: number;
  readonly #width: number;
  readonly #nostrilX: number;
  readonly #nostrilY: number;
  readonly #nostrilWide: number;
  readonly #nostrilTall: number;
  readonly #crease: number;

  constructor(head: Head, soft: number) {
    const p = head.person;
    this.#skew = p.noseSkew;
    this.#tip = head.noseTip;
    this.#width = p.noseWidth;
    this.#nostrilX = p.noseWidth * 0.43;
    this.#nostrilY = head.noseTip + 0.072 - 0.02 * p.tipUp;
    this.#nostrilWide = 0.048 + 0.022 * p.nostril + soft * 0.4;
    this.#nostrilTall = 0.024 + 0.01 * p.nostril + soft * 0.5;
    this.#crease = 0.22 + soft * 3;
  }

  paint(coat: Coat): void {
    const { y } = coat;
    const width = this.#width;
    const nx = coat.x - this.#skew;
    const nax = nx < 0 ? -nx : nx;
    const out = nax - this.#nostrilX;
    const nostril = hill(
      sq(out / this.#nostrilWide) + sq((y - this.#nostrilY - 0.12 * out) / this.#nostrilTall),
    );
    if (nostril > 0) coat.tint(0.3, 0.2, 0.19, clamp(nostril * 1.2, 0, 1) * 0.8);
    if (nax > width * 0.6) {
      const wing = Math.sqrt(sq((nax - width * 0.62) / (width * 0.42)) + sq((y - this.#tip - 0.02) / 0.085));
      const crease = hill(sq((wing - 1.04) / this.#crease));
      if (crease > 0) coat.tint(0.68, 0.55, 0.52, crease * 0.32);
    }
    const under = hill(sq(nx / (width * 1.1)) + sq((y - this.#nostrilY - 0.04) / 0.075));
    if (under > 0) coat.open *= 1 - 0.25 * under;
  }
}
