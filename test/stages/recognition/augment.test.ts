import { expect, test } from 'vitest';
import {
  Augmenter,
  brighten,
  type Change,
  contrast,
  drawChange,
  saturate,
  turnHue,
} from '../../../stages/recognition/augment.js';
import { mirror } from '../../../stages/recognition/mirror.js';
import { reference } from './reference.js';

const paper = {
  flip: 0.5,
  crop: [0.9, 1] as [number, number],
  erasing: 0.5,
  erasingArea: [0.02, 0.1] as [number, number],
  brightness: 0.1,
  contrast: 0.1,
  saturation: 0.1,
  hue: 0.1,
};
const nothing: Change = {
  flip: false,
  edge: 1,
  left: 0,
  top: 0,
  brightness: 1,
  contrast: 1,
  saturation: 1,
  hue: 0,
  order: Int32Array.of(0, 1, 2, 3),
};
const ramp = (width: number, height: number) =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7) % 256);
const applied = (pixels: Uint8Array, width: number, height: number, change: Partial<Change>) => {
  const out = new Float32Array(pixels.length);
  new Augmenter(width, height).apply(pixels, { ...nothing, ...change }, out);
  return out;
};

test('no change gives the pixels in [-1, 1]', () => {
  const pixels = ramp(5, 4);
  applied(pixels, 5, 4, {}).forEach((value, i) => expect(value).toBeCloseTo(pixels[i]! / 127.5 - 1, 5));
});

test('a flip is the mirror image', () => {
  const pixels = ramp(5, 4);
  const mirrored = mirror(pixels, 5, pixels.slice());
  expect(Array.from(mirrored.subarray(0, 3))).toEqual(Array.from(pixels.subarray(12, 15)));
  applied(pixels, 5, 4, { flip: true }).forEach((value, i) =>
    expect(value).toBeCloseTo(mirrored[i]! / 127.5 - 1, 5),
  );
});

test('a crop of half the edge at the right shows the right half, interpolated between pixel centres', () => {
  // One row of four gray pixels 0, 40, 80, 120; the crop [2, 4) sampled at 1.75, 2.25, 2.75, 3.25 from pixel centres.
  const pixels = Uint8Array.from([0, 0, 0, 40, 40, 40, 80, 80, 80, 120, 120, 120]);
  const out = applied(pixels, 4, 1, { edge: 0.5, left: 1 });
  const grays = [0, 1, 2, 3].map((x) => (out[3 * x]! + 1) * 127.5);
  [70, 90, 110, 120].forEach((gray, x) => expect(grays[x]).toBeCloseTo(gray, 3));
});

test('an erased rectangle is mid-gray, and nothing else changes', () => {
  const pixels = new Uint8Array(10 * 10 * 3).fill(200);
  const out = applied(pixels, 10, 10, { erased: { left: 0.2, top: 0.5, width: 0.3, height: 0.2 } });
  let erased = 0;
  for (let y = 0; y < 10; y++)
    for (let x = 0; x < 10; x++) {
      const inside = x >= 2 && x < 5 && y >= 5 && y < 7;
      expect(out[(y * 10 + x) * 3]).toBeCloseTo(inside ? 0 : 200 / 127.5 - 1, 5);
      if (inside) erased++;
    }
  expect(erased).toBe(6);
});

test('brightness, contrast and saturation by hand', () => {
  const pixel = () => Float32Array.of(0.2, 0.4, 0.6, 0.6, 0.9, 0.3);
  const close = (image: Float32Array, wanted: number[]) =>
    wanted.forEach((value, i) => expect(image[i]).toBeCloseTo(value, 5));
  const bright = pixel();
  brighten(bright, 1.5);
  close(bright, [0.3, 0.6, 0.9, 0.9, 1, 0.45]);
  // Grays 0.299 r + 0.587 g + 0.114 b: 0.363 and 0.7419, mean 0.55245.
  const hard = pixel();
  contrast(hard, 0.5);
  close(hard, [0.376225, 0.476225, 0.576225, 0.576225, 0.726225, 0.426225]);
  const pale = pixel();
  saturate(pale, 0);
  close(pale, [0.363, 0.363, 0.363, 0.7419, 0.7419, 0.7419]);
});

test.each(reference.hues)('turning the hue of %j by %d is what colorsys gives', (rgb, turn, wanted) => {
  const image = Float32Array.from(rgb);
  turnHue(image, turn);
  wanted.forEach((value, i) => expect(image[i]).toBeCloseTo(value, 5));
});

test('the draw depends on seed, epoch and image alone, and stays within the settings', () => {
  expect(drawChange(paper, 1, 2, 3)).toEqual(drawChange(paper, 1, 2, 3));
  for (const other of [drawChange(paper, 2, 2, 3), drawChange(paper, 1, 3, 3), drawChange(paper, 1, 2, 4)])
    expect(other).not.toEqual(drawChange(paper, 1, 2, 3));
  const draws = Array.from({ length: 2000 }, (_, i) => drawChange(paper, 7, 0, i));
  const share = (of: (change: Change) => boolean) => draws.filter(of).length / draws.length;
  expect(share(({ flip }) => flip)).toBeCloseTo(0.5, 1);
  expect(share(({ erased }) => erased !== undefined)).toBeCloseTo(0.5, 1);
  for (const { edge, brightness, hue, erased } of draws) {
    expect(edge ** 2).toBeGreaterThanOrEqual(0.9 - 1e-9);
    expect(edge).toBeLessThanOrEqual(1);
    expect(Math.abs(brightness - 1)).toBeLessThanOrEqual(0.1);
    expect(Math.abs(hue)).toBeLessThanOrEqual(0.1);
    if (erased) {
      const area = erased.width * erased.height;
      expect(area).toBeGreaterThanOrEqual(0.02 - 1e-9);
      expect(area).toBeLessThanOrEqual(0.1 + 1e-9);
      expect(erased.left + erased.width).toBeLessThanOrEqual(1);
      expect(erased.top + erased.height).toBeLessThanOrEqual(1);
    }
  }
});
