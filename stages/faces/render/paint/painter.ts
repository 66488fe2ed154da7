/**
 * What is painted on the skin: complexion, eyes, brows, nostrils, beard, lips, wrinkles, the roots of the hair, and a mask over all.
 * All of it lies at places of the resting head, so it turns with it. Each feature knows where it reaches and leaves other places alone.
 */
import { clamp, mix, noise2, ramp, sq } from '../curves.js';
import type { Hair } from '../hair.js';
import type { Expression, Head } from '../head.js';
import type { Colour, Shot } from '../shot.js';
import { BeardPaint } from './beard.js';
import { BrowPaint } from './brow.js';
import { Coat } from './coat.js';
import { Complexion } from './complexion.js';
import { EyePaint } from './eye.js';
import { MouthPaint } from './mouth.js';
import { NosePaint } from './nose.js';
import { RootPaint } from './roots.js';
import { Wrinkles } from './wrinkles.js';

export class Painter {
  /** Where to paint, and what is there then. */
  readonly coat = new Coat();
  /** Hair's colour at this age, sRGB. */
  readonly hairColour: Colour;
  readonly #complexion: Complexion;
  readonly #eye: EyePaint;
  readonly #brow: BrowPaint;
  readonly #nose: NosePaint;
  readonly #beard: BeardPaint | undefined;
  readonly #mouth: MouthPaint;
  readonly #wrinkles: Wrinkles;
  readonly #roots: RootPaint;
  readonly #mask: Colour | undefined;
  readonly #soft: number;
  readonly #tip: number;

  /** @param pixel head units that one sample spans: nothing is painted sharper than that. */
  constructor(head: Head, expression: Expression, hair: Hair, shot: Shot, pixel: number) {
    const p = head.person;
    const soft = pixel * 0.6;
    const gray = ramp(p.grayAge - 14, p.grayAge + 16, shot.age);
    const lines = clamp(head.aging * (0.35 + 0.75 * head.aging) * p.lining * 1.2, 0, 1);
    const gap = expression.jawDrop + 0.06 * ramp(0.35, 1, shot.smile);
    this.#soft = soft;
    this.#tip = head.noseTip;
    this.hairColour = [mix(p.hair[0], 0.74, gray), mix(p.hair[1], 0.73, gray), mix(p.hair[2], 0.71, gray)];
    this.#complexion = new Complexion(head, soft);
    this.#eye = new EyePaint(head, shot, soft, lines);
    this.#brow = new BrowPaint(head, shot, soft, gray);
    this.#nose = new NosePaint(head, soft);
    this.#beard = p.beard === 'none' ? undefined : new BeardPaint(head, this.hairColour, gap);
    this.#mouth = new MouthPaint(head, expression, shot, soft, gap);
    this.#wrinkles = new Wrinkles(head, shot, soft, lines);
    this.#roots = new RootPaint(head, hair, this.hairColour);
    this.#mask = shot.occluder.kind === 'mask' ? shot.occluder.colour : undefined;
  }

  /** Skin without features, for ears and neck. */
  plainSkin(red: number): void {
    this.#complexion.plain(this.coat, red);
  }

  /** Paints the head at the coat's place. */
  paint(): void {
    const { coat } = this;
    const { x, y } = coat;
    coat.ax = x < 0 ? -x : x;
    coat.side = x < 0 ? -1 : 1;
    this.#complexion.skin(coat);
    const front = coat.z > 0.05;
    if (front) this.#features();
    this.#roots.paint(coat);
    if (front && this.#mask && y > 0.2) this.#paintMask(this.#mask);
  }

  #features(): void {
    const { coat } = this;
    const { y, ax } = coat;
    const tip = this.#tip;
    this.#complexion.face(coat);
    if (ax < 0.7) {
      if (y < 0.3 && y > -0.3) this.#eye.paint(coat);
      if (y < 0.05 && y > -0.45) this.#brow.paint(coat);
    }
    const low = y > tip - 0.2;
    if (low && y < tip + 0.2) this.#nose.paint(coat);
    if (this.#beard && (low || (ax > 0.45 && y > -0.2))) this.#beard.paint(coat);
    if (low) this.#mouth.paint(coat);
    this.#wrinkles.paint(coat);
  }

  #paintMask(mask: Colour): void {
    const { coat } = this;
    const { x, y } = coat;
    const low = this.#tip - 0.17 + 0.2 * sq(coat.ax / 0.6);
    const cover = ramp(low - this.#soft, low + this.#soft + 0.01, y);
    if (cover === 0) return;
    const fold = 1 - 0.1 * ramp(0.3, 0.6, noise2(3, y * 18)) - 0.05 * noise2(x * 5, y * 5);
    coat.over(mask[0] * fold, mask[1] * fold, mask[2] * fold, cover);
    coat.gloss *= 1 - cover;
    coat.open = mix(coat.open, 1, cover);
  }
}
