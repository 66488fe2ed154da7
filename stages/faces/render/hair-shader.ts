/** How much hair and hats cover what is behind them, strand by strand, and the linear light they send. */
import { clamp, mix, noise2, ramp, toLinear } from './curves.js';
import type { Hair } from './hair.js';
import type { Lighting } from './lighting.js';
import { Part, type Scene } from './scene.js';
import type { Colour, Shot } from './shot.js';
import { Spot } from './spot.js';

export class HairShader {
  /** How much the hair, or hat, last looked at covers, 0..1. */
  cover = 0;
  /** Whether it lies well above its lower end, with more hair behind it. */
  deep = false;
  readonly #spot: Spot;
  readonly #texture: number;
  readonly #lean: number;
  readonly #curly: boolean;
  readonly #wave: number;
  readonly #tousled: boolean;
  readonly #softness: number;
  readonly #jag: number;
  readonly #sample: number;
  readonly #hatColour: Colour;
  #hat = false;
  /** How far above the edge, the height and the way around the head. */
  #above = 0;
  #y = 0;
  #angle = 0;
  #fine = 0;

  /** @param unit samples a head unit spans */
  constructor(
    private readonly scene: Scene,
    private readonly hair: Hair,
    private readonly colour: Colour,
    private readonly lighting: Lighting,
    shot: Shot,
    unit: number,
  ) {
    this.#spot = new Spot(scene);
    this.#texture = hair.texture;
    this.#lean = hair.lean;
    this.#curly = hair.curl >= 1;
    this.#wave = hair.curl * 2.2;
    this.#tousled = hair.tousled;
    this.#softness = hair.softness;
    this.#jag = hair.jag;
    this.#sample = 0.02 + 1.2 / unit;
    this.#hatColour = shot.occluder.kind === 'hat' ? shot.occluder.colour : colour;
  }

  /** Looks at triangle t under the sample at (hx, hy), half samples. */
  look(t: number, hx: number, hy: number): void {
    const spot = this.#spot;
    spot.find(t, hx, hy);
    const { rest, extra, part } = this.scene;
    const { a, b, c } = spot;
    this.#hat = part[t]! === Part.Hat;
    this.#above = spot.single(extra);
    this.#y = spot.of(rest, 1);
    const around = rest[3 * a + 2]!;
    this.#angle =
      spot.wa * around +
      spot.wb * nearTo(around, rest[3 * b + 2]!) +
      spot.wc * nearTo(around, rest[3 * c + 2]!);
    this.deep = !this.#hat && this.#y > -0.2 && this.#y < this.hair.edge(1.4) - 0.12;
    const soft = this.#sample + this.#softness * (1 - ramp(0.5, 1, Math.abs(rest[3 * a]!)));
    if (this.#hat) {
      this.cover = ramp(0, soft + this.#jag * 0.5, this.#above);
      return;
    }
    this.#strands();
    const ragged = (this.#fine - 0.35) * this.#jag * 1.6;
    const rim = spot.nz < 0 ? -spot.nz : spot.nz;
    this.cover =
      ramp(0, soft + this.#jag * 0.5, this.#above + ragged) *
      (ramp(0, 0.16, rim + 0.12 * (this.#fine - 0.3)) * 0.98 + 0.02);
  }

  /** Noise drawn out along the strands. */
  #strands(): void {
    const angle = this.#angle;
    const y = this.#y;
    const lean = this.#lean;
    const texture = this.#texture;
    if (this.#curly) this.#fine = noise2(angle * 17 + texture, y * 17);
    else if (this.#tousled)
      this.#fine = noise2(angle * 20 + y * 9 * lean + texture, y * 6 - angle * 3 * lean);
    else this.#fine = noise2(angle * 30 + this.#wave * noise2(y * 5, 7) + y * 2 * lean + texture, y * 2.2);
  }

  #locks(): number {
    const angle = this.#angle;
    const y = this.#y;
    return this.#curly
      ? noise2(angle * 7 + 5, y * 8 + this.#texture)
      : noise2(angle * 11 + this.#texture + y * this.#lean, y * 1.1);
  }

  /** @param rgb receives the light of the hair last looked at */
  shade(rgb: Float64Array): void {
    const { lighting } = this;
    const { key, ambient } = lighting;
    const spot = this.#spot;
    const { ny } = spot;
    const hat = this.#hat;
    const inside = spot.nz < 0;
    const strand = hat
      ? 0.9 + 0.1 * noise2(this.#angle * 40, 3)
      : 0.45 + 0.38 * this.#fine + 0.42 * this.#locks();
    const facing = lighting.facing(spot);
    const shadow = inside ? 0.85 : 0;
    const diffuse = Math.max(0, (facing + 0.3) / 1.3) * (1 - shadow);
    const shine = hat || inside ? 0 : this.#shine(facing);
    const colour = hat ? this.#hatColour : this.colour;
    const root = hat
      ? mix(0.75, 1, ramp(0, 0.1, this.#above))
      : inside
        ? 0.5
        : mix(0.8, 1, ramp(0, 0.15, this.#above));
    const sky = (0.75 - 0.25 * ny) * (inside ? 0.45 : 1);
    const k = strand * root;
    const thick = 0.55 + 0.6 * k;
    rgb[0] =
      toLinear(clamp(colour[0] * (0.7 + 0.45 * k), 0, 1)) * (ambient[0] * sky + key[0] * diffuse) * thick +
      shine * key[0];
    rgb[1] =
      toLinear(clamp(colour[1] * (0.7 + 0.44 * k), 0, 1)) * (ambient[1] * sky + key[1] * diffuse) * thick +
      shine * 0.95 * key[1];
    rgb[2] =
      toLinear(clamp(colour[2] * (0.7 + 0.42 * k), 0, 1)) * (ambient[2] * sky + key[2] * diffuse) * thick +
      shine * 0.88 * key[2];
  }

  /** Strands shine in a band across them. */
  #shine(facing: number): number {
    const { ny } = this.#spot;
    const across = this.lighting.acrossStrands(this.#spot);
    const s2 = Math.max(0, 1 - (across * across) / (1 - ny * ny + 1e-3));
    const s8 = s2 * s2 * s2 * s2;
    const s16 = s8 * s8;
    return (
      (this.#curly ? 0.25 : 1) * (0.35 + this.#fine) * (0.05 * s16 * s16 + 0.025 * s8) * Math.max(0, facing)
    );
  }
}

/** The angle, a full turn away where the way from the other one leads over the back of the head. */
function nearTo(other: number, angle: number): number {
  return angle - other > 3 ? angle - 2 * Math.PI : angle - other < -3 ? angle + 2 * Math.PI : angle;
}
