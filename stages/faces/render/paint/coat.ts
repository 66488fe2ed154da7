/**
 * The paint of one place on the head: the colour that features are laid over and tint one after another, how it shines, how open it
 * lies. One is used for all places, as new objects and numbers handed to functions would cost more than the painting.
 */
export class Coat {
  /** The place: (x, y, z) on the resting head, |x|, and the side, 1 for x >= 0 and -1 else. */
  x = 0;
  y = 0;
  z = 0;
  ax = 0;
  side = 1;
  /** sRGB albedo 0..1. */
  r = 0;
  g = 0;
  b = 0;
  /** How much it shines. */
  gloss = 0;
  /** How much light the place gets from around, 0..1. */
  open = 1;
  /** Light of its own: an eye's highlight. */
  glint = 0;

  /** Lays a colour over what is there. */
  over(r: number, g: number, b: number, alpha: number): void {
    const keep = 1 - alpha;
    this.r = this.r * keep + r * alpha;
    this.g = this.g * keep + g * alpha;
    this.b = this.b * keep + b * alpha;
  }

  /** Multiplies what is there, by these factors where alpha is 1. */
  tint(r: number, g: number, b: number, alpha: number): void {
    this.r *= 1 + (r - 1) * alpha;
    this.g *= 1 + (g - 1) * alpha;
    this.b *= 1 + (b - 1) * alpha;
  }
}
