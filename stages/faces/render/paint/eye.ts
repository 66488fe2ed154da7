/** The hollow of the eye, the lids, the eye itself and its lashes. */
import { clamp, hill, mix, noise2, ramp, sq } from '../curves.js';
import type { Head } from '../head.js';
import type { Colour, Shot } from '../shot.js';
import type { Coat } from './coat.js';

export class EyePaint {
  readonly #eyeX: number;
  readonly #width: number;
  readonly #skew: number;
  readonly #tilt: number;
  readonly #soft: number;
  // The hollow
  readonly #deep: number;
  readonly #bag: number;
  // The lids
  readonly #lidUp: number;
  readonly #lidLow: number;
  readonly #peak: number;
  readonly #creaseHigh: number;
  readonly #creaseShut: number;
  readonly #creaseDark: number;
  readonly #creaseWide: number;
  readonly #lidDark: number;
  // The eye
  readonly #white: number;
  readonly #iris: Colour;
  readonly #irisRadius: number;
  readonly #gazeX: number;
  readonly #gazeY: number;
  readonly #edge: number;
  readonly #irisEdge: number;
  readonly #catchX: number;
  readonly #catchY: number;
  // The lashes
  readonly #lashes: number;
  readonly #lash: number;
  readonly #lowLash: number;
  /** The place seen from the eye: along it from -1 inside to 1 outside, down from its middle; the arch there, and its lids' edges. */
  #s = 0;
  #down = 0;
  #arch = 0;
  #upper = 0;
  #lower = 0;

  /**
   * @param soft   head units over which an edge is blurred
   * @param lines  how deep wrinkles are, 0..1
   */
  constructor(head: Head, shot: Shot, soft: number, lines: number) {
    const p = head.person;
    this.#eyeX = p.eyeX;
    this.#width = p.eyeWidth;
    this.#skew = p.skew;
    this.#tilt = p.eyeTilt;
    this.#soft = soft;
    this.#deep = 0.5 + 8 * p.eyeDepth;
    this.#bag = 0.18 + 0.32 * p.eyeShadow + 0.35 * lines;
    const squint = 1 - 0.22 * Math.max(0, shot.smile);
    this.#lidUp = p.eyeUpper * clamp(shot.eyeOpen, 0.04, 1.5) * (1 - 0.14 * head.aging);
    this.#lidLow = p.eyeLower * squint * clamp(0.35 + 0.65 * shot.eyeOpen, 0.4, 1.2);
    this.#peak = 0.35 * p.lidPeak;
    this.#creaseHigh = 0.028 * p.lidCrease;
    this.#creaseShut = 0.02 * (1 - clamp(shot.eyeOpen, 0, 1));
    this.#creaseDark = 0.15 + 0.6 * p.lidCrease;
    this.#creaseWide = 0.02 + soft;
    this.#lidDark = 0.45 + 0.5 * p.makeup;
    this.#white = 0.87 - 0.05 * head.aging;
    this.#iris = p.iris;
    this.#irisRadius = p.irisRadius;
    this.#gazeX = shot.gazeX * 0.05;
    this.#gazeY = shot.gazeY * 0.025;
    this.#edge = soft + 0.007;
    this.#irisEdge = this.#edge / p.irisRadius;
    this.#catchX = clamp(shot.light[0] * 0.5, -0.5, 0.5);
    this.#catchY = clamp(shot.light[1] * 0.5, -0.5, 0.1);
    this.#lashes = p.lashes;
    this.#lash = 0.011 + 0.014 * p.lashes + 0.008 * p.makeup;
    this.#lowLash = 0.5 + 0.4 * p.makeup;
  }

  paint(coat: Coat): void {
    const { y, ax } = coat;
    const dx = ax - this.#eyeX;
    // Darker towards the nose and under the eye.
    const inner = hill(sq((ax - 0.17) / 0.12) + sq((y - 0.01) / 0.14));
    if (inner > 0) coat.open *= 1 - 0.3 * inner * this.#deep * 0.6;
    const bag = hill(sq(dx / 0.2) + sq((y - 0.11) / 0.09));
    if (bag > 0) coat.tint(0.82, 0.72, 0.74, this.#bag * bag);
    const s = dx / this.#width;
    const down = y - coat.side * this.#skew + this.#tilt * dx;
    if (s <= -1.7 || s >= 1.7 || down <= -0.24 || down >= 0.17) return;
    const arch = Math.max(0, 1 - s * s);
    const skewed = arch * (1 + this.#peak * s) * (1 - 0.18 * arch) * 1.2;
    this.#s = s;
    this.#down = down;
    this.#arch = arch;
    this.#upper = -this.#lidUp * skewed;
    this.#lower = this.#lidLow * arch * (1 + 0.25 * s);
    if (s > -1.35 && s < 1.35) this.#lid(coat);
    if (s > -1.15 && s < 1.15) {
      this.#ball(coat);
      this.#lashLines(coat);
    }
    // The wing of the lashes beyond the outer corner.
    const wing = hill(sq((s - 1.08) / 0.18) + sq((down + 0.012 + 0.06 * (s - 1)) / (0.014 + this.#soft)));
    if (wing > 0) coat.over(0.12, 0.08, 0.08, wing * 0.55 * this.#lashes);
  }

  /** A little darker, with make-up or hood, and its crease. */
  #lid(coat: Coat): void {
    const end = 1 - ramp(0.85, 1.3, Math.abs(this.#s));
    if (end === 0) return;
    const down = this.#down;
    const upper = this.#upper;
    const crease = upper - 0.03 - this.#creaseHigh - this.#creaseShut;
    const lid =
      ramp(crease - 0.02, crease + 0.02, down) * (1 - ramp(upper - 0.005, upper + 0.01, down)) * end;
    if (lid > 0) coat.tint(0.84, 0.76, 0.75, lid * this.#lidDark);
    const fold = hill(sq((down - crease) / this.#creaseWide)) * end;
    if (fold > 0) coat.tint(0.6, 0.48, 0.46, fold * this.#creaseDark * 0.85);
    coat.open *= 1 - 0.12 * hill(sq((down - crease + 0.03) / 0.08)) * end;
  }

  /** The white, shaded by the lid and rounded; then the iris with its ring, pupil and highlight. */
  #ball(coat: Coat): void {
    const s = this.#s;
    const down = this.#down;
    const arch = this.#arch;
    const edge = this.#edge;
    const corner = arch < 0.06 ? 0.3 * (arch - 0.06) * this.#width : 0;
    const inside = Math.min(down - this.#upper, this.#lower - down) + corner;
    const eye = ramp(-edge, edge, inside) * ramp(0, 0.12, arch);
    if (eye <= 0) return;
    const round = 1 - 0.2 * s * s;
    const shade = (0.7 + 0.3 * ramp(0, 0.05, down - this.#upper)) * round;
    const white = this.#white;
    const pink = 0.1 * ramp(-0.6, -1, s);
    let r = white * shade;
    let g = (white - 0.035 - pink) * shade;
    let b = (white - 0.045 - pink) * shade;
    const radius = this.#irisRadius;
    const blur = this.#irisEdge;
    const gx = coat.side * (coat.ax - this.#eyeX) - this.#gazeX;
    const gy = down + 0.014 - this.#gazeY;
    const q = Math.sqrt(gx * gx + gy * gy) / radius;
    const cover = 1 - ramp(1 - blur * 0.8, 1 + blur * 0.8, q);
    if (cover > 0) {
      const k = this.#irisLight(q, gx, gy);
      const iris = this.#iris;
      r = mix(r, iris[0] * k, cover);
      g = mix(g, iris[1] * k, cover);
      b = mix(b, iris[2] * k, cover);
    }
    coat.over(r, g, b, eye);
    coat.open = mix(coat.open, 0.92, eye);
    coat.gloss = mix(coat.gloss, 0.1, eye);
    const glint = sq((gx / radius - this.#catchX) / 0.27) + sq((gy / radius - this.#catchY) / 0.27);
    if (glint < 1 + blur) coat.glint = eye * 0.75 * (1 - ramp(0.4, 1 + blur, glint));
  }

  #irisLight(q: number, gx: number, gy: number): number {
    const blur = this.#irisEdge;
    const rays =
      0.9 + 0.25 * ramp(0.4, 0.75, q) * (1 - ramp(0.75, 1, q)) + 0.12 * (noise2(gx * 150, gy * 150) - 0.5);
    const ring = 1 - 0.5 * ramp(0.75, 1, q);
    const pupil = 1 - ramp(0.36 - blur * 0.5, 0.42 + blur * 0.5, q);
    return rays * ring * (1 - 0.92 * pupil) * (0.75 + 0.3 * ramp(-0.4, 0.8, gy / this.#irisRadius));
  }

  /** Along the upper lid, longer outside; a thin line below. */
  #lashLines(coat: Coat): void {
    const down = this.#down;
    const arch = this.#arch;
    const lash = this.#lash * (0.7 + 0.5 * clamp(this.#s + 0.4, 0, 1)) + this.#soft * 0.4;
    const up = hill(sq((down - this.#upper + lash * 0.25) / lash));
    if (up > 0) coat.over(0.07, 0.05, 0.05, up * ramp(0.0, 0.1, arch + 0.02) * (0.62 + 0.3 * this.#lashes));
    const low = hill(sq((down - this.#lower) / (0.011 + this.#soft * 0.5)));
    if (low > 0) coat.tint(0.62, 0.45, 0.42, low * ramp(0, 0.3, arch) * this.#lowLash);
  }
}
