/** The vertices of the head, its ears, the neck and the shoulders. */
import { cosine, hill, mix, ramp, sine } from './curves.js';
import type { Expression, Head } from './head.js';
import { Part, type Scene } from './scene.js';

/** How fine the grids are: rows above the brows, rows of the face, columns around; rows and columns of hair. */
export interface Detail {
  crown: number;
  face: number;
  columns: number;
  hairRows: number;
  hairColumns: number;
}

/**
 * Angles once around the head, -pi at the back to pi, closer together in front; with their sines and cosines.
 *
 * @param even   part of the way that goes in equal steps
 * @param front  part of it that goes in steps finer in front; 1 - even
 */
export function around(
  columns: number,
  even: number,
  front: number,
): { angles: Float64Array; sines: Float64Array; cosines: Float64Array } {
  const angles = Float64Array.from({ length: columns }, (_, c) => {
    const s = (c / columns) * 2 - 1;
    return Math.PI * (even * s + front * s * s * s);
  });
  return { angles, sines: angles.map(sine), cosines: angles.map(cosine) };
}

/** The head at rest, kept for all pictures of one person at one age. */
export class HeadMesh {
  readonly rows: number;
  readonly columns: number;
  readonly rest: Float32Array;
  /** How much a vertex is front (1) and how much back (0). */
  readonly front: Float32Array;

  constructor(head: Head, detail: Detail) {
    const rows = detail.crown + detail.face;
    const columns = detail.columns;
    this.rows = rows;
    this.columns = columns;
    this.rest = new Float32Array(3 * rows * columns);
    this.front = new Float32Array(rows * columns);
    const brow = -0.34;
    const { sines, cosines } = around(columns, 0.42, 0.58);
    for (let r = 0; r < rows; r++) {
      const t = r / detail.crown;
      const y =
        r < detail.crown
          ? head.top + (brow - head.top) * t * (0.4 + 0.6 * t)
          : mix(brow, head.bottom, (r - detail.crown) / (detail.face - 1));
      const a = head.width(y);
      const middle = head.middle(y);
      const ahead = head.front(y) - middle;
      const behind = middle - head.back(y);
      for (let c = 0; c < columns; c++) {
        const sin = sines[c]!;
        const cos = cosines[c]!;
        const v = r * columns + c;
        const x = a * sin;
        this.rest[3 * v] = x;
        this.rest[3 * v + 1] = y;
        this.rest[3 * v + 2] =
          middle + (cos > 0 ? ahead : behind) * cos + (cos > 0 ? head.relief(x, y) * ramp(0, 0.4, cos) : 0);
        this.front[v] = ramp(-0.3, 0.35, cos);
      }
    }
  }

  build(scene: Scene, expression: Expression): void {
    const first = scene.vertices;
    const { rest, place } = scene;
    const n = this.rows * this.columns;
    rest.set(this.rest, 3 * first);
    place.set(this.rest, 3 * first);
    if (!expression.still)
      for (let v = 0; v < n; v++) {
        const front = this.front[v]!;
        const y = this.rest[3 * v + 1]!;
        if (front === 0 || y < 0.1) continue;
        const x = this.rest[3 * v]!;
        const o = 3 * (first + v);
        const drop = expression.drop(y, front);
        rest[o + 1] = y + drop;
        place[o + 1] = y + drop + expression.lift(x, y) * front;
        place[o + 2] = place[o + 2]! + expression.bulge(x, y) * front;
      }
    scene.vertices = first + n;
    scene.grid(first, this.rows, this.columns, true, Part.Head);
  }
}

/** An ear: a tilted shell with a raised rim and a hollow. */
export function buildEar(scene: Scene, head: Head, side: -1 | 1): void {
  const p = head.person;
  const rings = 6;
  const columns = 14;
  const first = scene.vertices;
  const { rest, place } = scene;
  const tall = p.earSize * (1 + 0.1 * head.aging);
  const wide = tall * 0.56;
  const cy = 0.2;
  const cx = head.width(cy) - 0.05;
  const so = sine(0.25 + 0.5 * p.earOut);
  const co = cosine(0.25 + 0.5 * p.earOut);
  for (let r = 0; r < rings; r++)
    for (let c = 0; c < columns; c++) {
      const rho = r / (rings - 1);
      const angle = side * (c / columns) * 2 * Math.PI;
      const across = rho * cosine(angle); // -1 front .. 1 back
      const down = rho * sine(angle);
      const back = (across * (1 - 0.3 * ramp(0, 1, down)) + 0.75 - 0.12 * down) * wide;
      const rim =
        0.05 * hill(((rho - 0.86) / 0.32) ** 2) * (across > -0.5 ? 1 : 0.4) -
        0.05 * hill((across * across + (down - 0.1) ** 2) / 0.35);
      const out = rim + 0.02 - (rho > 0.95 ? 0.03 : 0);
      const v = first + r * columns + c;
      place[3 * v] = side * (cx + back * so + out * co);
      place[3 * v + 1] = cy + down * tall * 0.98;
      place[3 * v + 2] = -0.06 - back * co + out * so;
      rest[3 * v] = across;
      rest[3 * v + 1] = down;
      rest[3 * v + 2] = rho;
    }
  scene.vertices = first + rings * columns;
  scene.grid(first, rings, columns, true, Part.Ear);
}

/** A tube through rings (y, half width, half depth, z of the center). */
function buildTube(scene: Scene, rings: readonly (readonly number[])[], columns: number, part: Part): void {
  const first = scene.vertices;
  const { rest, place } = scene;
  const { sines, cosines } = around(columns, 1, 0);
  rings.forEach(([y, a, b, z], r) => {
    for (let c = 0; c < columns; c++) {
      const v = first + r * columns + c;
      rest[3 * v] = place[3 * v] = a! * sines[c]!;
      rest[3 * v + 1] = place[3 * v + 1] = y!;
      rest[3 * v + 2] = place[3 * v + 2] = z! + b! * cosines[c]!;
    }
  });
  scene.vertices = first + rings.length * columns;
  scene.grid(first, rings.length, columns, true, part);
}

export function buildNeckAndShoulders(scene: Scene, head: Head): void {
  const p = head.person;
  const girth = 0.46 + 0.045 * p.sex + 0.03 * p.fullness;
  const base = head.chin;
  buildTube(
    scene,
    [[0.5, girth, girth, -0.22], [0.8, girth, girth, -0.2], [base - 0.1, girth * 0.98, girth * 0.95, -0.2], [base + 0.15, girth, girth, -0.22],
     [base + 0.5, girth * 1.12, girth * 1.05, -0.25], [base + 0.8, girth * 1.5, girth, -0.25]], // prettier-ignore
    20,
    Part.Neck,
  );
  buildTube(
    scene,
    [[base + 0.34, girth * 1.12, girth * 1.1, -0.25], [base + 0.42, girth * 1.5, girth * 1.25, -0.25], [base + 0.55, 1.25 + 0.1 * p.sex, 0.62, -0.25],
     [base + 0.72, 1.62 + 0.15 * p.sex, 0.7, -0.25], [base + 2, 1.75, 0.75, -0.25]], // prettier-ignore
    24,
    Part.Shirt,
  );
}
