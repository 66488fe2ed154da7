/**
 * Augmentation of FR training images on the host: the paper's random resized crop, flip, colour jitter and erasing, each
 * image's numbers drawn from (seed, epoch, image) alone, so that a resumed training sees the same pixels.
 */
import { Random } from '../tensors/random.js';

export interface Augmentation {
  /** Probability of a horizontal flip. */
  flip: number;
  /** Least and largest area of the square crop, in parts of the image. */
  crop: [number, number];
  /** Probability of erasing a rectangle, and its least and largest area. */
  erasing: number;
  erasingArea: [number, number];
  /** Colour jitter as torchvision's ColorJitter defines it: half-widths of the factors, and of the turn of hue. */
  brightness: number;
  contrast: number;
  saturation: number;
  hue: number;
}

/** What one image goes through. */
export interface Change {
  flip: boolean;
  /** The crop's edge in parts of the image's, and where its upper left corner lies, in parts of the room left. */
  edge: number;
  left: number;
  top: number;
  /** Factors; the turn of hue in parts of the circle; the order the four are applied in. */
  brightness: number;
  contrast: number;
  saturation: number;
  hue: number;
  order: Int32Array;
  /** Erased rectangle, in parts of the image's edges. */
  erased?: { left: number; top: number; width: number; height: number };
}

export function drawChange(settings: Augmentation, seed: number, epoch: number, image: number): Change {
  const random = new Random(seed, 'augment', epoch, image);
  const between = (low: number, high: number) => low + (high - low) * random.uniform();
  const around = (centre: number, half: number) => between(centre - half, centre + half);
  const change: Change = {
    flip: random.uniform() < settings.flip,
    edge: Math.sqrt(between(...settings.crop)),
    left: random.uniform(),
    top: random.uniform(),
    brightness: around(1, settings.brightness),
    contrast: around(1, settings.contrast),
    saturation: around(1, settings.saturation),
    hue: around(0, settings.hue),
    order: random.permutation(4),
  };
  if (random.uniform() < settings.erasing) {
    // Zhong et al., "Random erasing data augmentation", AAAI 2020, algorithm 1: aspect ratio from 0.3 to 1 / 0.3.
    const area = between(...settings.erasingArea);
    const ratio = between(0.3, 1 / 0.3);
    const height = Math.min(1, Math.sqrt(area * ratio));
    const width = Math.min(1, Math.sqrt(area / ratio));
    change.erased = {
      left: (1 - width) * random.uniform(),
      top: (1 - height) * random.uniform(),
      width,
      height,
    };
  }
  return change;
}

/** Applies changes to images of one size; keeps the scratch memory they need. */
export class Augmenter {
  /** The image under work, RGB in [0, 1]. */
  readonly #image: Float32Array;
  readonly #columns: Int32Array;
  readonly #columnShares: Float32Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.#image = new Float32Array(width * height * 3);
    this.#columns = new Int32Array(2 * width);
    this.#columnShares = new Float32Array(width);
  }

  /**
   * @param pixels uint8 [height, width, 3], RGB
   * @param out    filled with the changed image, [height, width, 3] in [-1, 1]
   */
  apply(pixels: Uint8Array, change: Change, out: Float32Array): void {
    const image = this.#image;
    this.#cropAndFlip(pixels, change);
    for (const which of change.order) {
      if (which === 0 && change.brightness !== 1) brighten(image, change.brightness);
      if (which === 1 && change.contrast !== 1) contrast(image, change.contrast);
      if (which === 2 && change.saturation !== 1) saturate(image, change.saturation);
      if (which === 3 && change.hue !== 0) turnHue(image, change.hue);
    }
    for (let i = 0; i < image.length; i++) out[i] = image[i]! * 2 - 1;
    if (change.erased) this.#erase(out, change.erased);
  }

  /** Bilinear, pixel centres at half numbers, the border repeated. */
  #cropAndFlip(pixels: Uint8Array, { flip, edge, left, top }: Change): void {
    const { width, height } = this;
    const image = this.#image;
    const columns = this.#columns;
    const shares = this.#columnShares;
    for (let x = 0; x < width; x++) {
      const at = source(flip ? width - 1 - x : x, edge, left, width);
      const first = Math.floor(at);
      columns[2 * x] = 3 * first;
      columns[2 * x + 1] = 3 * Math.min(first + 1, width - 1);
      shares[x] = at - first;
    }
    let to = 0;
    for (let y = 0; y < height; y++) {
      const at = source(y, edge, top, height);
      const first = Math.floor(at);
      const down = at - first;
      const upper = first * width * 3;
      const lower = Math.min(first + 1, height - 1) * width * 3;
      for (let x = 0; x < width; x++) {
        const share = shares[x]!;
        const a = columns[2 * x]!;
        const b = columns[2 * x + 1]!;
        for (let c = 0; c < 3; c++) {
          const p = pixels[upper + a + c]!;
          const q = pixels[lower + a + c]!;
          const above = p + share * (pixels[upper + b + c]! - p);
          const below = q + share * (pixels[lower + b + c]! - q);
          image[to++] = (above + down * (below - above)) * (1 / 255);
        }
      }
    }
  }

  #erase(out: Float32Array, rectangle: NonNullable<Change['erased']>): void {
    const { width, height } = this;
    const x0 = Math.round(rectangle.left * width);
    const x1 = Math.round((rectangle.left + rectangle.width) * width);
    const y1 = Math.round((rectangle.top + rectangle.height) * height);
    for (let y = Math.round(rectangle.top * height); y < y1; y++) {
      out.fill(0, (y * width + x0) * 3, (y * width + x1) * 3);
    }
  }
}

/** Where target pixel `i` is taken from along one edge, in [0, size - 1]. */
function source(i: number, edge: number, offset: number, size: number): number {
  const at = (i + 0.5) * edge + offset * (1 - edge) * size - 0.5;
  return at < 0 ? 0 : at > size - 1 ? size - 1 : at;
}

const clip = (value: number): number => (value < 0 ? 0 : value > 1 ? 1 : value);

/** Luma of BT.601, as torchvision's and PIL's gray. */
const gray = (image: Float32Array, i: number): number =>
  0.299 * image[i]! + 0.587 * image[i + 1]! + 0.114 * image[i + 2]!;

/** All of these work in place on RGB in [0, 1], and clip. */
export function brighten(image: Float32Array, factor: number): void {
  for (let i = 0; i < image.length; i++) image[i] = clip(image[i]! * factor);
}

/** Away from, or towards, the mean gray of the image. */
export function contrast(image: Float32Array, factor: number): void {
  let sum = 0;
  for (let i = 0; i < image.length; i += 3) sum += gray(image, i);
  const rest = ((1 - factor) * sum) / (image.length / 3);
  for (let i = 0; i < image.length; i++) image[i] = clip(image[i]! * factor + rest);
}

/** Away from, or towards, the gray of each pixel. */
export function saturate(image: Float32Array, factor: number): void {
  for (let i = 0; i < image.length; i += 3) {
    const rest = (1 - factor) * gray(image, i);
    image[i] = clip(image[i]! * factor + rest);
    image[i + 1] = clip(image[i + 1]! * factor + rest);
    image[i + 2] = clip(image[i + 2]! * factor + rest);
  }
}

/** Turns the hue of HSV. @param turn in parts of the circle, [-0.5, 0.5] */
export function turnHue(image: Float32Array, turn: number): void {
  const sixths = 6 * turn;
  for (let i = 0; i < image.length; i += 3) {
    const r = image[i]!;
    const g = image[i + 1]!;
    const b = image[i + 2]!;
    const high = r > g ? (r > b ? r : b) : g > b ? g : b;
    const low = r < g ? (r < b ? r : b) : g < b ? g : b;
    const chroma = high - low;
    if (chroma === 0) continue;
    // Hue in sixths of the circle: 0 red, 2 green, 4 blue.
    let hue = high === r ? (g - b) / chroma : high === g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
    hue += sixths;
    if (hue < 0) hue += 6;
    else if (hue >= 6) hue -= 6;
    image[i] = low + chroma * share(hue + 2 >= 6 ? hue - 4 : hue + 2);
    image[i + 1] = low + chroma * share(hue);
    image[i + 2] = low + chroma * share(hue - 2 < 0 ? hue + 4 : hue - 2);
  }
}

/** How much of green a hue (in sixths) has: a trapezoid that rises over 0..1, stays 1 over 1..3 and falls over 3..4. */
function share(hue: number): number {
  if (hue < 1) return hue;
  if (hue <= 3) return 1;
  return hue < 4 ? 4 - hue : 0;
}
