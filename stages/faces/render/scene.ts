/**
 * Triangles of one picture and which of them each sample sees (a visibility buffer): samples keep the number of the nearest
 * triangle and its depth; colours are worked out later, only for what is seen.
 */

export const enum Part {
  Head = 1,
  Ear,
  Neck,
  Shirt,
  Hair,
  Hat,
}

export class Scene {
  vertices = 0;
  triangles = 0;
  /** Place on the resting head, for painting: 3 a vertex. */
  readonly rest: Float32Array;
  /** Place on the head as it is now, 3 a vertex. */
  readonly place: Float32Array;
  /** Normal on the head, then turned to the camera, 3 a vertex. */
  readonly normal: Float32Array;
  /** One number a vertex: distance from the edge for hair. */
  readonly extra: Float32Array;
  /** Sample coordinates and depth (larger is nearer), 3 a vertex. */
  readonly screen: Float32Array;
  readonly corners: Int32Array;
  readonly part: Uint8Array;

  constructor(maxVertices: number, maxTriangles: number) {
    this.rest = new Float32Array(3 * maxVertices);
    this.place = new Float32Array(3 * maxVertices);
    this.normal = new Float32Array(3 * maxVertices);
    this.screen = new Float32Array(3 * maxVertices);
    this.extra = new Float32Array(maxVertices);
    this.corners = new Int32Array(3 * maxTriangles);
    this.part = new Uint8Array(maxTriangles);
  }

  clear(): void {
    this.vertices = 0;
    this.triangles = 0;
  }

  /** Joins a grid of vertices that begins at `first`, and gives its vertices normals. `closed`: the last column joins the first. */
  grid(first: number, rows: number, columns: number, closed: boolean, part: Part): void {
    const { place, normal, corners } = this;
    for (let r = 0; r < rows; r++) {
      const up = first + (r > 0 ? r - 1 : r) * columns;
      const down = first + (r < rows - 1 ? r + 1 : r) * columns;
      for (let c = 0; c < columns; c++) {
        const left = c > 0 ? c - 1 : closed ? columns - 1 : 0;
        const right = c < columns - 1 ? c + 1 : closed ? 0 : c;
        const here = first + r * columns;
        const l = 3 * (here + left);
        const q = 3 * (here + right);
        const u = 3 * (up + c);
        const d = 3 * (down + c);
        const ax = place[q]! - place[l]!;
        const ay = place[q + 1]! - place[l + 1]!;
        const az = place[q + 2]! - place[l + 2]!;
        const bx = place[d]! - place[u]!;
        const by = place[d + 1]! - place[u + 1]!;
        const bz = place[d + 2]! - place[u + 2]!;
        const nx = ay * bz - az * by;
        const ny = az * bx - ax * bz;
        const nz = ax * by - ay * bx;
        const length = Math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9;
        const o = 3 * (here + c);
        normal[o] = nx / length;
        normal[o + 1] = ny / length;
        normal[o + 2] = nz / length;
      }
    }
    let t = this.triangles;
    for (let r = 0; r + 1 < rows; r++)
      for (let c = 0; c < (closed ? columns : columns - 1); c++) {
        const a = first + r * columns + c;
        const b = first + r * columns + (c + 1 === columns ? 0 : c + 1);
        corners[3 * t] = a;
        corners[3 * t + 1] = b;
        corners[3 * t + 2] = a + columns;
        this.part[t++] = part;
        corners[3 * t] = b;
        corners[3 * t + 1] = b + columns;
        corners[3 * t + 2] = a + columns;
        this.part[t++] = part;
      }
    this.triangles = t;
  }
}

/** Which triangle each sample sees, 0 for none, else its number + 1. */
export class Visibility {
  readonly triangle: Int32Array;
  readonly depth: Float32Array;

  constructor(readonly side: number) {
    this.triangle = new Int32Array(side * side);
    this.depth = new Float32Array(side * side);
  }

  /** Draws triangles from..to. Those that turn away are left out where `oneSided`. */
  draw(scene: Scene, from: number, to: number, oneSided: boolean): void {
    const { side, triangle, depth } = this;
    const { corners, screen } = scene;
    for (let t = from; t < to; t++) {
      const a = 3 * corners[3 * t]!;
      let b = 3 * corners[3 * t + 1]!;
      let c = 3 * corners[3 * t + 2]!;
      const ax = screen[a]!;
      const ay = screen[a + 1]!;
      let area = (screen[b]! - ax) * (screen[c + 1]! - ay) - (screen[b + 1]! - ay) * (screen[c]! - ax);
      if (area <= 0) {
        if (oneSided || area === 0) continue;
        const kept = b;
        b = c;
        c = kept;
        area = -area;
      }
      const bx = screen[b]!;
      const by = screen[b + 1]!;
      const cx = screen[c]!;
      const cy = screen[c + 1]!;
      let low = ax < bx ? ax : bx;
      let high = ax < bx ? bx : ax;
      if (cx < low) low = cx;
      if (cx > high) high = cx;
      if (high <= 0.5 || low >= side) continue;
      // Sample centers lie at integers + 0.5; numbers are positive where they are cut to integers.
      const x0 = low <= 0.5 ? 0 : (low + 0.5) | 0;
      const x1 = high >= side ? side - 1 : (high - 0.5) | 0;
      low = ay < by ? ay : by;
      high = ay < by ? by : ay;
      if (cy < low) low = cy;
      if (cy > high) high = cy;
      if (high <= 0.5 || low >= side) continue;
      const y0 = low <= 0.5 ? 0 : (low + 0.5) | 0;
      const y1 = high >= side ? side - 1 : (high - 0.5) | 0;
      if (x0 > x1 || y0 > y1) continue;
      // Weights (times area) of a, b and c grow by this from one sample to the next; where one grows from 0 lies an end of the row.
      const aAlong = by - cy;
      const bAlong = cy - ay;
      const cAlong = ay - by;
      const inverse = 1 / area;
      const za = screen[a + 2]!;
      const zb = (screen[b + 2]! - za) * inverse;
      const zc = (screen[c + 2]! - za) * inverse;
      const zAlong = zb * bAlong + zc * cAlong;
      const zDown = zb * (ax - cx) + zc * (bx - ax);
      // Depth at the first sample of the first row, then of each row's.
      let zRow = za + (x0 + 0.5 - ax) * zAlong + (y0 + 0.5 - ay) * zDown;
      // Two edges at most bound a row on one side.
      let left = x0;
      let leftStep = 0;
      let left2 = x0;
      let left2Step = 0;
      let right = x1;
      let rightStep = 0;
      let right2 = x1;
      let right2Step = 0;
      const firstY = y0 + 0.5;
      if (bAlong !== 0) {
        const step = (cx - ax) / bAlong;
        const x = ax - 0.5 + (firstY - ay) * step;
        if (bAlong > 0) {
          left = x;
          leftStep = step;
        } else {
          right = x;
          rightStep = step;
        }
      }
      if (cAlong !== 0) {
        const step = (ax - bx) / cAlong;
        const x = ax - 0.5 + (firstY - ay) * step;
        if (cAlong > 0) {
          left2 = x;
          left2Step = step;
        } else {
          right2 = x;
          right2Step = step;
        }
      }
      if (aAlong !== 0) {
        const step = (bx - cx) / aAlong;
        const x = bx - 0.5 + (firstY - by) * step;
        if (aAlong > 0) {
          if (bAlong > 0) {
            left2 = x;
            left2Step = step;
          } else {
            left = x;
            leftStep = step;
          }
        } else if (bAlong < 0) {
          right2 = x;
          right2Step = step;
        } else {
          right = x;
          rightStep = step;
        }
      }
      for (let y = y0; y <= y1; y++) {
        let from = left > left2 ? left : left2;
        let to = right < right2 ? right : right2;
        left += leftStep;
        left2 += left2Step;
        right += rightStep;
        right2 += right2Step;
        if (from < x0) from = x0;
        if (to > x1) to = x1;
        const zFirst = zRow;
        zRow += zDown;
        if (from > to) continue;
        const x = Math.ceil(from) | 0;
        const row = y * side;
        const end = row + (to | 0);
        let z = zFirst + (x - x0) * zAlong;
        for (let at = row + x; at <= end; at++) {
          if (z > depth[at]!) {
            depth[at] = z;
            triangle[at] = t + 1;
          }
          z += zAlong;
        }
      }
    }
  }

  clear(): void {
    this.triangle.fill(0);
    this.depth.fill(-1e9);
  }
}
