/** The lips, the line between them, and the open mouth with its teeth and tongue. */
import { hill, mix, noise2, ramp, sq } from '../curves.js';
import type { Expression, Head } from '../head.js';
import type { Colour, Shot } from '../shot.js';
import type { Coat } from './coat.js';

export class MouthPaint {
  readonly #y: number;
  readonly #width: number;
  readonly #curve: number;
  readonly #cupid: number;
  readonly #upper: number;
  readonly #lower: number;
  readonly #gap: number;
  readonly #lip: Colour;
  readonly #lipCover: number;
  readonly #lipGloss: number;
  readonly #teeth: number;
  readonly #teethShown: number;
  readonly #tongueShown: number;
  readonly #soft: number;
  readonly #edge: number;
  /** The place seen from the mouth: 0 in the middle, 1 at the corners; the arch there, the line where lips meet, how far they part. */
  #s = 0;
  #arch = 0;
  #line = 0;
  #part = 0;

  /** @param gap how far the lips part in the middle */
  constructor(head: Head, expression: Expression, shot: Shot, soft: number, gap: number) {
    const p = head.person;
    this.#y = head.mouthY;
    this.#width = expression.mouthWidth;
    this.#curve = p.mouthCurve * 0.3;
    this.#cupid = p.cupid;
    this.#gap = gap;
    const pout = 1 + 0.25 * shot.pout - 0.22 * Math.max(0, shot.smile);
    const age = 1 - 0.3 * head.aging;
    this.#upper = p.upperLip * pout * age;
    this.#lower = p.lowerLip * pout * age;
    // Redder and darker than the skin, browner on dark skin; lipstick goes further.
    const [r, g, b] = p.skin;
    const m = p.makeup * (0.5 + 0.5 * p.lipTint);
    const fade = 1 - 0.35 * head.aging;
    this.#lip = [
      mix(r * (0.88 - 0.06 * p.melanin), 0.68 + 0.1 * p.lipTint - 0.25 * p.melanin, m * 0.75),
      mix(mix(g, g * 0.6, fade) + 0.02 * p.lipTint, 0.17 + 0.08 * p.lipTint, m * 0.7),
      mix(mix(b, b * 0.68, fade) + 0.02 * p.lipTint, 0.24 + 0.06 * p.lipTint, m * 0.7),
    ];
    this.#lipCover = 0.82 + 0.18 * p.makeup;
    this.#lipGloss = 0.75 + 0.4 * p.makeup;
    this.#teeth = p.teeth;
    this.#teethShown = 0.4 + 0.6 * ramp(0, 0.8, shot.smile + gap * 3);
    this.#tongueShown = ramp(0.06, 0.12, gap);
    this.#soft = soft;
    this.#edge = 0.014 + soft * 0.8;
  }

  paint(coat: Coat): void {
    const { y } = coat;
    const my = this.#y;
    const mw = this.#width;
    const s = coat.ax / mw;
    if (s >= 1.25 || y <= my - 0.16 || y >= my + 0.42) return;
    const arch = Math.max(0, 1 - s * s);
    const body = Math.sqrt(arch);
    const gap = this.#gap * (0.35 * body + 0.65 * arch);
    const line = my - this.#curve * s * s * mw + 0.012 * hill(sq(s / 0.35)) * this.#cupid;
    const top =
      line - this.#upper * (0.25 * body + 0.75 * arch) * (1 - 0.22 * this.#cupid * hill(sq(s / 0.22))) * 1.12;
    const bottom = line + gap + this.#lower * (0.5 * body + 0.5 * arch);
    this.#s = s;
    this.#arch = arch;
    this.#line = line;
    this.#part = gap;
    const edge = this.#edge;
    const lips = ramp(-edge, edge, Math.min(y - top, bottom - y));
    if (lips > 0) this.#lips(coat, lips * ramp(0, 0.16, arch + 0.04));
    if (gap > 0.012) this.#inside(coat);
    this.#slit(coat);
    const under = hill(sq(coat.x / mw / 0.7) + sq((y - bottom - 0.035) / 0.05));
    if (under > 0) coat.open *= 1 - 0.2 * under;
  }

  #lips(coat: Coat, lips: number): void {
    const { x, y } = coat;
    const lip = this.#lip;
    const sheen = y < this.#line + this.#part / 2 ? 0.86 : 1.03;
    const streak = 1 + 0.06 * (noise2(x * 60 + 5, y * 8) - 0.5);
    coat.over(
      lip[0] * sheen * streak,
      lip[1] * sheen * streak,
      lip[2] * sheen * streak,
      lips * this.#lipCover,
    );
    coat.gloss = mix(coat.gloss, this.#lipGloss, lips);
  }

  /** The open mouth: dark, with teeth and tongue. */
  #inside(coat: Coat): void {
    const { y } = coat;
    const gap = this.#part;
    const line = this.#line;
    const edge = this.#edge * 0.7;
    const hole = ramp(-edge, edge, Math.min(y - line, line + gap - y)) * ramp(0.02, 0.16, this.#arch);
    if (hole <= 0) return;
    const depth = (y - line) / gap;
    coat.over(0.2, 0.07, 0.07, hole);
    const tongue = hill(sq(coat.x / this.#width / 0.75) + sq((depth - 0.95) / 0.5));
    if (tongue > 0) coat.over(0.55, 0.24, 0.24, hole * tongue * this.#tongueShown);
    this.#bite(coat, hole);
    coat.gloss *= 1 - 0.6 * hole;
    coat.open = mix(coat.open, 0.8, hole);
  }

  #bite(coat: Coat, hole: number): void {
    const s = this.#s;
    const soft = this.#soft;
    const reach = Math.min(this.#part * 0.95, 0.062);
    const teeth =
      (1 - ramp(reach - soft - 0.008, reach + soft, coat.y - this.#line)) * (1 - ramp(0.62, 0.9, s));
    const between =
      1 - 0.14 * hill(sq((((s * this.#width) / 0.045) % 1) - 0.5) / 0.02) * (soft < 0.012 ? 1 : 0);
    const w = this.#teeth * between * (1 - 0.25 * s);
    coat.over(w, w * 0.95, w * 0.87, hole * teeth * this.#teethShown);
  }

  /** The line between closed lips, and their corners. */
  #slit(coat: Coat): void {
    const s = this.#s;
    const off = coat.y - this.#line;
    const slit = hill(sq(off / (0.013 + this.#soft * 0.7)));
    if (slit > 0)
      coat.tint(
        0.38,
        0.27,
        0.27,
        slit * ramp(-0.1, 0.08, 1 - s) * (1 - 0.6 * ramp(0.03, 0.1, this.#part)) * 0.88,
      );
    const corner = hill(sq((s - 1.0) / 0.14) + sq(off / 0.03));
    if (corner > 0) coat.tint(0.6, 0.48, 0.46, corner * 0.6);
  }
}
