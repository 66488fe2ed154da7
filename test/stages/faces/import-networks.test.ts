import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { beforeAll, expect, test } from 'vitest';
import { alignFace, findFaces } from '../../../stages/faces/import/align.js';
import { detectorSize, overlap } from '../../../stages/faces/import/detector.js';
import { landmarkSize } from '../../../stages/faces/import/landmarks.js';
import { type FaceNetworks, openFaceNetworks } from '../../../stages/faces/import/networks.js';
import { arcfaceTemplate } from '../../../stages/faces/import/similarity.js';
import { squareAt, warp } from '../../../stages/faces/import/warp.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { face, scene } from './import-photos.js';

/** What is used of the reference, face-api's own code. */
interface FaceApi {
  nets: Record<'ssdMobilenetv1' | 'faceLandmark68Net', { loadFromDisk(folder: string): Promise<void> }> & {
    ssdMobilenetv1: {
      locateFaces(
        input: tf.Tensor3D,
        options: object,
      ): Promise<{ score: number; box: { left: number; top: number; right: number; bottom: number } }[]>;
    };
    faceLandmark68Net: {
      detectLandmarks(input: tf.Tensor3D): Promise<{ positions: { x: number; y: number }[] }>;
    };
  };
  SsdMobilenetv1Options: new (options: object) => object;
}

const require = createRequire(import.meta.url);
let networks: FaceNetworks;

beforeAll(async () => {
  networks = await openFaceNetworks(await openDevice('auto', { threads: 1 }));
  return () => networks.close();
});

/** face-api's own code, on tfjs wasm, which afterwards is the current backend. */
async function reference(): Promise<FaceApi> {
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist/'));
  setThreadsCount(1);
  await tf.setBackend('wasm');
  const faceApi = require('@vladmandic/face-api/dist/face-api.node-wasm.js') as FaceApi;
  const folder = join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  await faceApi.nets.ssdMobilenetv1.loadFromDisk(folder);
  await faceApi.nets.faceLandmark68Net.loadFromDisk(folder);
  return faceApi;
}

test("boxes and landmarks are those of face-api's own code", async () => {
  const photo = await scene(3, { degrees: 8 });
  const input = warp(photo, squareAt({ x: 170, y: 150 }, 340, detectorSize), detectorSize);
  const boxes = (await networks.detect([input], 0.05))[0]!;
  const box = boxes[0]!;
  const crop = warp(
    { width: detectorSize, height: detectorSize, data: input },
    squareAt(
      { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 },
      box.bottom - box.top,
      landmarkSize,
    ),
    landmarkSize,
  );
  const marks = (await networks.landmarks([crop]))[0]!;

  const former = tf.getBackend();
  try {
    const { nets, SsdMobilenetv1Options } = await reference();
    const theirs = await nets.ssdMobilenetv1.locateFaces(
      tf.tensor3d(input, [detectorSize, detectorSize, 3], 'int32'),
      new SsdMobilenetv1Options({ minConfidence: 0.05 }),
    );
    expect(boxes).toHaveLength(theirs.length);
    theirs.forEach(({ score, box: their }, i) => {
      expect(boxes[i]!.score).toBeCloseTo(score, 4);
      for (const edge of ['left', 'top', 'right', 'bottom'] as const)
        expect(Math.abs(boxes[i]![edge] - their[edge])).toBeLessThan(0.01);
    });
    const { positions } = await nets.faceLandmark68Net.detectLandmarks(
      tf.tensor3d(crop, [landmarkSize, landmarkSize, 3], 'int32'),
    );
    positions.forEach(({ x, y }, i) => {
      expect(marks[2 * i]! * landmarkSize).toBeCloseTo(x, 3);
      expect(marks[2 * i + 1]! * landmarkSize).toBeCloseTo(y, 3);
    });
  } finally {
    await tf.setBackend(former);
  }
});

/** 160-pixel faces have their eyes 50 pixels apart. */
const eyes = ((arcfaceTemplate[1]!.x - arcfaceTemplate[0]!.x) * 160) / 112;

test('finds eyes, nose and mouth of upright and turned faces within a sixth of the distance of the eyes', async () => {
  const photos = [await scene(0), await scene(1, { degrees: -20 }), await scene(2, { degrees: 25 })];
  const found = await findFaces(networks, photos, 0.1);
  photos.forEach(({ points }, i) => {
    points.forEach((point, k) => {
      const there = found[i]!.points[k]!;
      expect(Math.hypot(there.x - point.x, there.y - point.y)).toBeLessThan(0.17 * eyes);
    });
  });
});

test('an aligned face is upright and in its place, however the photograph was', async () => {
  const photos = [await scene(4), await scene(4, { degrees: 30, at: { x: 120, y: 180 } })];
  const found = await findFaces(networks, photos, 0.1);
  const [straight, turned] = photos.map((photo, i) => alignFace(photo, found[i]!.points, 112, 0));
  const whole = warp({ width: 160, height: 160, data: face(4) }, squareAt({ x: 80, y: 80 }, 160, 112), 112);
  const differ = (a: Uint8Array, b: Uint8Array) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
  const stranger = warp(
    { width: 160, height: 160, data: face(5) },
    squareAt({ x: 80, y: 80 }, 160, 112),
    112,
  );
  expect(differ(straight!, turned!)).toBeLessThan(0.5 * differ(whole, stranger));
  expect(differ(turned!, whole)).toBeLessThan(differ(whole, stranger));
});

test('a face that fills the frame, as ORL has them, is found', async () => {
  const data = face(6);
  const [found] = await findFaces(networks, [{ width: 160, height: 160, data }], 0.1);
  expect(found!.border).toBeGreaterThan(0);
  expect(found!.faces).toBe(1);
});

test('of two faces the one nearest the centre is taken, and both are counted', async () => {
  const left = await scene(7, { at: { x: 150, y: 150 }, width: 640, height: 300 });
  const right = await scene(8, { at: { x: 480, y: 150 }, width: 640, height: 300 });
  const both = { width: 640, height: 300, data: Uint8Array.from(left.data) };
  for (let y = 0; y < 300; y++)
    both.data.set(right.data.subarray((y * 640 + 320) * 3, (y * 640 + 640) * 3), (y * 640 + 320) * 3);
  const [found] = await findFaces(networks, [both], 0.1);
  expect(found!.faces).toBe(2);
  // The right one is 160 pixels from the middle, the left one 170.
  expect(Math.abs((found!.box.left + found!.box.right) / 2 - 480)).toBeLessThan(25);
});

test('a picture without a face has none', async () => {
  const size = 200;
  const sky = {
    width: size,
    height: size,
    data: Uint8Array.from({ length: size * size * 3 }, (_, i) => Math.floor(i / (3 * size))),
  };
  expect(await findFaces(networks, [sky, sky], 0.1)).toEqual([undefined, undefined]);
});

test('what a picture gives does not depend on the pictures beside it', async () => {
  const [one, two] = [await scene(9), await scene(10, { degrees: 10 })];
  const alone = await findFaces(networks, [one], 0.1);
  const beside = await findFaces(networks, [two, one], 0.1);
  expect(beside[1]).toEqual(alone[0]);
});

test('overlap of boxes is intersection over union', () => {
  const box = (left: number, right: number) => ({ left, right, top: 0, bottom: 10, score: 1 });
  expect(overlap(box(0, 10), box(5, 15))).toBeCloseTo(1 / 3, 12);
  expect(overlap(box(0, 10), box(10, 20))).toBe(0);
  expect(overlap(box(0, 0), box(0, 0))).toBe(0);
});
