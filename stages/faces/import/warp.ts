/**
 * Resampling a picture under a similarity transform, without aliasing: the picture is halved (2x2 means) until at most two of its
 * pixels fall on one of the crop's, then each crop pixel is the mean of bilinear samples spread over its area.
 */
import { scaleOf, type Similarity } from './similarity.js';

/** RGB pixels, uint8 [height, width, 3]. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/**
 * @param toPicture takes a crop's pixel to the picture's (both count pixel centres from 0)
 * @param outside   what is seen beyond the picture: 'black' (as insightface's alignment), or its 'edge'
 * @returns uint8 [size, size, 3]
 */
export function warp(
  picture: Picture,
  toPicture: Similarity,
  size: number,
  outside: 'black' | 'edge' = 'black',
): Uint8Array {
  let source: Picture = picture;
  let map = toPicture;
  while (scaleOf(map) > 2 && source.width > 1 && source.height > 1) {
    source = halve(source);
    // A pixel of the half picture lies between two of the whole one: x' = (x - 0.5) / 2.
    map = { a: map.a / 2, b: map.b / 2, tx: (map.tx - 0.5) / 2, ty: (map.ty - 0.5) / 2 };
  }
  const steps = Math.max(1, Math.ceil(scaleOf(map)));
  const { width, height, data } = source;
  const { a, b, tx, ty } = map;
  const crop = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      let [red, green, blue] = [0, 0, 0];
      for (let i = 0; i < steps; i++)
        for (let j = 0; j < steps; j++) {
          const u = x + (j + 0.5) / steps - 0.5;
          const v = y + (i + 0.5) / steps - 0.5;
          let px = a * u - b * v + tx;
          let py = b * u + a * v + ty;
          // The picture reaches half a pixel beyond the centres of its outermost ones.
          if (outside === 'black' && (px < -0.5 || py < -0.5 || px > width - 0.5 || py > height - 0.5))
            continue;
          px = Math.min(width - 1, Math.max(0, px));
          py = Math.min(height - 1, Math.max(0, py));
          const left = Math.floor(px);
          const top = Math.floor(py);
          for (let dy = 0; dy < 2; dy++) {
            const row = top + dy;
            if (row >= height) continue;
            const down = dy === 1 ? py - top : 1 - (py - top);
            for (let dx = 0; dx < 2; dx++) {
              const column = left + dx;
              if (column >= width) continue;
              const weight = down * (dx === 1 ? px - left : 1 - (px - left));
              const at = (row * width + column) * 3;
              red += weight * data[at]!;
              green += weight * data[at + 1]!;
              blue += weight * data[at + 2]!;
            }
          }
        }
      const at = (y * size + x) * 3;
      const samples = steps * steps;
      crop[at] = Math.round(red / samples);
      crop[at + 1] = Math.round(green / samples);
      crop[at + 2] = Math.round(blue / samples);
    }
  return crop;
}

/** Means of 2x2 pixels; an odd last row or column is left out. */
function halve({ width, height, data }: Picture): Picture {
  const [w, h] = [width >> 1, height >> 1];
  const half = new Uint8Array(w * h * 3);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < 3; c++) {
        const at = (2 * y * width + 2 * x) * 3 + c;
        const total = data[at]! + data[at + 3]! + data[at + width * 3]! + data[at + width * 3 + 3]!;
        half[(y * w + x) * 3 + c] = (total + 2) >> 2;
      }
  return { width: w, height: h, data: half };
}

/** The similarity that takes a crop of `size` pixels to the square of `edge` pixels with that middle. */
export function squareAt(middle: { x: number; y: number }, edge: number, size: number): Similarity {
  const scale = edge / size;
  const start = (value: number) => value - edge / 2 + scale / 2 - 0.5;
  return { a: scale, b: 0, tx: start(middle.x), ty: start(middle.y) };
}
