/**
 * Hair: where it ends (the hairline, an edge given around the head), how thick it lies, and the shell of vertices it is drawn with.
 * The same edge paints hair roots on the scalp, so that no skin shows where strands are thin.
 */
import { clamp, curveThrough, mix, noise2, ramp, sine } from './curves.js';
import { around, type Detail } from './body.js';
import type { Head } from './head.js';
import type { HairStyle } from './person.js';
import type { Scene } from './scene.js';
import { Part } from './scene.js';
import type { Shot } from './shot.js';

/** Anchors of the edge: the way around the head, 0 front, 1 side (ear), 2 back. */
const WAYS = [0, 0.22, 0.42, 0.56, 0.66, 0.75, 0.86, 1, 1.12, 1.4, 2];
const EDGE_STEPS = 160;

interface Cut {
  top: number;
  side: number;
  /** Part of the thickness that is left at the edge. */
  rim: number;
  /** How ragged the edge is. */
  jag: number;
  curl: number;
}

const CUTS: Record<HairStyle, Cut | undefined> = {
  bald: undefined,
  buzz: undefined,
  short: { top: 0.11, side: 0.03, rim: 0.25, jag: 0.09, curl: 0 },
  parted: { top: 0.13, side: 0.035, rim: 0.4, jag: 0.05, curl: 0 },
  fringe: { top: 0.09, side: 0.06, rim: 0.6, jag: 0.06, curl: 0 },
  curly: { top: 0.17, side: 0.11, rim: 0.7, jag: 0.09, curl: 1 },
  afro: { top: 0.36, side: 0.28, rim: 0.6, jag: 0.05, curl: 1 },
  bob: { top: 0.08, side: 0.09, rim: 0.55, jag: 0.03, curl: 0 },
  long: { top: 0.07, side: 0.08, rim: 0.5, jag: 0.03, curl: 0 },
  back: { top: 0.05, side: 0.025, rim: 0.2, jag: 0.03, curl: 0 },
};

export class Hair {
  readonly style: HairStyle;
  readonly curl: number;
  readonly jag: number;
  readonly #cut: Cut | undefined;
  readonly #edge: number[];
  /** The edge of a hat, where one is worn. */
  readonly #brim: number[] | undefined;
  readonly #table = new Float64Array(EDGE_STEPS + 1);
  readonly #sweep: number;
  readonly #volume: number;

  constructor(
    private readonly head: Head,
    shot: Shot,
    age: number,
  ) {
    const p = head.person;
    this.style = p.hairStyle;
    this.#cut = CUTS[p.hairStyle];
    this.curl = this.#cut?.curl ? 1 : p.wave * 0.5;
    this.jag = this.#cut?.jag ?? 0.02;
    this.#volume = p.hairVolume * (1 + 0.15 * shot.hairShift);
    const receding = p.recession * (0.25 + 0.9 * ramp(25, 65, age));
    const line = p.hairline - 0.16 * receding + 0.04 * shot.hairShift * (p.hairStyle === 'fringe' ? 1 : 0);
    const corner = 0.2 * receding; // temples go first
    const burn = p.sex > 0 ? 0.16 + 0.14 * p.hairLength : -0.08;
    const bare = [
      line + 0.05 * p.peak,
      line + 0.01 - corner * 0.6,
      line + 0.07 - corner,
      -0.5 - corner * 0.5,
      -0.42,
      -0.28,
    ];
    const cropped = [...bare, burn, burn - 0.06, -0.05, 0.45, 0.72];
    const long = mix(0.95, 1.7, p.hairLength);
    const bob = mix(0.62, 0.98, p.hairLength);
    const curtain = (end: number): number[] => [
      ...bare.slice(0, 3),
      -0.38,
      mix(-0.1, end, 0.35),
      mix(0.1, end, 0.8),
      end,
      end,
      end,
      end,
      end,
    ];
    switch (p.hairStyle) {
      case 'fringe': {
        const low = mix(-0.44, -0.27, p.hairLength) + 0.04 * shot.hairShift;
        const rest = p.sex > 0 ? cropped.slice(4) : curtain(p.texture % 2 ? long : bob).slice(4);
        this.#edge = [low, low + 0.01, low + 0.03, low + 0.08, ...rest];
        break;
      }
      case 'curly': {
        const end = p.sex > 0 ? mix(0.15, 0.45, p.hairLength) : mix(0.5, 1.3, p.hairLength);
        this.#edge = [
          ...bare.slice(0, 3),
          -0.35,
          mix(-0.2, end, 0.2),
          mix(0, end, 0.6),
          end,
          end,
          end,
          end + 0.2,
          end + 0.3,
        ];
        break;
      }
      case 'afro':
        this.#edge = [...bare, 0.12, 0.2, 0.3, 0.6, 0.7];
        break;
      case 'bob':
        this.#edge = curtain(bob);
        break;
      case 'long':
        this.#edge = curtain(long);
        break;
      case 'bald':
        this.#edge = [-1.3, -1.3, -1.3, -1.2, -1, -0.6, -0.05, -0.1, -0.05, 0.45, 0.7];
        break;
      case 'back':
        this.#edge = [...bare, p.sex > 0 ? burn : -0.02, -0.12, -0.1, 0.3, 0.55];
        break;
      default:
        this.#edge = cropped;
    }
    this.#sweep =
      p.partSide *
      (p.hairStyle === 'parted'
        ? 0.13
        : p.hairStyle === 'long' || p.hairStyle === 'bob'
          ? 0.07 + 0.06 * p.peak
          : p.hairStyle === 'fringe'
            ? 0.07 * p.peak
            : 0.02);
    if (shot.occluder.kind === 'hat') {
      const low = shot.occluder.low;
      this.#brim = [
        low,
        low,
        low + 0.01,
        low + 0.03,
        low + 0.07,
        low + 0.1,
        low + 0.16,
        -0.18,
        -0.1,
        0.05,
        0.1,
      ];
    }
    this.#fillTable();
  }

  /** Height down to which hair grows, at this way round the head (signed: negative to the picture's left). */
  edge(way: number): number {
    const at = clamp((way + 2) * (EDGE_STEPS / 4), 0, EDGE_STEPS - 0.001);
    const k = at | 0;
    return this.#table[k]! + (this.#table[k + 1]! - this.#table[k]!) * (at - k);
  }

  #fillTable(): void {
    for (let k = 0; k <= EDGE_STEPS; k++) {
      const way = (k * 4) / EDGE_STEPS - 2;
      const w = Math.abs(way);
      let y = curveThrough(WAYS, this.#edge, w);
      if (w < 0.7) y += this.#sweep * way * 1.6 * (1 - ramp(0.4, 0.7, w));
      this.#table[k] = y;
    }
  }

  /** Seeds the pattern of the strands. */
  get texture(): number {
    return this.head.person.texture;
  }

  /** The side strands lean to, -1 or 1. */
  get lean(): number {
    return this.head.person.partSide;
  }

  /** Whether strands lie this way and that. */
  get tousled(): boolean {
    return this.style === 'short' || this.style === 'parted';
  }

  /** How gradually hair begins at the forehead: combed back it thins out, a fringe ends. */
  get softness(): number {
    return this.tousled || this.style === 'back' ? 0.07 : this.style === 'fringe' ? 0.005 : 0.04;
  }

  /** Adds hair, and a hat over it, to the scene. */
  build(scene: Scene, detail: Pick<Detail, 'hairRows' | 'hairColumns'>): void {
    // A hat presses the hair flat.
    if (this.#cut)
      this.#shell(scene, this.#brim ? { ...this.#cut, top: 0.03 } : this.#cut, Part.Hair, detail);
    if (this.#brim)
      this.#shell(scene, { top: 0.12, side: 0.075, rim: 0.9, jag: 0, curl: 0 }, Part.Hat, detail);
  }

  /** A shell over the skull; its vertices' `extra` is the distance above the edge. */
  #shell(
    scene: Scene,
    cut: Cut,
    part: Part.Hair | Part.Hat,
    { hairRows: rows, hairColumns: columns }: Pick<Detail, 'hairRows' | 'hairColumns'>,
  ): void {
    const { head } = this;
    const p = head.person;
    const hat = part === Part.Hat;
    const brim = this.#brim ?? [];
    const volume = hat ? 1 : this.#volume;
    const first = scene.vertices;
    const { rest, place, extra } = scene;
    const full = head.width(-0.4);
    const loose = cut.curl ? 0.55 : 0.14;
    const { angles, sines, cosines } = around(columns, 0.7, 0.3);
    const ways = angles.map((_, c) => wayRound(sines[c]!, cosines[c]!));
    const lows = ways.map((way) => (hat ? curveThrough(WAYS, brim, Math.abs(way)) : this.edge(way)));
    for (let r = 0; r < rows; r++) {
      const t = r / (rows - 1);
      for (let c = 0; c < columns; c++) {
        const angle = angles[c]!;
        const sin = sines[c]!;
        const cos = cosines[c]!;
        const way = ways[c]!;
        const low = lows[c]!;
        const y = head.top + (low - head.top) * t * (0.45 + 0.55 * t);
        const e = low - y;
        const ySkin = y > 0.05 ? 0.05 : y;
        const a = head.width(ySkin);
        const middle = head.middle(ySkin);
        const depth = cos > 0 ? head.front(ySkin) - middle : middle - head.back(ySkin);
        const cap = clamp(a / full, 0, 1);
        const lumps = noise2((angle + 9) * (cut.curl ? 5 : 9) + p.texture, y * (cut.curl ? 6 : 1.2)) - 0.5;
        let thick = mix(cut.side, cut.top, ramp(-0.2, -0.85, y)) * volume;
        thick *=
          mix(cut.rim, 1, ramp(0, 0.22, e)) *
          (1 + loose * lumps * 2) *
          (1 - 0.25 * p.partSide * sin * (this.style === 'parted' ? 1 : 0));
        if (y > 0.1 && !hat)
          thick +=
            (0.05 + 0.05 * p.wave * sine(y * 9 + p.texture)) * ramp(0.1, 0.7, y) * (cut.curl ? 1.6 : 1);
        const out = 0.012 + thick;
        const v = first + r * columns + c;
        place[3 * v] = a * sin + sin * cap * out;
        place[3 * v + 1] = y - (1 - cap * 0.85) * out;
        place[3 * v + 2] = middle + depth * cos + cos * cap * out;
        rest[3 * v] = way;
        rest[3 * v + 1] = y;
        rest[3 * v + 2] = angle;
        extra[v] = e;
      }
    }
    scene.vertices = first + rows * columns;
    scene.grid(first, rows, columns, true, part);
  }
}

/** The way round the head from its sine and cosine: 0 front, 1 side, 2 back, negative on the left. (A diamond angle: no arctangent.) */
export function wayRound(sin: number, cos: number): number {
  const s = sin < 0 ? -sin : sin;
  const way = cos >= 0 ? s / (s + cos + 1e-9) : 2 - s / (s - cos + 1e-9);
  return sin < 0 ? -way : way;
}
