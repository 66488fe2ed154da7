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
      const inverse = 1 / area;
      const za = screen[a + 2]!;
      const zb = (screen[b + 2]! - za) * inverse;
      const zc = (screen[c + 2]! - za) * inverse;
      // Barycentric weights (times area) of b and c, and how they change along a row and a column.
      const bAlong = cy - ay;
      const bDown = ax - cx;
      const cAlong = ay - by;
      const cDown = bx - ax;
      for (let y = y0; y <= y1; y++) {
        const px = x0 + 0.5 - ax;
        const py = y + 0.5 - ay;
        let wb = px * bAlong + py * bDown;
        let wc = px * cAlong + py * cDown;
        for (let at = y * side + x0, end = y * side + x1; at <= end; at++) {
          if (wb >= 0 && wc >= 0 && wb + wc <= area) {
            const z = za + zb * wb + zc * wc;
            if (z > depth[at]!) {
              depth[at] = z;
              triangle[at] = t + 1;
            }
          }
          wb += bAlong;
          wc += cAlong;
        }
      }
    }
  }

  clear(): void {
    this.triangle.fill(0);
    this.depth.fill(-1e9);
  }
}
