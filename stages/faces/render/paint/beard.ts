/** Stubble, moustache, goatee and full beard. */
import { clamp, mix, noise2, ramp, sq } from '../curves.js';
import type { Head } from '../head.js';
import type { BeardStyle } from '../person.js';
import type { Colour } from '../shot.js';
import type { Coat } from './coat.js';

export class BeardPaint {
  readonly #style: BeardStyle;
  readonly #colour: Colour;
  readonly #stubble: boolean;
  readonly #dense: number;
  readonly #gap: number;
  readonly #mouthY: number;
  readonly #wide: number;
  readonly #lipTop: number;
  readonly #above: number;
  readonly #mouthWide: number;
  readonly #mouthTall: number;
  readonly #goateeWide: number;
  /** How far hairs reach at the place, -0.5..0.5: an edge is never a line. */
  #ragged = 0;

  /**
   * @param hair  its colour at this age
   * @param gap   how far the lips part in the middle
   */
  constructor(head: Head, hair: Colour, gap: number) {
    const p = head.person;
    const dark = 0.95 * p.beardDark;
    this.#style = p.beard;
    this.#colour = [hair[0] * dark, hair[1] * dark * 0.97, hair[2] * dark * 0.95];
    this.#stubble = p.beard === 'stubble';
    this.#dense = p.beardDense;
    this.#gap = gap;
    this.#mouthY = head.mouthY;
    this.#wide = p.mouthWidth * 1.12;
    this.#lipTop = head.mouthY - p.upperLip * 0.85;
    this.#above = head.noseTip + 0.11;
    this.#mouthWide = p.mouthWidth * 1.05;
    this.#mouthTall = p.lowerLip + gap * 0.5 + 0.045;
    this.#goateeWide = p.mouthWidth * 1.28;
  }

  paint(coat: Coat): void {
    const { x, y } = coat;
    const ragged = noise2(x * 46, y * 20 + 3) - 0.5;
    this.#ragged = ragged;
    let cover = this.#moustache(coat);
    if (this.#style !== 'moustache') cover = Math.max(cover, this.#chin(coat));
    if (cover <= 0) return;
    const hairs = 0.72 + 0.5 * (noise2(x * 70, y * 30) - 0.3);
    const alpha = clamp(
      cover * (this.#stubble ? 0.42 : 1) * this.#dense * (this.#stubble ? 0.8 + 0.5 * ragged : hairs + 0.15),
      0,
      0.95,
    );
    const shade = 0.75 + 0.5 * noise2(x * 40 + 9, y * 18);
    const colour = this.#colour;
    coat.over(colour[0] * shade, colour[1] * shade, colour[2] * shade, alpha);
    coat.gloss *= 1 - 0.8 * alpha;
  }

  #moustache(coat: Coat): number {
    const { y, ax } = coat;
    const ragged = this.#ragged;
    const t = ax / this.#wide;
    if (t >= 1.25) return 0;
    const droop = 0.05 * t * t;
    return (
      ramp(this.#above - 0.03 + 2 * droop, this.#above + 0.02 + 2 * droop, y + ragged * 0.04) *
      (1 - ramp(this.#lipTop - 0.012 + droop * 1.4, this.#lipTop + 0.03 + droop * 1.4, y)) *
      (1 - ramp(0.92, 1.2, t + ragged * 0.2)) *
      (0.75 + 0.25 * ramp(0.02, 0.12, ax))
    );
  }

  /** Chin and, but for a goatee, cheeks below a line from the sideburns to the lip; not on the lips. */
  #chin(coat: Coat): number {
    const { y, ax } = coat;
    const ragged = this.#ragged;
    const my = this.#mouthY;
    const gap = this.#gap;
    const mouth = sq(ax / this.#mouthWide) + sq((y - my - gap * 0.5 - 0.015) / this.#mouthTall);
    const clear = ramp(0.85, 1.25, mouth);
    if (clear === 0) return 0;
    if (this.#style === 'goatee') {
      const ring = sq(ax / this.#goateeWide) + sq((y - my - 0.16 - gap * 0.6) / (0.34 + gap * 0.5));
      return (1 - ramp(0.75, 1.05, ring + ragged * 0.25)) * clear * ramp(my - 0.08, my + 0.02, y);
    }
    const slope =
      ax < 0.32
        ? my - 0.06 - 0.12 * (ax / 0.32)
        : ax < 0.55
          ? mix(my - 0.18, 0.3, sq((ax - 0.32) / 0.23))
          : mix(0.3, -0.1, clamp((ax - 0.55) / 0.12, 0, 1));
    return ramp(slope - 0.06, slope + 0.1, y + ragged * 0.1) * clear;
  }
}
