/**
 * What is painted on the skin: complexion, eyes, brows, lips, nostrils, beard, wrinkles, marks, the roots of the hair. All of it lies at
 * places of the resting head, so it turns with it.
 */
import { clamp, hash2, hill, mix, noise2, ramp } from './curves.js';
import { type Hair, wayRound } from './hair.js';
import type { Expression, Head } from './head.js';
import type { Colour, Shot } from './shot.js';

type Mutable = [number, number, number];

function sq(x: number): number {
  return x * x;
}

export class Painter {
  /** Where to paint: (x, y, z) on the resting head. An array, as numbers handed to functions would each be put on the heap. */
  readonly place = new Float64Array(3);
  /** Result of `paint`: sRGB albedo 0..1. */
  r = 0;
  g = 0;
  b = 0;
  /** Result of `paint`: how much it shines, how much light the place gets from around, and light of its own (an eye's highlight). */
  gloss = 0;
  open = 1;
  glint = 0;
  /** Hair's colour at this age, sRGB. */
  readonly hairColour: Mutable;
  readonly beardColour: Mutable;
  readonly gray: number;
  readonly #lip: Mutable;
  readonly #browColour: Mutable;
  readonly #soft: number;
  readonly #lines: number;
  readonly #gap: number;
  readonly #lidUp: number;
  readonly #lidLow: number;
  readonly #browY: number;
  readonly #catchX: number;
  readonly #catchY: number;
  readonly #beard: number;
  readonly #mask: Colour | undefined;

  /** @param pixel head units that one sample spans: nothing is painted sharper than that. */
  constructor(
    private readonly head: Head,
    private readonly expression: Expression,
    private readonly hair: Hair,
    private readonly shot: Shot,
    pixel: number,
  ) {
    const p = head.person;
    const { age } = shot;
    this.#soft = pixel * 0.6;
    this.gray = ramp(p.grayAge - 14, p.grayAge + 16, age);
    const silver = this.gray;
    this.hairColour = [
      mix(p.hair[0], 0.74, silver),
      mix(p.hair[1], 0.73, silver),
      mix(p.hair[2], 0.71, silver),
    ];
    const dark = 0.95 * p.beardDark;
    this.beardColour = [
      this.hairColour[0] * dark,
      this.hairColour[1] * dark * 0.97,
      this.hairColour[2] * dark * 0.95,
    ];
    const b = 0.62 - 0.16 * ramp(0.2, 0.7, p.hair[0]);
    this.#browColour = [
      mix(p.hair[0], 0.6, silver * 0.6) * b + 0.02,
      mix(p.hair[1], 0.6, silver * 0.6) * b * 0.97 + 0.015,
      mix(p.hair[2], 0.6, silver * 0.6) * b * 0.94 + 0.015,
    ];
    // Lips: redder and darker than the skin, browner on dark skin; lipstick goes further.
    const [r, g, bl] = p.skin;
    const m = p.makeup * (0.5 + 0.5 * p.lipTint);
    const fade = 1 - 0.35 * head.aging;
    this.#lip = [
      mix(r * (0.88 - 0.06 * p.melanin), 0.68 + 0.1 * p.lipTint - 0.25 * p.melanin, m * 0.75),
      mix(mix(g, g * 0.6, fade) + 0.02 * p.lipTint, 0.17 + 0.08 * p.lipTint, m * 0.7),
      mix(mix(bl, bl * 0.68, fade) + 0.02 * p.lipTint, 0.24 + 0.06 * p.lipTint, m * 0.7),
    ];
    this.#lines = clamp(head.aging * (0.35 + 0.75 * head.aging) * p.lining * 1.2, 0, 1);
    this.#gap = expression.jawDrop + 0.06 * ramp(0.35, 1, shot.smile);
    const squint = 1 - 0.22 * Math.max(0, shot.smile);
    this.#lidUp = p.eyeUpper * clamp(shot.eyeOpen, 0.04, 1.5) * (1 - 0.14 * head.aging);
    this.#lidLow = p.eyeLower * squint * clamp(0.35 + 0.65 * shot.eyeOpen, 0.4, 1.2);
    this.#browY = p.browY - 0.045 * shot.browRaise + 0.03 * shot.frown + 0.008 * head.aging;
    this.#catchX = clamp(shot.light[0] * 0.5, -0.5, 0.5);
    this.#catchY = clamp(shot.light[1] * 0.5, -0.5, 0.1);
    this.#beard = p.beard === 'none' ? 0 : p.beard === 'stubble' ? 0.42 : 1;
    this.#mask = shot.occluder.kind === 'mask' ? shot.occluder.colour : undefined;
  }

  #over(c: readonly number[], alpha: number): void {
    const keep = 1 - alpha;
    this.r = this.r * keep + c[0]! * alpha;
    this.g = this.g * keep + c[1]! * alpha;
    this.b = this.b * keep + c[2]! * alpha;
  }

  #tint(r: number, g: number, b: number, alpha: number): void {
    this.r *= 1 + (r - 1) * alpha;
    this.g *= 1 + (g - 1) * alpha;
    this.b *= 1 + (b - 1) * alpha;
  }

  /** Skin without features, for ears, neck and hands. */
  plainSkin(red: number): void {
    const { skin } = this.head.person;
    this.r = skin[0] * (1 - 0.02 * red);
    this.g = skin[1] * (1 - 0.1 * red);
    this.b = skin[2] * (1 - 0.1 * red);
    this.gloss = 0.25;
    this.open = 1;
    this.glint = 0;
  }

  /** Paints the head at `place`. */
  paint(): void {
    const x = this.place[0]!;
    const y = this.place[1]!;
    const z = this.place[2]!;
    const { head } = this;
    const p = head.person;
    const soft = this.#soft;
    const ax = x < 0 ? -x : x;
    this.plainSkin(0);
    this.gloss = 0.35 + 0.35 * p.shine;
    const front = z > 0.05;
    const tip = head.noseTip;

    // Complexion: cheeks, nose and ears redder, jaw a little darker; blotches; freckles.
    const t = p.texture;
    const blotch = noise2(x * 7 + t, y * 7) + 0.6 * noise2(x * 19 + t, y * 19 + 7) - 0.8;
    const light = 1 + 0.035 * blotch * (1 + head.aging);
    this.r *= light;
    this.g *= light * (1 - 0.01 * blotch);
    this.b *= light;
    if (front) {
      const rosy = (0.25 + 0.75 * p.rosiness) * (1 - 0.5 * p.melanin) + 0.35 * p.makeup;
      const blush =
        hill(sq((ax - 0.4) / 0.3) + sq((y - 0.32) / 0.27)) + 0.8 * hill(sq(x / 0.22) + sq((y - tip) / 0.17));
      this.#tint(1.0, 0.87, 0.84, rosy * 0.75 * clamp(blush, 0, 1));
      if (p.freckles > 0 && y > -0.2 && y < 0.6) {
        const spot = noise2(x * 42 + t, y * 42);
        this.#tint(
          0.8,
          0.68,
          0.58,
          p.freckles * 0.6 * ramp(0.62, 0.8, spot) * hill(sq(x / 0.75) + sq((y - 0.22) / 0.5)),
        );
      }
      for (const mole of p.moles) {
        const q = (sq(x - mole.x) + sq(y - mole.y)) / sq(mole.size + soft * 0.6);
        if (q < 1.6) this.#tint(0.42, 0.32, 0.3, mole.dark * (1 - ramp(0.5, 1.6, q)));
      }
      if (y < 0.3 && y > -0.3 && ax < 0.7) this.#eye();
      if (y < 0.05 && y > -0.45 && ax < 0.7) this.#brow();
      if (y > tip - 0.2 || (this.#beard > 0 && ax > 0.45 && y > -0.2)) this.#noseAndMouth();
      this.#wrinkles();
    }
    this.#roots();
    if (front && this.#mask && y > 0.2) {
      const low = tip - 0.17 + 0.2 * sq(ax / 0.6);
      const cover = ramp(low - soft, low + soft + 0.01, y);
      if (cover > 0) {
        const fold = 1 - 0.1 * ramp(0.3, 0.6, noise2(3, y * 18)) - 0.05 * noise2(x * 5, y * 5);
        this.#over([this.#mask[0] * fold, this.#mask[1] * fold, this.#mask[2] * fold], cover);
        this.gloss *= 1 - cover;
        this.open = mix(this.open, 1, cover);
      }
    }
  }

  /** The hollow of the eye, the lids, the eye itself and its lashes. */
  #eye(): void {
    const x = this.place[0]!;
    const y = this.place[1]!;
    const ax = x < 0 ? -x : x;
    const side = x < 0 ? -1 : 1;
    const soft = this.#soft;
    const p = this.head.person;
    const { shot } = this;
    const dx = ax - p.eyeX;
    const ey = side * p.skew;
    const dy = y - ey + p.eyeTilt * dx;
    // Hollow of the eye: darker towards the nose and under the eye.
    const inner = hill(sq((ax - 0.17) / 0.12) + sq((y - 0.01) / 0.14));
    const bag = hill(sq(dx / 0.2) + sq((y - 0.11) / 0.09));
    this.open *= 1 - 0.3 * inner * (0.5 + 8 * p.eyeDepth) * 0.6;
    this.#tint(0.82, 0.72, 0.74, (0.18 + 0.32 * p.eyeShadow + 0.35 * this.#lines) * bag);
    const ew = p.eyeWidth;
    const s = dx / ew;
    if (s > -1.7 && s < 1.7 && dy > -0.24 && dy < 0.17) {
      const arch = Math.max(0, 1 - s * s);
      const skewed = arch * (1 + 0.35 * p.lidPeak * s) * (1 - 0.18 * arch) * 1.2;
      const upper = -this.#lidUp * skewed;
      const lower = this.#lidLow * arch * (1 + 0.25 * s);
      const crease = upper - 0.03 - 0.028 * p.lidCrease - 0.02 * (1 - clamp(shot.eyeOpen, 0, 1));
      // Lid: a little darker, with make-up or hood, and its crease.
      if (s > -1.35 && s < 1.35) {
        const lidEnd = 1 - ramp(0.85, 1.3, Math.abs(s));
        const lid =
          ramp(crease - 0.02, crease + 0.02, dy) * (1 - ramp(upper - 0.005, upper + 0.01, dy)) * lidEnd;
        this.#tint(0.84, 0.76, 0.75, lid * (0.45 + 0.5 * p.makeup));
        const fold = hill(sq((dy - crease) / (0.02 + soft))) * lidEnd;
        this.#tint(0.6, 0.48, 0.46, fold * (0.15 + 0.6 * p.lidCrease) * 0.85);
        this.open *= 1 - 0.12 * hill(sq((dy - crease + 0.03) / 0.08)) * lidEnd;
      }
      if (s > -1.15 && s < 1.15) {
        const edge = soft + 0.007;
        const inside = Math.min(dy - upper, lower - dy) + 0.3 * (arch - 0.06) * ew * (arch < 0.06 ? 1 : 0);
        const eye = ramp(-edge, edge, inside) * ramp(0, 0.12, arch);
        if (eye > 0) {
          // The white, shaded by the lid and rounded; then the iris with its ring, pupil and highlight.
          const round = 1 - 0.2 * s * s;
          const shade = (0.7 + 0.3 * ramp(0, 0.05, dy - upper)) * round;
          const white = 0.87 - 0.05 * this.head.aging;
          const pink = 0.1 * ramp(-0.6, -1, s);
          let er = white * shade;
          let eg = (white - 0.035 - pink) * shade;
          let eb = (white - 0.045 - pink) * shade;
          const ir = p.irisRadius;
          const gx = side * dx - shot.gazeX * 0.05;
          const gy = dy + 0.014 - shot.gazeY * 0.025;
          const q = Math.sqrt(gx * gx + gy * gy) / ir;
          const irisCover = 1 - ramp(1 - (edge / ir) * 0.8, 1 + (edge / ir) * 0.8, q);
          if (irisCover > 0) {
            const rays =
              0.9 +
              0.25 * ramp(0.4, 0.75, q) * (1 - ramp(0.75, 1, q)) +
              0.12 * (noise2(gx * 150, gy * 150) - 0.5);
            const ring = 1 - 0.5 * ramp(0.75, 1, q);
            const pupil = 1 - ramp(0.36 - (edge / ir) * 0.5, 0.42 + (edge / ir) * 0.5, q);
            const k = rays * ring * (1 - 0.92 * pupil) * (0.75 + 0.3 * ramp(-0.4, 0.8, gy / ir));
            er = mix(er, p.iris[0] * k, irisCover);
            eg = mix(eg, p.iris[1] * k, irisCover);
            eb = mix(eb, p.iris[2] * k, irisCover);
          }
          const gl = sq((gx / ir - this.#catchX) / 0.27) + sq((gy / ir - this.#catchY) / 0.27);
          this.#over([er, eg, eb], eye);
          this.open = mix(this.open, 0.92, eye);
          this.gloss = mix(this.gloss, 0.1, eye);
          if (gl < 1 + edge / ir) this.glint = eye * 0.75 * (1 - ramp(0.4, 1 + edge / ir, gl));
        }
        // Lashes along the upper lid, longer outside; a thin line below.
        const lash =
          (0.011 + 0.014 * p.lashes + 0.008 * p.makeup) * (0.7 + 0.5 * clamp(s + 0.4, 0, 1)) + soft * 0.4;
        const up = hill(sq((dy - upper + lash * 0.25) / lash)) * ramp(0.0, 0.1, arch + 0.02);
        this.#over([0.07, 0.05, 0.05], up * (0.62 + 0.3 * p.lashes));
        const low = hill(sq((dy - lower) / (0.011 + soft * 0.5))) * ramp(0, 0.3, arch);
        this.#tint(0.62, 0.45, 0.42, low * (0.5 + 0.4 * p.makeup));
      }
      // The wing of the lashes beyond the outer corner.
      const wing = hill(sq((s - 1.08) / 0.18) + sq((dy + 0.012 + 0.06 * (s - 1)) / (0.014 + soft)));
      this.#over([0.12, 0.08, 0.08], wing * 0.55 * p.lashes);
    }
  }

  /** A band that arches, tapers to the outside, with hairs. */
  #brow(): void {
    const { shot } = this;
    const p = this.head.person;
    const x = this.place[0]!;
    const y = this.place[1]!;
    const ax = x < 0 ? -x : x;
    const side = x < 0 ? -1 : 1;
    const soft = this.#soft;
    const bx = (ax - p.browInner) / (p.browOuter - p.browInner);
    if (bx > -0.15 && bx < 1.1) {
      const b = clamp(bx, 0, 1);
      const arch = p.browArch * (1 - sq((b - 0.6) / 0.6));
      const centre =
        this.#browY +
        side * p.browSkew * 0.7 -
        arch -
        p.browTilt * 0.22 * (b - 0.5) +
        0.035 * sq(b) +
        shot.frown * 0.06 * (1 - b) * (1 - b) -
        0.02 * shot.browRaise * (1 - b) * ramp(0, 1, -shot.smile);
      const half = p.browThick * (1 - 0.62 * b * b) * (0.72 + 0.28 * ramp(0, 0.25, b)) + soft * 0.3;
      const ragged = (noise2(x * 55 - y * 22, y * 16) - 0.5) * 0.5;
      const q = Math.abs(y - centre) / half;
      const ends = ramp(-0.1, 0.12, bx) * (1 - ramp(0.86, 1.06, bx));
      const cover = (1 - ramp(0.62 - soft / half / 2, 1.2 + soft / half / 2, q + ragged)) * ends;
      this.#over(this.#browColour, cover * p.browDense * 0.92);
    }
  }

  #noseAndMouth(): void {
    const x = this.place[0]!;
    const y = this.place[1]!;
    const ax = x < 0 ? -x : x;
    const soft = this.#soft;
    const { head, shot } = this;
    const p = head.person;
    const my = head.mouthY;
    const tip = head.noseTip;
    if (y < tip + 0.2) {
      // Nostrils, the crease round the wings, the shade under the nose.
      const nx = x - p.noseSkew;
      const nax = nx < 0 ? -nx : nx;
      const ny = tip + 0.072 - 0.02 * p.tipUp;
      const nose = hill(
        sq((nax - p.noseWidth * 0.43) / (0.048 + 0.022 * p.nostril + soft * 0.4)) +
          sq((y - ny - 0.12 * (nax - p.noseWidth * 0.43)) / (0.024 + 0.01 * p.nostril + soft * 0.5)),
      );
      this.#tint(0.3, 0.2, 0.19, clamp(nose * 1.2, 0, 1) * 0.8);
      const wing = Math.sqrt(
        sq((nax - p.noseWidth * 0.62) / (p.noseWidth * 0.42)) + sq((y - tip - 0.02) / 0.085),
      );
      if (nax > p.noseWidth * 0.6)
        this.#tint(0.68, 0.55, 0.52, hill(sq((wing - 1.04) / (0.22 + soft * 3))) * 0.32);
      this.open *= 1 - 0.25 * hill(sq(nx / (p.noseWidth * 1.1)) + sq((y - ny - 0.04) / 0.075));
    }
    // Where the beard grows: below a line from the sideburns over the cheeks to the lip.
    if (this.#beard > 0) this.#paintBeard();

    const mw = this.expression.mouthWidth;
    const s = ax / mw;
    const dx = x / mw;
    if (s < 1.25 && y > my - 0.16 && y < my + 0.42) {
      const arch = Math.max(0, 1 - s * s);
      const body = Math.sqrt(arch);
      const gap = this.#gap * (0.35 * body + 0.65 * arch);
      const line = my - p.mouthCurve * 0.3 * s * s * mw + 0.012 * hill(sq(s / 0.35)) * p.cupid;
      const pout = 1 + 0.25 * shot.pout - 0.22 * Math.max(0, shot.smile);
      const age = 1 - 0.3 * head.aging;
      const top =
        line -
        p.upperLip *
          pout *
          age *
          (0.25 * body + 0.75 * arch) *
          (1 - 0.22 * p.cupid * hill(sq(s / 0.22))) *
          1.12;
      const bottom = line + gap + p.lowerLip * pout * age * (0.5 * body + 0.5 * arch);
      const edge = 0.014 + soft * 0.8;
      const lips = ramp(-edge, edge, Math.min(y - top, bottom - y)) * ramp(0, 0.16, arch + 0.04);
      if (lips > 0) {
        const upper = y < line + gap / 2;
        const sheen = upper ? 0.86 : 1.03;
        const streak = 1 + 0.06 * (noise2(x * 60 + 5, y * 8) - 0.5);
        this.#over(
          [this.#lip[0] * sheen * streak, this.#lip[1] * sheen * streak, this.#lip[2] * sheen * streak],
          lips * (0.82 + 0.18 * p.makeup),
        );
        this.gloss = mix(this.gloss, 0.75 + 0.4 * p.makeup, lips);
      }
      // The open mouth: dark, with teeth and tongue.
      const hole =
        gap > 0.012
          ? ramp(-edge * 0.7, edge * 0.7, Math.min(y - line, line + gap - y)) * ramp(0.02, 0.16, arch)
          : 0;
      if (hole > 0) {
        const depth = (y - line) / gap;
        this.#over([0.2, 0.07, 0.07], hole);
        const tongue = hill(sq(dx / 0.75) + sq((depth - 0.95) / 0.5));
        this.#over([0.55, 0.24, 0.24], hole * tongue * ramp(0.06, 0.12, this.#gap));
        const reach = Math.min(gap * 0.95, 0.062);
        const teeth = (1 - ramp(reach - soft - 0.008, reach + soft, y - line)) * (1 - ramp(0.62, 0.9, s));
        const between = 1 - 0.14 * hill(sq((((s * mw) / 0.045) % 1) - 0.5) / 0.02) * (soft < 0.012 ? 1 : 0);
        const w = p.teeth * between * (1 - 0.25 * s);
        this.#over(
          [w, w * 0.95, w * 0.87],
          hole * teeth * (0.4 + 0.6 * ramp(0, 0.8, shot.smile + this.#gap * 3)),
        );
        this.gloss *= 1 - 0.6 * hole;
        this.open = mix(this.open, 0.8, hole);
      }
      // The line between closed lips, and their corners.
      const slit =
        hill(sq((y - line) / (0.013 + soft * 0.7))) *
        ramp(-0.1, 0.08, 1 - s) *
        (1 - 0.6 * ramp(0.03, 0.1, gap));
      this.#tint(0.38, 0.27, 0.27, slit * 0.88);
      const corner = hill(sq((s - 1.0) / 0.14) + sq((y - line) / 0.03));
      this.#tint(0.6, 0.48, 0.46, corner * 0.6);
      this.open *= 1 - 0.2 * hill(sq(dx / 0.7) + sq((y - bottom - 0.035) / 0.05));
    }
  }

  #paintBeard(): void {
    const x = this.place[0]!;
    const y = this.place[1]!;
    const ax = x < 0 ? -x : x;
    const { head } = this;
    const p = head.person;
    const my = head.mouthY;
    const tip = head.noseTip;
    const gap = this.#gap;
    // Moustache
    const lipTop = my - p.upperLip * 0.85;
    const above = tip + 0.11;
    const t = ax / (p.mouthWidth * 1.12);
    const droop = 0.05 * t * t;
    let cover = 0;
    const ragged = noise2(x * 46, y * 20 + 3) - 0.5;
    if (t < 1.25)
      cover =
        ramp(above - 0.03 + 2 * droop, above + 0.02 + 2 * droop, y + ragged * 0.04) *
        (1 - ramp(lipTop - 0.012 + droop * 1.4, lipTop + 0.03 + droop * 1.4, y)) *
        (1 - ramp(0.92, 1.2, t + ragged * 0.2)) *
        (0.75 + 0.25 * ramp(0.02, 0.12, ax));
    if (p.beard !== 'moustache') {
      // Chin; not on the lips
      const mouth =
        sq(ax / (p.mouthWidth * 1.05)) + sq((y - my - gap * 0.5 - 0.015) / (p.lowerLip + gap * 0.5 + 0.045));
      const clear = ramp(0.85, 1.25, mouth);
      if (p.beard === 'goatee') {
        const ring = sq(ax / (p.mouthWidth * 1.28)) + sq((y - my - 0.16 - gap * 0.6) / (0.34 + gap * 0.5));
        cover = Math.max(
          cover,
          (1 - ramp(0.75, 1.05, ring + ragged * 0.25)) * clear * ramp(my - 0.08, my + 0.02, y),
        );
      } else {
        const slope =
          ax < 0.32
            ? my - 0.06 - 0.12 * (ax / 0.32)
            : ax < 0.55
              ? mix(my - 0.18, 0.3, sq((ax - 0.32) / 0.23))
              : mix(0.3, -0.1, clamp((ax - 0.55) / 0.12, 0, 1));
        cover = Math.max(cover, ramp(slope - 0.06, slope + 0.1, y + ragged * 0.1) * clear);
      }
    }
    if (cover <= 0) return;
    const hairs = 0.72 + 0.5 * (noise2(x * 70, y * 30) - 0.3);
    const alpha = clamp(
      cover * this.#beard * p.beardDense * (this.#beard < 1 ? 0.8 + 0.5 * ragged : hairs + 0.15),
      0,
      0.95,
    );
    const shade = 0.75 + 0.5 * noise2(x * 40 + 9, y * 18);
    this.#over(
      [this.beardColour[0] * shade, this.beardColour[1] * shade, this.beardColour[2] * shade],
      alpha,
    );
    this.gloss *= 1 - 0.8 * alpha;
  }

  #wrinkles(): void {
    const x = this.place[0]!;
    const y = this.place[1]!;
    const ax = x < 0 ? -x : x;
    const side = x < 0 ? -1 : 1;
    const { head, shot } = this;
    const p = head.person;
    const my = head.mouthY;
    const tip = head.noseTip;
    const lines = this.#lines;
    let dark = 0;
    // From the wings of the nose to beyond the corners of the mouth; deeper with a smile.
    if (y > tip - 0.06 && y < my + 0.12) {
      const t = clamp((y - tip + 0.03) / (my - tip + 0.03), 0, 1.2);
      const at =
        p.noseWidth * 1.1 +
        0.015 +
        (p.mouthWidth - p.noseWidth + 0.085 + 0.03 * shot.smile) * t * (0.6 + 0.4 * t);
      const fold =
        hill(sq((ax - at) / (0.035 + this.#soft))) *
        ramp(-0.06, 0.02, y - tip) *
        (1 - ramp(my - 0.08, my + 0.1, y));
      dark += fold * (0.05 + 0.4 * lines + (0.14 + 0.2 * lines) * Math.max(0, shot.smile));
    }
    if (lines > 0.05 || shot.browRaise > 0.3 || shot.frown > 0.3) {
      if (y < -0.28 && y > -0.66 && ax < 0.5) {
        const wave = y + 0.05 * sq(x * 1.6) + 0.02 * noise2(x * 4 + p.texture, 3);
        const fine = (wave * 11.5) % 1;
        const crease = hill(sq((fine < 0 ? fine + 0.5 : fine - 0.5) / 0.24));
        dark +=
          crease *
          (1 - ramp(0.25, 0.5, ax)) *
          (0.34 * lines + (0.04 + 0.25 * lines) * Math.max(0, shot.browRaise)) *
          ramp(-0.66, -0.58, y) *
          (1 - ramp(-0.36, -0.29, y));
      }
      if (y < 0 && y > -0.32 && ax < 0.12)
        dark +=
          hill(sq((ax - 0.045) / 0.022)) *
          ramp(-0.32, -0.24, y) *
          (1 - ramp(-0.14, -0.06, y)) *
          (0.3 * lines + (0.15 + 0.4 * lines) * shot.frown);
      const ox = ax - p.eyeX - p.eyeWidth - 0.03;
      if (ox > 0 && ox < 0.2 && y > -0.14 && y < 0.14) {
        const fan = (y / (ox + 0.12)) * 6;
        const crow = hill(sq((fan - Math.round(fan)) / 0.28));
        dark += crow * hill(sq((ox - 0.09) / 0.1)) * 0.4 * lines;
      }
      if (y > 0.07 && y < 0.24) {
        const dx = ax - p.eyeX;
        const bow = 0.135 - 0.3 * dx * dx;
        dark += hill(sq((y - bow) / 0.02)) * (1 - ramp(0.08, 0.2, Math.abs(dx))) * 0.42 * lines;
      }
      if (y > my && y < my + 0.28) {
        const at = p.mouthWidth + 0.045 + 0.1 * (y - my);
        dark +=
          hill(sq((ax - at) / 0.024)) *
          ramp(my, my + 0.06, y) *
          (1 - ramp(my + 0.16, my + 0.28, y)) *
          0.4 *
          lines;
      }
    }
    if (dark > 0) this.#tint(0.55, 0.42, 0.38, Math.min(0.85, dark));
    // Age spots
    if (lines > 0.5 && p.melanin < 0.5) {
      const cell = hash2(Math.floor(x * 9) + p.texture, Math.floor(y * 9) + side);
      if (cell > 0.93)
        this.#tint(
          0.86,
          0.76,
          0.66,
          0.5 *
            (lines - 0.4) *
            hill((sq(x * 9 - Math.floor(x * 9) - 0.5) + sq(y * 9 - Math.floor(y * 9) - 0.5)) * 5),
        );
    }
  }

  /** Hair roots on the scalp, and the soft shade where the hair begins. */
  #roots(): void {
    const x = this.place[0]!;
    const y = this.place[1]!;
    const z = this.place[2]!;
    const ax = x < 0 ? -x : x;
    if (y > 0.75 || (y > -0.15 && ax < 0.5)) return;
    const { head, hair } = this;
    const p = head.person;
    const a = head.width(y);
    const sin = clamp(x / a, -1, 1);
    const cos = (z > head.middle(y) ? 1 : -1) * Math.sqrt(1 - sin * sin);
    const edge = hair.edge(wayRound(sin, cos));
    const ragged = noise2(x * 26 + p.texture, y * 12) - 0.5;
    const above = Math.min(edge, 0.72) - y + ragged * 0.05;
    if (above < -0.05) return;
    const bald = hair.style === 'bald';
    const strength = bald ? 0.35 : hair.style === 'buzz' ? 0.62 + 0.3 * p.hairLength : 0.9;
    const cover = ramp(-0.03, bald ? 0.25 : 0.06, above) * strength;
    const grain = 0.85 + 0.3 * noise2(x * 60, y * 60);
    const h = this.hairColour;
    this.#over([h[0] * 0.85 * grain, h[1] * 0.85 * grain, h[2] * 0.85 * grain], cover);
    this.gloss *= 1 - 0.85 * cover;
  }
}
