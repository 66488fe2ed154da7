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
import { clamp, mix, toLinear } from './curves.js';
import { develop } from './develop.js';
import { Hair } from './hair.js';
import { HairShader } from './hair-shader.js';
import { Expression, Head } from './head.js';
import { Lighting } from './lighting.js';
import { Painter } from './paint/painter.js';
import type { Person } from './person.js';
import { Scene, Visibility } from './scene.js';
import type { Shot } from './shot.js';
import { SkinShader } from './skin-shader.js';
import { Glasses, InTheWay } from './worn.js';

export class FaceRenderer {
  readonly #samples: number;
  readonly #scene = new Scene(9000, 18000);
  /** What each sample sees of skin and clothes, and what of hair and hat. */
  readonly #skin: Visibility;
  readonly #hair: Visibility;
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
  #lighting!: Lighting;
  #skinShader!: SkinShader;
  #hairShader!: HairShader;
  #backdrop!: Backdrop;
  #glasses: Glasses | undefined;
  #inTheWay: InTheWay | undefined;
  /** Linear light of the sample last shaded, and of the hair in it. */
  readonly #rgb = new Float64Array(3);
  readonly #hairRgb = new Float64Array(3);

  /** @param size width and height in pixels, 16 or more */
  constructor(readonly size: number) {
    this.#samples = 2 * size;
    this.#skin = new Visibility(this.#samples);
    this.#hair = new Visibility(this.#samples);
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
      if (smooth && !this.#small) {
        this.#shade(4 * x + 2, 4 * y + 2, at);
        light[o] = rgb[0]!;
        light[o + 1] = rgb[1]!;
        light[o + 2] = rgb[2]!;
        continue;
      }
      let r = 0;
      let g = 0;
      let b = 0;
      for (let k = 0; k < 4; k += smooth ? 3 : 1) {
        const dx = k & 1;
        const dy = k >> 1;
        this.#shade(4 * x + 2 * dx + 1, 4 * y + 2 * dy + 1, at + dy * samples + dx);
        r += rgb[0]!;
        g += rgb[1]!;
        b += rgb[2]!;
      }
      const taken = smooth ? 2 : 4;
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
    const unit = camera.unit(samples);
    const painter = new Painter(head, expression, hair, shot, (this.#small ? 1.2 : 2) / unit);
    this.#shot = shot;
    this.#camera = camera;
    this.#lighting = new Lighting(shot, unit, this.#skin, this.#hair);
    this.#skinShader = new SkinShader(scene, head, painter, this.#lighting, shot);
    this.#hairShader = new HairShader(scene, hair, painter.hairColour, this.#lighting, shot, unit);
    this.#backdrop = new Backdrop(shot.background, 2 * samples);
    this.#glasses = shot.glasses === 'none' ? undefined : new Glasses(head, camera, shot, samples);
    this.#inTheWay =
      shot.occluder.kind === 'hand' || shot.occluder.kind === 'thing'
        ? new InTheWay(shot, person.skin, 2 * samples)
        : undefined;

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
    this.#hair.clear();
    this.#skin.draw(scene, 0, headTriangles, true);
    this.#skin.draw(scene, headTriangles, earTriangles, false);
    this.#skin.draw(scene, earTriangles, skinTriangles, true);
    this.#hair.draw(scene, skinTriangles, scene.triangles, false);
  }

  /** Whether the four samples from `at` on see one smooth surface, so that one stands for all. */
  #smooth(at: number): boolean {
    const below = at + this.#samples;
    const hair = this.#hair.triangle;
    const hairy = hair[at]! !== 0;
    if (
      (hair[at + 1]! !== 0) !== hairy ||
      (hair[below]! !== 0) !== hairy ||
      (hair[below + 1]! !== 0) !== hairy
    )
      return false;
    const skin = this.#skin.triangle;
    const a = skin[at]!;
    const b = skin[at + 1]!;
    const c = skin[below]!;
    const d = skin[below + 1]!;
    const { depth } = this.#skin;
    const near = depth[at]!;
    if (a === 0) {
      if (b !== 0 || c !== 0 || d !== 0) return false;
    } else {
      if (b === 0 || c === 0 || d === 0) return false;
      const { part } = this.#scene;
      const p = part[a - 1]!;
      if (part[b - 1]! !== p || part[c - 1]! !== p || part[d - 1]! !== p) return false;
      if (Math.abs(depth[at + 1]! - near) > 0.12 || Math.abs(depth[below]! - near) > 0.12) return false;
      if (Math.abs(depth[below + 1]! - near) > 0.12) return false;
    }
    if (!hairy) return true;
    const hairDepth = this.#hair.depth;
    const covered = hairDepth[at]! > near;
    return (
      hairDepth[at + 1]! > depth[at + 1]! === covered &&
      hairDepth[below]! > depth[below]! === covered &&
      hairDepth[below + 1]! > depth[below + 1]! === covered
    );
  }

  /** Linear light of the sample at (hx, hy), half samples, that sees what sample `at` sees; into #rgb. */
  #shade(hx: number, hy: number, at: number): void {
    const rgb = this.#rgb;
    const seen = this.#skin.triangle[at]!;
    const hairTriangle = this.#hair.triangle[at]!;
    const hairy = hairTriangle !== 0 && this.#hair.depth[at]! > this.#skin.depth[at]!;
    const hair = this.#hairShader;
    if (hairy) hair.look(hairTriangle - 1, hx, hy);
    if (hairy && hair.cover >= 0.995) hair.shade(rgb);
    else {
      if (seen !== 0) this.#skinShader.shade(seen - 1, hx, hy, rgb);
      else this.#shadeBackdrop(hx, hy);
      if (hairy) {
        // Between strands is more hair, not the wall behind.
        if (seen === 0 && (hair.deep || this.#amidHair(at))) hair.cover = 0.8 + 0.2 * hair.cover;
        if (hair.cover > 0) this.#layHair();
      }
    }
    if (this.#glasses) {
      const before = hairy && hair.cover > 0.5 ? this.#hair : this.#skin;
      this.#glasses.at(hx, hy, before.depth[at]!);
      if (this.#glasses.cover > 0) this.#lay(this.#glasses, 0.55);
    }
    if (this.#inTheWay) {
      this.#inTheWay.at(hx, hy);
      if (this.#inTheWay.cover > 0) this.#lay(this.#inTheWay, 0.7);
    }
  }

  #shadeBackdrop(hx: number, hy: number): void {
    const rgb = this.#rgb;
    const backdrop = this.#backdrop;
    backdrop.at(hx, hy);
    rgb[0] = toLinear(clamp(backdrop.r, 0, 1));
    rgb[1] = toLinear(clamp(backdrop.g, 0, 1));
    rgb[2] = toLinear(clamp(backdrop.b, 0, 1));
  }

  #layHair(): void {
    const rgb = this.#rgb;
    const hair = this.#hairRgb;
    const { cover } = this.#hairShader;
    this.#hairShader.shade(hair);
    rgb[0] = mix(rgb[0]!, hair[0]!, cover);
    rgb[1] = mix(rgb[1]!, hair[1]!, cover);
    rgb[2] = mix(rgb[2]!, hair[2]!, cover);
  }

  /** Lays something over the sample, lit evenly by this share of the key light. */
  #lay({ r, g, b, cover }: Glasses | InTheWay, share: number): void {
    const rgb = this.#rgb;
    const { key, ambient } = this.#lighting;
    rgb[0] = mix(rgb[0]!, toLinear(r) * (ambient[0] + share * key[0]), cover);
    rgb[1] = mix(rgb[1]!, toLinear(g) * (ambient[1] + share * key[1]), cover);
    rgb[2] = mix(rgb[2]!, toLinear(b) * (ambient[2] + share * key[2]), cover);
  }

  /** Whether there is hair on all sides of a sample. */
  #amidHair(at: number): boolean {
    const { triangle } = this.#hair;
    const down = 2 * this.#samples;
    return (
      triangle[at - 2] !== 0 &&
      triangle[at + 2] !== 0 &&
      triangle[at - down] !== 0 &&
      triangle[at + down] !== 0
    );
  }
}
