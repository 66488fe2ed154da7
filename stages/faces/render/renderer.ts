/**
 * One picture of one person: builds the head for the shot, places the camera on the ArcFace template, finds what each sample sees,
 * and paints and lights it. Pixels are a pure function of (person, shot, size).
 *
 * Four samples a pixel decide what is seen. Where all four see the same smooth surface, one of them is painted (two in small pictures);
 * at edges all four are. The painting itself is never sharper than a sample.
 */
import { Backdrop } from './backdrop.js';
import { buildEar, buildNeckAndShoulders, HeadMesh, type Detail } from './body.js';
import { Camera } from './camera.js';
import { clamp, mix, noise2, ramp, toLinear } from './curves.js';
import { develop } from './develop.js';
import { Hair } from './hair.js';
import { Expression, Head } from './head.js';
import { Painter } from './paint.js';
import type { Person } from './person.js';
import { Part, Scene, Visibility } from './scene.js';
import type { Shot } from './shot.js';
import { Glasses, InTheWay } from './worn.js';

const SHADOW_STEPS = [0.035, 0.08, 0.14, 0.22, 0.34, 0.5];

export class FaceRenderer {
  readonly #samples: number;
  readonly #scene = new Scene(9000, 18000);
  readonly #skin: Visibility;
  readonly #hairSeen: Visibility;
  readonly #light: Float32Array;
  readonly #detail: Detail;
  readonly #small: boolean;
  #lastPerson: Person | undefined;
  #lastAge = NaN;
  #head!: Head;
  #mesh!: HeadMesh;

  // The picture in the making
  #shot!: Shot;
  #camera!: Camera;
  #painter!: Painter;
  #hair!: Hair;
  #backdrop!: Backdrop;
  #glasses: Glasses | undefined;
  #inTheWay: InTheWay | undefined;
  #unit = 1;
  #half: readonly [number, number, number] = [0, 0, 1];
  #rgb = new Float64Array(3);
  /** Whether the hair last shaded lies well above its lower end, with more hair behind it. */
  #deepHair = false;

  /** @param size width and height in pixels, 16 or more */
  constructor(readonly size: number) {
    this.#samples = 2 * size;
    this.#skin = new Visibility(this.#samples);
    this.#hairSeen = new Visibility(this.#samples);
    this.#light = new Float32Array(size * size * 3);
    this.#small = size < 64;
    this.#detail =
      size < 64
        ? { crown: 7, face: 34, columns: 42, hairRows: 15, hairColumns: 50 }
        : { crown: 12, face: 50, columns: 60, hairRows: 22, hairColumns: 72 };
  }

  /** Fills size * size * 3 bytes (RGB) of `out` from `offset`. */
  render(person: Person, shot: Shot, out: Uint8Array, offset = 0): void {
    this.#prepare(person, shot);
    for (let y = 0; y < this.size; y++) this.#row(y);
    develop(this.#light, this.size, shot, out, offset);
  }

  /** One row of pixels; a function of its own, as V8 compiles long loops of a rarely called one again and again. */
  #row(y: number): void {
    const { size } = this;
    const samples = this.#samples;
    const light = this.#light;
    const rgb = this.#rgb;
    for (let x = 0; x < size; x++) {
      const at = 2 * y * samples + 2 * x;
      const o = 3 * (y * size + x);
      const smooth = this.#smooth(at);
      let r = 0;
      let g = 0;
      let b = 0;
      let taken = 0;
      if (smooth && !this.#small) {
        this.#shade(2 * x + 1, 2 * y + 1, at);
        r = rgb[0]!;
        g = rgb[1]!;
        b = rgb[2]!;
        taken = 1;
      } else
        for (let k = 0; k < 4; k += smooth ? 3 : 1) {
          const dx = k & 1;
          const dy = k >> 1;
          this.#shade(2 * x + dx + 0.5, 2 * y + dy + 0.5, at + dy * samples + dx);
          r += rgb[0]!;
          g += rgb[1]!;
          b += rgb[2]!;
          taken++;
        }
      light[o] = r / taken;
      light[o + 1] = g / taken;
      light[o + 2] = b / taken;
    }
  }

  /**
   * Pixel coordinates of the five landmarks in the picture last rendered (x, y five times; pixel centers at integers).
   */
  landmarks(): Float64Array {
    const points = new Expression(this.#head, this.#shot).landmarks();
    const out = new Float64Array(10);
    for (let k = 0; k < 5; k++) {
      const [x, y] = this.#camera.toPicture(points[3 * k]!, points[3 * k + 1]!, points[3 * k + 2]!);
      out[2 * k] = x - 0.5;
      out[2 * k + 1] = y - 0.5;
    }
    return out;
  }

  #prepare(person: Person, shot: Shot): void {
    const age = Math.round(shot.age);
    if (person !== this.#lastPerson || age !== this.#lastAge) {
      this.#head = new Head(person, age);
      this.#mesh = new HeadMesh(this.#head, this.#detail);
      this.#lastPerson = person;
      this.#lastAge = age;
    }
    const head = this.#head;
    const samples = this.#samples;
    const scene = this.#scene;
    const expression = new Expression(head, shot);
    const camera = new Camera(expression.landmarks(), shot, this.size);
    const hair = new Hair(head, shot, age);
    this.#shot = shot;
    this.#camera = camera;
    this.#hair = hair;
    this.#unit = camera.unit(samples);
    this.#painter = new Painter(head, expression, hair, shot, (this.#small ? 1.2 : 2) / this.#unit);
    this.#backdrop = new Backdrop(shot.background);
    this.#glasses = shot.glasses === 'none' ? undefined : new Glasses(head, camera, shot, samples);
    this.#inTheWay =
      shot.occluder.kind === 'hand' || shot.occluder.kind === 'thing'
        ? new InTheWay(shot, person.skin)
        : undefined;
    const h = [shot.light[0], shot.light[1], shot.light[2] + 1];
    const length = Math.sqrt(h[0]! * h[0]! + h[1]! * h[1]! + h[2]! * h[2]!) + 1e-9;
    this.#half = [h[0]! / length, h[1]! / length, h[2]! / length];

    scene.clear();
    this.#mesh.build(scene, expression);
    const headTriangles = scene.triangles;
    if (hair.edge(1) < 0.35) {
      buildEar(scene, head, -1);
      buildEar(scene, head, 1);
    }
    const earTriangles = scene.triangles;
    buildNeckAndShoulders(scene, head);
    const skinTriangles = scene.triangles;
    hair.build(scene, this.#detail);
    camera.transform(scene.place, scene.normal, scene.screen, 0, scene.vertices, samples);
    this.#skin.clear();
    this.#hairSeen.clear();
    this.#skin.draw(scene, 0, headTriangles, true);
    this.#skin.draw(scene, headTriangles, earTriangles, false);
    this.#skin.draw(scene, earTriangles, skinTriangles, true);
    this.#hairSeen.draw(scene, skinTriangles, scene.triangles, false);
  }

  /** Whether four samples see one smooth surface, so that one stands for all. */
  #smooth(at: number): boolean {
    const samples = this.#samples;
    const hair = this.#hairSeen;
    const { triangle, depth } = this.#skin;
    const part = this.#scene.part;
    const t = triangle[at]!;
    const p = t === 0 ? 0 : part[t - 1]!;
    const bald = hair.triangle[at]! === 0;
    const covered = hair.depth[at]! > depth[at]!;
    for (let i = 1; i < 4; i++) {
      const k = at + (i & 1) + (i >> 1) * samples;
      const other = triangle[k]!;
      if ((other === 0 ? 0 : part[other - 1]!) !== p) return false;
      if (p !== 0 && Math.abs(depth[k]! - depth[at]!) > 0.12) return false;
      if ((hair.triangle[k]! === 0) !== bald) return false;
      if (!bald && hair.depth[k]! > depth[k]! !== covered) return false;
    }
    return true;
  }

  /** Linear light of the sample at (sx, sy) that sees what sample `at` sees; into #rgb. */
  #shade(sx: number, sy: number, at: number): void {
    const rgb = this.#rgb;
    const samples = this.#samples;
    const skinTriangle = this.#skin.triangle[at]!;
    const hairTriangle = this.#hairSeen.triangle[at]!;
    let depth = this.#skin.depth[at]!;
    let hairAlpha = 0;
    let hr = 0;
    let hg = 0;
    let hb = 0;
    const shaded = hairTriangle !== 0 && this.#hairSeen.depth[at]! > depth;
    if (shaded) {
      hairAlpha = this.#shadeHair(hairTriangle - 1, sx, sy);
      hr = rgb[0]!;
      hg = rgb[1]!;
      hb = rgb[2]!;
    }
    if (hairAlpha < 0.995) {
      if (skinTriangle !== 0) this.#shadeSkin(skinTriangle - 1, sx, sy);
      else {
        this.#backdrop.at(sx / samples, sy / samples);
        rgb[0] = toLinear(clamp(this.#backdrop.r, 0, 1));
        rgb[1] = toLinear(clamp(this.#backdrop.g, 0, 1));
        rgb[2] = toLinear(clamp(this.#backdrop.b, 0, 1));
      }
    }
    // Between strands is more hair, not the wall behind.
    if (shaded && skinTriangle === 0 && hairAlpha < 1 && (this.#deepHair || this.#amidHair(at)))
      hairAlpha = 0.8 + 0.2 * hairAlpha;
    if (hairAlpha > 0) {
      rgb[0] = mix(rgb[0]!, hr, hairAlpha);
      rgb[1] = mix(rgb[1]!, hg, hairAlpha);
      rgb[2] = mix(rgb[2]!, hb, hairAlpha);
      if (hairAlpha > 0.5) depth = this.#hairSeen.depth[at]!;
    }
    const { keyColour, ambientColour } = this.#shot;
    if (this.#glasses) {
      const glasses = this.#glasses;
      glasses.at(sx, sy, depth);
      if (glasses.cover > 0) {
        rgb[0] = mix(rgb[0]!, toLinear(glasses.r) * (ambientColour[0] + 0.55 * keyColour[0]), glasses.cover);
        rgb[1] = mix(rgb[1]!, toLinear(glasses.g) * (ambientColour[1] + 0.55 * keyColour[1]), glasses.cover);
        rgb[2] = mix(rgb[2]!, toLinear(glasses.b) * (ambientColour[2] + 0.55 * keyColour[2]), glasses.cover);
      }
    }
    if (this.#inTheWay) {
      const thing = this.#inTheWay;
      thing.at(sx / samples, sy / samples, 0.7 / samples);
      if (thing.cover > 0) {
        rgb[0] = mix(rgb[0]!, toLinear(thing.r) * (ambientColour[0] + 0.7 * keyColour[0]), thing.cover);
        rgb[1] = mix(rgb[1]!, toLinear(thing.g) * (ambientColour[1] + 0.7 * keyColour[1]), thing.cover);
        rgb[2] = mix(rgb[2]!, toLinear(thing.b) * (ambientColour[2] + 0.7 * keyColour[2]), thing.cover);
      }
    }
  }

  /** Whether there is hair on all sides of a sample. */
  #amidHair(at: number): boolean {
    const { triangle } = this.#hairSeen;
    const down = 2 * this.#samples;
    return (
      triangle[at - 2] !== 0 &&
      triangle[at + 2] !== 0 &&
      triangle[at - down] !== 0 &&
      triangle[at + down] !== 0
    );
  }

  #shadeSkin(t: number, sx: number, sy: number): void {
    const { corners, screen, rest, normal, part } = this.#scene;
    const rgb = this.#rgb;
    const a = 3 * corners[3 * t]!;
    const b = 3 * corners[3 * t + 1]!;
    const c = 3 * corners[3 * t + 2]!;
    const ax = screen[a]!;
    const ay = screen[a + 1]!;
    const e1x = screen[b]! - ax;
    const e1y = screen[b + 1]! - ay;
    const e2x = screen[c]! - ax;
    const e2y = screen[c + 1]! - ay;
    const area = 1 / (e1x * e2y - e1y * e2x);
    const px = sx - ax;
    const py = sy - ay;
    const wb = clamp((px * e2y - py * e2x) * area, -0.5, 1.5);
    const wc = clamp((e1x * py - e1y * px) * area, -0.5, 1.5);
    const wa = 1 - wb - wc;
    let nx = wa * normal[a]! + wb * normal[b]! + wc * normal[c]!;
    let ny = wa * normal[a + 1]! + wb * normal[b + 1]! + wc * normal[c + 1]!;
    let nz = wa * normal[a + 2]! + wb * normal[b + 2]! + wc * normal[c + 2]!;
    const length = 1 / (Math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9);
    nx *= length;
    ny *= length;
    nz *= length;
    const z = wa * screen[a + 2]! + wb * screen[b + 2]! + wc * screen[c + 2]!;
    const rx = wa * rest[a]! + wb * rest[b]! + wc * rest[c]!;
    const ry = wa * rest[a + 1]! + wb * rest[b + 1]! + wc * rest[c + 1]!;
    const rz = wa * rest[a + 2]! + wb * rest[b + 2]! + wc * rest[c + 2]!;
    const paint = this.#painter;
    const kind = part[t]!;
    let skinLike = 1;
    if (kind === Part.Head) {
      paint.place[0] = rx;
      paint.place[1] = ry;
      paint.place[2] = rz;
      paint.paint();
    } else if (kind === Part.Ear) {
      paint.plainSkin(1);
      paint.open = 0.5 + 0.5 * ramp(0.2, 0.75, rz);
      if (nz < 0) {
        nx = -nx;
        ny = -ny;
        nz = -nz;
      }
    } else if (kind === Part.Neck) {
      paint.plainSkin(0.3);
      paint.open = 0.35 + 0.65 * ramp(0, 0.75, ry - this.#head.chin + 0.15);
      paint.gloss = 0.1;
    } else {
      const { shirt } = this.#shot;
      const weave = 0.93 + 0.14 * noise2(rx * 6, ry * 9);
      paint.r = shirt[0] * weave;
      paint.g = shirt[1] * weave;
      paint.b = shirt[2] * weave;
      paint.gloss = 0;
      paint.open = 0.9;
      paint.glint = 0;
      skinLike = 0;
    }
    const { light, keyColour, ambientColour } = this.#shot;
    const facing = nx * light[0] + ny * light[1] + nz * light[2];
    const shadow = facing > -0.3 ? this.#shadow(sx, sy, z, nx, ny, nz) : 1;
    const lit = 1 - shadow;
    // Light bleeds round the edge of shade, red furthest, as in skin.
    const w = 0.14 + 0.1 * skinLike;
    const dr =
      Math.max(0, (facing + w + 0.12 * skinLike) / (1 + w + 0.12 * skinLike)) *
      (lit + 0.1 * shadow * skinLike);
    const dg = Math.max(0, (facing + w) / (1 + w)) * lit;
    const db = Math.max(0, (facing + w - 0.04 * skinLike) / (1 + w - 0.04 * skinLike)) * lit;
    const open = paint.open;
    const sky = (0.8 - 0.22 * ny + 0.12 * nz) * open;
    // Bounce from skin to skin keeps hollows from going gray.
    const bounce = 1 + 0.12 * (1 - open) * skinLike;
    const nh = Math.max(0, nx * this.#half[0] + ny * this.#half[1] + nz * this.#half[2]);
    const p2 = nh * nh;
    const p4 = p2 * p2;
    const p8 = p4 * p4;
    const p16 = p8 * p8;
    const edge = 1 - Math.max(0, nz);
    const spec =
      paint.gloss * (0.055 * p8 + 0.09 * p16 * p16) * lit * open +
      0.035 * edge * edge * edge * ambientColour[1] * paint.gloss +
      paint.glint;
    const o = 0.6 + 0.4 * open;
    rgb[0] =
      toLinear(clamp(paint.r, 0, 1)) * (ambientColour[0] * sky * bounce + keyColour[0] * dr * o) +
      spec * keyColour[0];
    rgb[1] =
      toLinear(clamp(paint.g, 0, 1)) * (ambientColour[1] * sky + keyColour[1] * dg * o) + spec * keyColour[1];
    rgb[2] =
      toLinear(clamp(paint.b, 0, 1)) * (ambientColour[2] * sky + keyColour[2] * db * o) + spec * keyColour[2];
  }

  /** How much of the key light something nearer takes away, 0..1: looks along the light through the depths of the picture. */
  #shadow(sx: number, sy: number, z: number, nx: number, ny: number, nz: number): number {
    const samples = this.#samples;
    const unit = this.#unit;
    const { light } = this.#shot;
    const x0 = sx + nx * 0.02 * unit;
    const y0 = sy + ny * 0.02 * unit;
    const z0 = z + nz * 0.02 + 0.012;
    let dark = 0;
    for (let k = 0; k < SHADOW_STEPS.length; k++) {
      const t = SHADOW_STEPS[k]!;
      const x = (x0 + light[0] * t * unit) | 0;
      const y = (y0 + light[1] * t * unit) | 0;
      if (x < 0 || y < 0 || x >= samples || y >= samples) break;
      const at = y * samples + x;
      let near = this.#skin.depth[at]!;
      const hair = this.#hairSeen.depth[at]!;
      if (hair > near) near = hair - 0.02;
      const over = near - z0 - light[2] * t;
      if (over > 0 && over < 0.9) {
        const s = ramp(0, 0.015 + 0.2 * t, over);
        if (s > dark) dark = s;
      }
    }
    return dark * 0.88;
  }

  /** Returns how much the hair covers. */
  #shadeHair(t: number, sx: number, sy: number): number {
    const { corners, screen, rest, normal, extra, part } = this.#scene;
    const rgb = this.#rgb;
    const ia = corners[3 * t]!;
    const ib = corners[3 * t + 1]!;
    const ic = corners[3 * t + 2]!;
    const a = 3 * ia;
    const b = 3 * ib;
    const c = 3 * ic;
    const ax = screen[a]!;
    const ay = screen[a + 1]!;
    const e1x = screen[b]! - ax;
    const e1y = screen[b + 1]! - ay;
    const e2x = screen[c]! - ax;
    const e2y = screen[c + 1]! - ay;
    const area = 1 / (e1x * e2y - e1y * e2x);
    const px = sx - ax;
    const py = sy - ay;
    const wb = clamp((px * e2y - py * e2x) * area, -0.5, 1.5);
    const wc = clamp((e1x * py - e1y * px) * area, -0.5, 1.5);
    const wa = 1 - wb - wc;
    const hair = this.#hair;
    const person = this.#head.person;
    const { light, keyColour, ambientColour, occluder } = this.#shot;
    const e = wa * extra[ia]! + wb * extra[ib]! + wc * extra[ic]!;
    const y = wa * rest[a + 1]! + wb * rest[b + 1]! + wc * rest[c + 1]!;
    const ra = rest[a + 2]!;
    // The angle jumps by a full turn at the back of the head.
    const near = (angle: number): number =>
      angle - ra > 3 ? angle - 2 * Math.PI : angle - ra < -3 ? angle + 2 * Math.PI : angle;
    const angle = wa * ra + wb * near(rest[b + 2]!) + wc * near(rest[c + 2]!);
    let nx = wa * normal[a]! + wb * normal[b]! + wc * normal[c]!;
    let ny = wa * normal[a + 1]! + wb * normal[b + 1]! + wc * normal[c + 1]!;
    let nz = wa * normal[a + 2]! + wb * normal[b + 2]! + wc * normal[c + 2]!;
    const length = 1 / (Math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9);
    const inside = nz < 0;
    nx *= length;
    ny *= length;
    nz *= length;
    const hat = part[t]! === Part.Hat;
    const curl = hair.curl;
    const lean = person.partSide;
    const fine =
      curl >= 1
        ? noise2(angle * 17 + person.texture, y * 17)
        : hair.tousled
          ? noise2(angle * 20 + y * 9 * lean + person.texture, y * 6 - angle * 3 * lean)
          : noise2(angle * 30 + curl * 2.2 * noise2(y * 5, 7) + y * 2 * lean + person.texture, y * 2.2);
    const coarse =
      curl >= 1
        ? noise2(angle * 7 + 5, y * 8 + person.texture)
        : noise2(angle * 11 + person.texture + y * person.partSide, y * 1.1);
    const strand = hat ? 0.9 + 0.1 * noise2(angle * 40, 3) : 0.45 + 0.38 * fine + 0.42 * coarse;
    const soft = 0.02 + 1.2 / this.#unit + hair.softness * (1 - ramp(0.5, 1, Math.abs(rest[a]!)));
    const ragged = hat ? 0 : (fine - 0.35) * hair.jag * 1.6;
    let alpha = ramp(0, soft + hair.jag * 0.5, e + ragged);
    const rim = nz < 0 ? -nz : nz;
    if (!hat) alpha *= ramp(0, 0.16, rim + 0.12 * (fine - 0.3)) * 0.98 + 0.02;
    const facing = nx * light[0] + ny * light[1] + nz * light[2];
    const shadow = inside ? 0.85 : 0;
    const diffuse = Math.max(0, (facing + 0.3) / 1.3) * (1 - shadow);
    // Strands shine in a band across them.
    const ty = 1 - ny * ny;
    const th = this.#half[1] - ny * (nx * this.#half[0] + ny * this.#half[1] + nz * this.#half[2]);
    const s2 = Math.max(0, 1 - (th * th) / (ty + 1e-3));
    const s8 = s2 * s2 * s2 * s2;
    const s16 = s8 * s8;
    const shine =
      hat || inside
        ? 0
        : (curl >= 1 ? 0.25 : 1) * (0.35 + fine) * (0.05 * s16 * s16 + 0.025 * s8) * Math.max(0, facing);
    const colour = hat && occluder.kind === 'hat' ? occluder.colour : this.#painter.hairColour;
    const root = hat ? mix(0.75, 1, ramp(0, 0.1, e)) : inside ? 0.5 : mix(0.8, 1, ramp(0, 0.15, e));
    const sky = (0.75 - 0.25 * ny) * (inside ? 0.45 : 1);
    const k = strand * root;
    rgb[0] =
      toLinear(clamp(colour[0] * (0.7 + 0.45 * k), 0, 1)) *
        (ambientColour[0] * sky + keyColour[0] * diffuse) *
        (0.55 + 0.6 * k) +
      shine * keyColour[0];
    rgb[1] =
      toLinear(clamp(colour[1] * (0.7 + 0.44 * k), 0, 1)) *
        (ambientColour[1] * sky + keyColour[1] * diffuse) *
        (0.55 + 0.6 * k) +
      shine * 0.95 * keyColour[1];
    rgb[2] =
      toLinear(clamp(colour[2] * (0.7 + 0.42 * k), 0, 1)) *
        (ambientColour[2] * sky + keyColour[2] * diffuse) *
        (0.55 + 0.6 * k) +
      shine * 0.88 * keyColour[2];
    this.#deepHair = !hat && y > -0.2 && y < hair.edge(1.4) - 0.12;
    return alpha;
  }
}
