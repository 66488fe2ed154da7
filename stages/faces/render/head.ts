/**
 * The shape of a head: a skull and jaw given by outline curves (half width, front and back depth at each height), and on it the hills
 * and hollows of a face: brow ridge, sockets, eyeballs, cheekbones, nose, lips, chin. Also where its five landmarks lie.
 */
import { clamp, curveThrough, hill, mix, ramp, sq } from './curves.js';
import type { Person } from './person.js';
import type { Shot } from './shot.js';

const TOP = -1.16;
const LUT = 192;

export class Head {
  readonly top: number;
  readonly chin: number;
  readonly noseTip: number;
  readonly mouthY: number;
  /** 0 young .. 1 very old. */
  readonly aging: number;
  #width = new Float64Array(LUT + 1);
  #front = new Float64Array(LUT + 1);
  #back = new Float64Array(LUT + 1);
  #scale: number;

  constructor(
    readonly person: Person,
    age: number,
  ) {
    const p = person;
    this.aging = clamp((age - 25) / 50, 0, 1);
    const old = this.aging;
    const stretch = p.length;
    this.top = TOP;
    this.noseTip = p.noseTip * stretch + 0.018 * old;
    this.mouthY = p.mouthY * stretch + 0.012 * old;
    this.chin = 1.15 * stretch;
    const { chin } = this;
    const young = age < 20 ? (20 - age) * 0.008 : 0;
    const w = p.width;
    const full = 1 + 0.03 * p.fullness;
    const jaw = p.jaw * (1 + 0.02 * p.fullness + 0.04 * old - young);
    const my = this.mouthY;
    const ys = [-0.4, 0, 0.32, my - 0.12, my + 0.08, chin - 0.16, chin - 0.06, chin, chin + 0.05];
    const widths = [
      0.755 * w * p.temple, 0.735 * w, 0.7 * w * full, 0.625 * w * full * mix(1, jaw, 0.5), 0.54 * w * full * jaw,
      0.375 * w * mix(1, jaw, 0.6) * mix(1, p.chinWidth, 0.4), 0.27 * w * p.chinWidth, 0.17 * p.chinWidth, 0.02,
    ]; // prettier-ignore
    const mid = p.midfaceOut;
    const fronts = [
      0.9 - p.foreheadSlope,
      0.85,
      0.85 + mid,
      0.88 + mid,
      0.87,
      0.84 + p.chinOut * 0.4,
      0.82,
      0.72,
      0.55,
    ];
    const backs = [-0.98, -0.9, -0.72, -0.45, -0.2, 0.1, 0.25, 0.35, 0.45];
    this.#scale = LUT / (chin + 0.05 - TOP);
    for (let i = 0; i <= LUT; i++) {
      const y = TOP + i / this.#scale;
      if (y < -0.4) {
        const t = (-0.4 - y) / (-0.4 - TOP);
        const cap = Math.sqrt(Math.max(0, 1 - t * t * (0.7 + 0.3 * t)));
        this.#width[i] = widths[0]! * cap;
        this.#front[i] = fronts[0]! * cap - 0.1 * t * (1 - cap);
        this.#back[i] = backs[0]! * cap - 0.1 * t * (1 - cap);
      } else {
        this.#width[i] = curveThrough(ys, widths, y);
        this.#front[i] = curveThrough(ys, fronts, y);
        this.#back[i] = curveThrough(ys, backs, y);
      }
    }
  }

  get bottom(): number {
    return this.chin + 0.05;
  }

  #at(table: Float64Array, y: number): number {
    const i = clamp((y - TOP) * this.#scale, 0, LUT - 0.001);
    const k = i | 0;
    return table[k]! + (table[k + 1]! - table[k]!) * (i - k);
  }

  /** Half width at a height. */
  width(y: number): number {
    return this.#at(this.#width, y);
  }
  front(y: number): number {
    return this.#at(this.#front, y);
  }
  back(y: number): number {
    return this.#at(this.#back, y);
  }
  /** Where the widest part of the cross-section lies. */
  middle(y: number): number {
    return y < 0.3 ? -0.05 : -0.05 + 0.25 * ramp(0.3, this.chin, y);
  }

  /** Height of the features above the bare outline, along z. Even in x but for what asymmetry the person has. */
  relief(x: number, y: number): number {
    const p = this.person;
    const old = this.aging;
    const ax = x < 0 ? -x : x;
    const tip = this.noseTip;
    const my = this.mouthY;
    let z = 0;
    if (y < 0.5) {
      // Brow ridge, sockets, eyeballs
      const browY = p.browY + 0.04;
      z += p.browRidge * hill(sq((ax - 0.24) / 0.4) + sq((y - browY) / 0.16));
      z -=
        p.eyeDepth *
        (hill(sq((ax - 0.29) / 0.27) + sq((y + 0.005) / 0.2)) +
          0.55 * hill(sq((ax - 0.17) / 0.12) + sq((y + 0.01) / 0.13)));
      z += 0.062 * hill(sq((ax - p.eyeX) / 0.2) + sq(y / 0.125));
      z -= 0.02 * old * hill(sq((ax - p.eyeX + 0.03) / 0.2) + sq((y - 0.15) / 0.09));
    }
    if (y > -0.1 && ax > 0.15) {
      z += p.cheekbone * hill(sq((ax - 0.46) / 0.26) + sq((y - 0.24) / 0.24));
      z += (0.035 * p.fullness - 0.03 * old) * hill(sq((ax - 0.42) / 0.26) + sq((y - my + 0.12) / 0.32));
      z += 0.03 * old * hill(sq((ax - 0.4) / 0.16) + sq((y - my - 0.17) / 0.17)); // jowls
    }
    if (y > -0.16 && y < tip + 0.2 && ax < 0.36) {
      // The nose: a bridge that rises and widens to the tip, a ball for the tip, two wings.
      const nx = x - p.noseSkew * ramp(-0.1, tip, y);
      const nax = nx < 0 ? -nx : nx;
      const t = clamp((y + 0.07) / (tip + 0.07), 0, 1);
      const height =
        mix(p.bridgeHeight, p.noseOut - 0.035, t * (0.75 + 0.25 * t)) + p.noseHump * 4 * t * (1 - t);
      const fallY = tip + 0.045 - 0.025 * p.tipUp;
      const end = 1 - ramp(fallY - 0.05, fallY + 0.1, y);
      const start = ramp(-0.16, -0.02, y) * 0.85 + 0.15;
      const half = mix(p.bridgeWidth * 1.15, p.bridgeWidth * 0.9 + 0.1, t * t);
      const q = sq(nax / half);
      const across = q < 1 ? (1 - q) * (1 - 0.45 * q) : 0;
      z += height * across * end * start;
      z += 0.085 * hill(sq(nx / (p.tipSize * 1.4)) + sq((y - tip) / (p.tipSize * 1.2)));
      z += 0.08 * hill(sq((nax - p.noseWidth * 0.66) / (p.noseWidth * 0.62)) + sq((y - tip - 0.025) / 0.125));
    }
    if (y > tip) {
      // Philtrum, lips, the groove under them, chin
      const mw = p.mouthWidth;
      z += 0.035 * hill(sq(ax / (mw * 1.7)) + sq((y - my) / 0.26)); // the teeth behind
      z +=
        (0.02 + 0.45 * p.upperLip) *
        hill(sq(ax / (mw * 1.02)) + sq((y - my + p.upperLip * 0.62) / (p.upperLip * 1.35)));
      z +=
        (0.022 + 0.42 * p.lowerLip) *
        hill(sq(ax / (mw * 0.88)) + sq((y - my - p.lowerLip * 0.62) / (p.lowerLip * 1.3)));
      z -= 0.024 * hill(sq(ax / (mw * 1.1)) + sq((y - my) / 0.032));
      z -= 0.02 * hill(sq((ax - mw - 0.02) / 0.06) + sq((y - my) / 0.07)); // corners
      z -= 0.032 * hill(sq(ax / 0.28) + sq((y - my - p.lowerLip - 0.09) / 0.1));
      z += p.chinOut * 1.1 * hill(sq(ax / (0.27 * p.chinWidth)) + sq((y - this.chin + 0.14) / 0.2));
    }
    return z;
  }

  /** The surface in front at (x, y), features and all; for landmarks and things worn on the face. */
  surface(x: number, y: number): number {
    const a = this.width(y);
    const middle = this.middle(y);
    const s = Math.min(0.98, Math.abs(x) / a);
    return middle + (this.front(y) - middle) * Math.sqrt(1 - s * s) + this.relief(x, y);
  }
}

/** How an expression moves the skin: the jaw drops, the corners of the mouth go up and out, cheeks rise. Applied to rest positions. */
export class Expression {
  readonly jawDrop: number;
  readonly smile: number;
  /** Half width of the mouth as it is now. */
  readonly mouthWidth: number;

  constructor(
    private readonly head: Head,
    shot: Shot,
  ) {
    this.jawDrop = 0.17 * shot.mouthOpen;
    this.smile = shot.smile;
    this.mouthWidth =
      head.person.mouthWidth *
      (1 + 0.16 * shot.smile - 0.1 * shot.mouthOpen * (1 - Math.max(0, shot.smile)) - 0.14 * shot.pout);
  }

  get still(): boolean {
    return this.jawDrop === 0 && this.smile === 0;
  }

  /** How far down the jaw takes a point of the face. */
  drop(y: number, front: number): number {
    return this.jawDrop * ramp(this.head.mouthY - 0.02, this.head.mouthY + 0.07, y) * front;
  }

  /** How far a smile moves a point at (x, y) along y (up is negative). */
  lift(x: number, y: number): number {
    const my = this.head.mouthY;
    const ax = Math.abs(x);
    const s = ax / this.mouthWidth;
    return -this.smile * (0.068 * Math.min(1.4, s * s) - 0.014) * hill(sq(ax / 0.62) + sq((y - my) / 0.34));
  }

  /** How far a smile pushes the cheeks out along z. */
  bulge(x: number, y: number): number {
    const ax = Math.abs(x);
    const my = this.head.mouthY;
    const s = this.smile;
    return s > 0
      ? s *
          (0.05 * hill(sq((ax - 0.4) / 0.2) + sq((y - my + 0.27) / 0.22)) -
            0.03 * hill(sq(ax / 0.3) + sq((y - my) / 0.14)))
      : 0;
  }

  /**
   * The five landmarks on this face in head coordinates, (x, y, z) five times: the eye and the corner of the mouth on the
   * picture's left first, as the ArcFace template orders them (left eye, right eye, nose tip, left and right corner).
   */
  landmarks(): Float64Array {
    const { head } = this;
    const p = head.person;
    const out = new Float64Array(15);
    const put = (k: number, x: number, y: number, lift: number, more: number): void => {
      out[3 * k] = x;
      out[3 * k + 1] = y + lift;
      out[3 * k + 2] = head.surface(x, y) + more;
    };
    put(0, -p.eyeX, -p.skew, 0, 0);
    put(1, p.eyeX, p.skew, 0, 0);
    put(2, p.noseSkew, head.noseTip, 0, 0);
    const corner = this.mouthWidth;
    const y = head.mouthY + this.jawDrop * 0.35;
    put(3, -corner, y, this.lift(corner, head.mouthY), this.bulge(corner, head.mouthY));
    put(4, corner, y, this.lift(corner, head.mouthY), this.bulge(corner, head.mouthY));
    return out;
  }
}
