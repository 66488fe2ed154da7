/** Linear light of what is not hair: head, ears, neck and shirt, painted and lit. */
import { clamp, noise2, ramp, toLinear } from './curves.js';
import type { Head } from './head.js';
import type { Lighting } from './lighting.js';
import type { Painter } from './paint/painter.js';
import { Part, type Scene } from './scene.js';
import type { Colour, Shot } from './shot.js';
import { Spot } from './spot.js';

export class SkinShader {
  readonly #spot: Spot;
  readonly #shirt: Colour;
  readonly #chin: number;
  /** 1 for skin, into which light sinks, 0 for cloth. */
  #skinLike = 1;

  constructor(
    private readonly scene: Scene,
    head: Head,
    private readonly painter: Painter,
    private readonly lighting: Lighting,
    shot: Shot,
  ) {
    this.#spot = new Spot(scene);
    this.#shirt = shot.shirt;
    this.#chin = head.chin;
  }

  /** @param rgb receives the light of the sample at (hx, hy), half samples, that sees triangle t */
  shade(t: number, hx: number, hy: number, rgb: Float64Array): void {
    this.#spot.find(t, hx, hy);
    this.#paint(this.scene.part[t]!);
    this.#light(rgb);
  }

  #paint(part: Part): void {
    const { painter } = this;
    const { coat } = painter;
    const { rest } = this.scene;
    const spot = this.#spot;
    this.#skinLike = 1;
    if (part === Part.Head) {
      coat.x = spot.of(rest, 0);
      coat.y = spot.of(rest, 1);
      coat.z = spot.of(rest, 2);
      painter.paint();
    } else if (part === Part.Ear) {
      painter.plainSkin(1);
      coat.open = 0.5 + 0.5 * ramp(0.2, 0.75, spot.of(rest, 2));
      if (spot.nz < 0) {
        spot.nx = -spot.nx;
        spot.ny = -spot.ny;
        spot.nz = -spot.nz;
      }
    } else if (part === Part.Neck) {
      painter.plainSkin(0.3);
      coat.open = 0.35 + 0.65 * ramp(0, 0.75, spot.of(rest, 1) - this.#chin + 0.15);
      coat.gloss = 0.1;
    } else {
      const shirt = this.#shirt;
      const weave = 0.93 + 0.14 * noise2(spot.of(rest, 0) * 6, spot.of(rest, 1) * 9);
      coat.r = shirt[0] * weave;
      coat.g = shirt[1] * weave;
      coat.b = shirt[2] * weave;
      coat.gloss = 0;
      coat.open = 0.9;
      coat.glint = 0;
      this.#skinLike = 0;
    }
  }

  #light(rgb: Float64Array): void {
    const { lighting } = this;
    const { coat } = this.painter;
    const { key, ambient } = lighting;
    const spot = this.#spot;
    const { ny, nz } = spot;
    const skinLike = this.#skinLike;
    const facing = lighting.facing(spot);
    const shadow = facing > -0.3 ? lighting.shadow(spot, spot.of(this.scene.screen, 2)) : 1;
    const lit = 1 - shadow;
    // Light bleeds round the edge of shade, red furthest, as in skin.
    const w = 0.14 + 0.1 * skinLike;
    const dr =
      Math.max(0, (facing + w + 0.12 * skinLike) / (1 + w + 0.12 * skinLike)) *
      (lit + 0.1 * shadow * skinLike);
    const dg = Math.max(0, (facing + w) / (1 + w)) * lit;
    const db = Math.max(0, (facing + w - 0.04 * skinLike) / (1 + w - 0.04 * skinLike)) * lit;
    const { open, gloss } = coat;
    const sky = (0.8 - 0.22 * ny + 0.12 * nz) * open;
    // Bounce from skin to skin keeps hollows from going gray.
    const bounce = 1 + 0.12 * (1 - open) * skinLike;
    const nh = Math.max(0, lighting.shining(spot));
    const p2 = nh * nh;
    const p4 = p2 * p2;
    const p8 = p4 * p4;
    const p16 = p8 * p8;
    const edge = 1 - Math.max(0, nz);
    const spec =
      gloss * (0.055 * p8 + 0.09 * p16 * p16) * lit * open +
      0.035 * edge * edge * edge * ambient[1] * gloss +
      coat.glint;
    const o = 0.6 + 0.4 * open;
    rgb[0] = toLinear(clamp(coat.r, 0, 1)) * (ambient[0] * sky * bounce + key[0] * dr * o) + spec * key[0];
    rgb[1] = toLinear(clamp(coat.g, 0, 1)) * (ambient[1] * sky + key[1] * dg * o) + spec * key[1];
    rgb[2] = toLinear(clamp(coat.b, 0, 1)) * (ambient[2] * sky + key[2] * db * o) + spec * key[2];
  }
}
