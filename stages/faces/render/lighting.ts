/** The light of a shot: a key light with its shadows, and light from all around. */
import { ramp } from './curves.js';
import type { Visibility } from './scene.js';
import type { Colour, Shot } from './shot.js';
import type { Spot } from './spot.js';

/** How far along the light a shadow's cause is looked for, head units. */
const SHADOW_STEPS = Float64Array.of(0.035, 0.08, 0.14, 0.22, 0.34, 0.5);

export class Lighting {
  readonly key: Colour;
  readonly ambient: Colour;
  readonly #light: Colour;
  /** Unit vector between the light and the camera, of which a glossy place facing it shines. */
  readonly #half: Colour;
  readonly #samples: number;

  /**
   * @param unit  samples a head unit spans
   * @param skin  what is seen of skin and clothes, as drawn
   * @param hair  what is seen of hair and hat
   */
  constructor(
    shot: Shot,
    private readonly unit: number,
    private readonly skin: Visibility,
    private readonly hair: Visibility,
  ) {
    this.key = shot.keyColour;
    this.ambient = shot.ambientColour;
    this.#light = shot.light;
    this.#samples = skin.side;
    const [x, y, z] = [shot.light[0], shot.light[1], shot.light[2] + 1];
    const length = Math.sqrt(x * x + y * y + z * z) + 1e-9;
    this.#half = [x / length, y / length, z / length];
  }

  /** Cosine between the normal and the light. */
  facing({ nx, ny, nz }: Spot): number {
    const light = this.#light;
    return nx * light[0] + ny * light[1] + nz * light[2];
  }

  /** Cosine between the normal and the way of the brightest reflection. */
  shining({ nx, ny, nz }: Spot): number {
    const half = this.#half;
    return nx * half[0] + ny * half[1] + nz * half[2];
  }

  /** The same for strands, which run down: between the light's way and that across them. */
  acrossStrands(spot: Spot): number {
    return this.#half[1] - spot.ny * this.shining(spot);
  }

  /** How much of the key light something nearer takes away, 0..1: looks along the light through the depths of the picture. */
  shadow(spot: Spot, z: number): number {
    const samples = this.#samples;
    const skinDepth = this.skin.depth;
    const hairDepth = this.hair.depth;
    const lx = this.#light[0];
    const ly = this.#light[1];
    const lz = this.#light[2];
    const { unit } = this;
    const x0 = spot.sx + spot.nx * 0.02 * unit;
    const y0 = spot.sy + spot.ny * 0.02 * unit;
    const z0 = z + spot.nz * 0.02 + 0.012;
    let dark = 0;
    for (let k = 0; k < SHADOW_STEPS.length; k++) {
      const t = SHADOW_STEPS[k]!;
      const x = (x0 + lx * t * unit) | 0;
      const y = (y0 + ly * t * unit) | 0;
      if (x < 0 || y < 0 || x >= samples || y >= samples) break;
      const at = y * samples + x;
      let near = skinDepth[at]!;
      const hair = hairDepth[at]!;
      if (hair > near) near = hair - 0.02;
      const over = near - z0 - lz * t;
      if (over > 0 && over < 0.9) {
        const s = ramp(0, 0.015 + 0.2 * t, over);
        if (s > dark) dark = s;
        if (s === 1) break;
      }
    }
    return dark * 0.88;
  }
}
