import { describe, expect, test } from 'vitest';
import {
  apply,
  arcfaceTemplate,
  fitSimilarity,
  invert,
  scaleOf,
  templateFor,
} from '../../../stages/faces/import/similarity.js';
import { squareAt, warp } from '../../../stages/faces/import/warp.js';

describe('the least-squares similarity', () => {
  test('finds a turn, scale and shift exactly', () => {
    // A quarter turn, twice as large, shifted by (5, -1): (x, y) -> (5 - 2 y, 2 x - 1).
    const from = [
      { x: 0, y: 0 },
      { x: 1, y: 0 },
      { x: 3, y: 2 },
    ];
    const to = from.map(({ x, y }) => ({ x: 5 - 2 * y, y: 2 * x - 1 }));
    const found = fitSimilarity(from, to);
    for (const [name, value] of Object.entries({ a: 0, b: 2, tx: 5, ty: -1 }))
      expect(found[name as 'a']).toBeCloseTo(value, 12);
    expect(scaleOf(found)).toBeCloseTo(2, 12);
    const back = apply(invert(found), apply(found, { x: 7, y: -4 }));
    expect([back.x, back.y]).toEqual([expect.closeTo(7, 10), expect.closeTo(-4, 10)]);
  });

  test('agrees with Umeyama (skimage.transform.SimilarityTransform) where points do not fit exactly', () => {
    // Made with numpy, as skimage's _umeyama does: singular values of the covariance of the centred points.
    const from = [
      { x: 30, y: 52 },
      { x: 68, y: 47 },
      { x: 51, y: 70 },
      { x: 38, y: 92 },
      { x: 66, y: 88 },
    ];
    const { a, b, tx, ty } = fitSimilarity(from, arcfaceTemplate);
    expect([a, b, tx, ty]).toEqual(
      [0.97962065, 0.09098358, 12.80800914, -1.08051102].map((value) => expect.closeTo(value, 6) as number),
    );
  });

  test('refuses points that coincide', () => {
    const point = { x: 1, y: 1 };
    expect(() => fitSimilarity([point, point], [point, point])).toThrow('coincide');
  });
});

test('the template keeps its place in a crop of another size, and moves inwards with a margin', () => {
  expect(templateFor(112, 0)).toEqual(
    arcfaceTemplate.map(({ x, y }) => ({ x: expect.closeTo(x, 10), y: expect.closeTo(y, 10) })),
  );
  // Twice the pixels: corners stay corners, so x -> 2 x + 0.5.
  expect(templateFor(224, 0)[0]!.x).toBeCloseTo(2 * 38.2946 + 0.5, 10);
  // A margin of a half on each side at the same size: half the scale, about the centre.
  expect(templateFor(112, 0.5)[0]!.x).toBeCloseTo((38.2946 + 0.5 - 56) / 2 + 55.5, 10);
});

describe('resampling', () => {
  const identity = { a: 1, b: 0, tx: 0, ty: 0 };
  const ramp = (size: number) => ({
    width: size,
    height: size,
    data: Uint8Array.from({ length: size * size * 3 }, (_, i) => Math.floor(i / 3) % size),
  });

  test('copies where nothing changes', () => {
    const picture = { width: 2, height: 2, data: Uint8Array.from({ length: 12 }, (_, i) => 20 * i) };
    expect(warp(picture, identity, 2)).toEqual(picture.data);
  });

  test('a quarter turn moves pixels, not values', () => {
    const picture = { width: 2, height: 2, data: Uint8Array.of(1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4) };
    // crop (x, y) <- picture (y, 1 - x)
    const turned = warp(picture, { a: 0, b: -1, tx: 0, ty: 1 }, 2);
    expect([turned[0], turned[3], turned[6], turned[9]]).toEqual([3, 1, 4, 2]);
  });

  test('is black beyond the picture, or goes on with its edge', () => {
    const white = { width: 1, height: 1, data: Uint8Array.of(255, 255, 255) };
    const away = { a: 1, b: 0, tx: -2, ty: 0 };
    expect([...warp(white, away, 1)]).toEqual([0, 0, 0]);
    expect([...warp(white, away, 1, 'edge')]).toEqual([255, 255, 255]);
  });

  test('a picture shown whole keeps its value up to its edges', () => {
    const gray = { width: 20, height: 20, data: new Uint8Array(1200).fill(200) };
    for (const size of [7, 16, 20, 33])
      expect(new Set(warp(gray, squareAt({ x: 10, y: 10 }, 20, size), size))).toEqual(new Set([200]));
  });

  test('a fine checkerboard becomes gray when it shrinks, at any scale', () => {
    const size = 120;
    const board = {
      width: size,
      height: size,
      data: Uint8Array.from({ length: size * size * 3 }, (_, i) => {
        const pixel = Math.floor(i / 3);
        return ((pixel % size) + Math.floor(pixel / size)) % 2 ? 255 : 0;
      }),
    };
    for (const out of [60, 45, 30, 17, 8])
      for (const value of warp(board, squareAt({ x: 60, y: 60 }, 100, out), out))
        expect(Math.abs(value - 127.5)).toBeLessThan(20);
  });

  test('a ramp stays a ramp when it shrinks eightfold: no half pixel is lost on the way', () => {
    const crop = warp(ramp(160), squareAt({ x: 80, y: 80 }, 160, 20), 20);
    // The mean of columns 8 x .. 8 x + 7.
    for (let x = 1; x < 19; x++)
      expect(Math.abs(crop[(10 * 20 + x) * 3]! - (8 * x + 3.5))).toBeLessThanOrEqual(1);
  });

  test('a ramp stays a ramp when it grows', () => {
    const crop = warp(ramp(40), squareAt({ x: 20, y: 20 }, 20, 80), 80);
    for (let x = 0; x < 80; x++)
      expect(Math.abs(crop[(40 * 80 + x) * 3]! - (10 + (x + 0.5) / 4 - 0.5))).toBeLessThanOrEqual(0.5);
  });
});
