import { createHash } from 'node:crypto';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ImageSetWriter } from '../../../stages/data/image-set.js';
import type { SetProvenance } from '../../../stages/data/provenance.js';
import { readSafetensors } from '../../../stages/data/safetensors.js';
import { openFrozenRecogniser } from '../../../stages/diffusion/frozen-recogniser.js';
import { squareAt, warp } from '../../../stages/faces/import/warp.js';
import { openRecogniser } from '../../../stages/recognition/embed.js';
import { stage } from '../../../stages/recognition/face-api/face-api-model.stage.js';
import { faceChips, resampling } from '../../../stages/recognition/face-api/framing.js';
import { describeFaces, inputSize } from '../../../stages/recognition/face-api/network.js';
import { type FaceApiConfig, openFaceApiNetwork } from '../../../stages/recognition/face-api/recogniser.js';
import { marginOf } from '../../../stages/recognition/frame.js';
import { mirror } from '../../../stages/recognition/mirror.js';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { bind } from '../../../stages/tensors/network.js';
import { face } from '../faces/import-photos.js';
import { provenance, StageLab } from './stage-lab.js';

const lab = new StageLab();
let folder: string;
let device: Device;

beforeAll(async () => {
  folder = (await lab.run(stage, { inputs: {} })).outputs['model']!;
  device = await openDevice('auto', { threads: 1 });
});
afterAll(() => lab[Symbol.dispose]());

/** The middle of a rendered face at another size. */
const scaled = (person: number, size: number, image = 0) =>
  warp({ width: 160, height: 160, data: face(person, image) }, squareAt({ x: 80, y: 80 }, 160, size), size);

test('the model is complete in itself: weights of 29 convolutions, their digest, and who trained them on whom', () => {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as {
    provenance: { weights: string; data: { realData: string[] }; training: { package: string } };
  };
  const file = join(folder, 'model.safetensors');
  expect(config).toMatchObject({
    format: 'cemiflow-model/1',
    kind: 'face-api',
    embeddingSize: 128,
    inputSize: 150,
  });
  expect(config.provenance.weights).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'));
  expect(config.provenance.data.realData).toContain('FaceScrub');
  expect(config.provenance.training.package).toMatch(/^@vladmandic\/face-api \d+\.\d+\.\d+$/);
  const names = [...readSafetensors(file).keys()];
  expect(names.filter((name) => name.endsWith('/filters'))).toHaveLength(29);
  expect(names).toContain('fc');
});

test("descriptors are those of face-api's own code, to 1e-4", async () => {
  const crops = [scaled(0, inputSize), scaled(1, inputSize), scaled(1, inputSize, 3)];
  const { layout, weights } = openFaceApiNetwork(folder);
  const run = device.compile((w: tf.Tensor1D, images: tf.Tensor4D) => {
    const scope = bind(layout, w, w, false);
    return describeFaces((name, shape) => scope.weight(name, shape, { kind: 'zeros' }), images);
  });
  const batch = Float32Array.from(crops.flatMap((crop) => [...crop]));
  const ours = await (
    await run(tf.tensor1d(weights), tf.tensor4d(batch, [3, inputSize, inputSize, 3]))
  ).data();

  const former = tf.getBackend();
  const require = createRequire(import.meta.url);
  setWasmPaths(join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist/'));
  setThreadsCount(1);
  await tf.setBackend('wasm');
  try {
    const { nets } = require('@vladmandic/face-api/dist/face-api.node-wasm.js') as {
      nets: {
        faceRecognitionNet: {
          loadFromDisk(folder: string): Promise<void>;
          computeFaceDescriptor(face: tf.Tensor3D): Promise<Float32Array>;
        };
      };
    };
    await nets.faceRecognitionNet.loadFromDisk(
      join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'model'),
    );
    for (const [i, crop] of crops.entries()) {
      const theirs = await nets.faceRecognitionNet.computeFaceDescriptor(
        tf.tensor3d(crop, [inputSize, inputSize, 3], 'int32'),
      );
      theirs.forEach((value, k) => expect(Math.abs(ours[i * 128 + k]! - value)).toBeLessThan(1e-4));
    }
  } finally {
    await tf.setBackend(former);
  }
});

describe('the frame of its face chips', () => {
  test('rows of the resampling matrix are means: they sum to one and stay inside the picture', () => {
    for (const [size, margin] of [
      [112, 0],
      [160, 0.125],
      [16, 0],
      [600, 1],
    ] as const) {
      const weights = resampling(size, margin, 71);
      for (let i = 0; i < inputSize; i++) {
        const row = weights.subarray(i * size, (i + 1) * size);
        expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
        expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test('a place of the ArcFace template comes to its place in the chip, at every size and margin', () => {
    // The chip's 150 pixels are 103 of ArcFace's 112, about (56, 71): column 56 is the chip's middle.
    const centreOf = (row: Float32Array) => row.reduce((sum, weight, j) => sum + weight * (j + 0.5), 0);
    for (const [size, margin] of [
      [112, 0],
      [224, 0],
      [140, 0.125],
      [336, 1],
    ] as const) {
      const columns = resampling(size, margin, 56);
      const perPixel = size / (112 * (1 + 2 * margin));
      const place = (i: number) =>
        centreOf(columns.subarray(i * size, (i + 1) * size)) / perPixel - 112 * margin;
      expect((place(74) + place(75)) / 2).toBeCloseTo(56, 3);
      // Ten chip pixels are 10 * 103 / 150 pixels of the template.
      expect(place(80) - place(70)).toBeCloseTo(6.867, 1);
    }
  });

  test('a chip from a wider frame shows what one from the plain frame shows', async () => {
    const wide = face(2);
    // The middle 128 of 160 pixels are the plain frame of a picture with a margin of an eighth.
    const plain = warp({ width: 160, height: 160, data: wide }, squareAt({ x: 80, y: 80 }, 128, 128), 128);
    const chip = async (pixels: Uint8Array, size: number, margin: number) =>
      faceChips(tf.tensor4d(Float32Array.from(pixels), [1, size, size, 3]), margin).data();
    const [a, b] = [await chip(wide, 160, 0.125), await chip(plain, 128, 0)];
    // Rows that the plain frame has, not those below its lower edge.
    for (let i = 30 * 150 * 3; i < 120 * 150 * 3; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(1);
  });
});

describe('as a recogniser', () => {
  test('gives unit rows for images of any size, the same alone and among others', async () => {
    const recogniser = await openRecogniser(folder, device);
    expect(recogniser.dimension).toBe(128);
    for (const size of [32, 112]) {
      const people = Uint8Array.from(Array.from({ length: 18 }, (_, i) => [...scaled(i % 3, size)]).flat());
      const rows = await recogniser.embed(people, size, size);
      expect(rows).toHaveLength(18 * 128);
      for (let i = 0; i < 18; i++)
        expect(Math.hypot(...rows.subarray(i * 128, (i + 1) * 128))).toBeCloseTo(1, 5);
      const alone = await recogniser.embed(scaled(2, size), size, size);
      alone.forEach((value, k) => expect(value).toBeCloseTo(rows[17 * 128 + k]!, 5));
    }
    recogniser.dispose();
  });

  test('with flip, an image and its mirror image are the same', async () => {
    const recogniser = await openRecogniser(folder, device);
    const image = scaled(4, 112);
    const [one, other, straight] = [
      await recogniser.embed(image, 112, 112, { flip: true }),
      await recogniser.embed(mirror(image, 112, image.slice()), 112, 112, { flip: true }),
      await recogniser.embed(image, 112, 112),
    ];
    one.forEach((value, k) => expect(value).toBeCloseTo(other[k]!, 5));
    expect(one).not.toEqual(straight);
    recogniser.dispose();
  });

  test('holds pictures of one rendered person nearer than those of two', async () => {
    const recogniser = await openRecogniser(folder, device);
    const people = [0, 1, 2, 3, 4, 5];
    const pixels = Uint8Array.from(
      people.flatMap((person) => [0, 1].flatMap((image) => [...scaled(person, 112, image)])),
    );
    const rows = await recogniser.embed(pixels, 112, 112);
    const cosine = (i: number, j: number) =>
      rows.subarray(i * 128, (i + 1) * 128).reduce((sum, value, k) => sum + value * rows[j * 128 + k]!, 0);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const own = mean(people.map((p) => cosine(2 * p, 2 * p + 1)));
    const others = mean(
      people.flatMap((p) => people.filter((q) => q !== p).map((q) => cosine(2 * p, 2 * q + 1))),
    );
    expect(own).toBeGreaterThan(others + 0.03);
    recogniser.dispose();
  });

  test('gradients go through it to the images: they foretell what a small step does', async () => {
    const { layout, weights, forward } = openFaceApiNetwork(folder);
    const w = tf.tensor1d(weights);
    const image = tf.tensor4d(
      Float32Array.from(scaled(0, 32), (value) => value / 127.5 - 1),
      [1, 32, 32, 3],
    );
    const target = tf.tensor2d(
      Float32Array.from({ length: 128 }, (_, k) => ((k * 37) % 11) / 11 - 0.5),
      [1, 128],
    );
    const loss = (v: tf.Tensor1D, x: tf.Tensor4D, t: tf.Tensor2D) =>
      forward(bind(layout, v, v, false), x)
        .mul(t)
        .sum() as tf.Scalar;
    const compiled = device.compile((v: tf.Tensor1D, x: tf.Tensor4D, t: tf.Tensor2D) => {
      const { value, grad } = tf.valueAndGrad((y: tf.Tensor4D) => loss(v, y, t))(x);
      return { value, grad };
    });
    const { value, grad } = await compiled(w, image, target);
    const gradient = await grad.data();
    const length = Math.hypot(...gradient);
    expect(length).toBeGreaterThan(0);
    const step = 2e-3;
    const along = image.add<tf.Tensor4D>(grad.mul(tf.scalar(step / length)));
    const moved = await compiled(w, along, target);
    const change = (await moved.value.data())[0]! - (await value.data())[0]!;
    expect(change / (step * length)).toBeGreaterThan(0.8);
    expect(change / (step * length)).toBeLessThan(1.2);
    compiled.dispose();
  });
});

describe('a damaged model', () => {
  test('cut weights and missing ones are said, with the remedy', async () => {
    const copy = async () =>
      (await lab.run(stage, { inputs: {}, settings: { margin: 0.1 } })).outputs['model']!;
    const cut = await copy();
    truncateSync(join(cut, 'model.safetensors'), 1_000_000);
    await expect(openRecogniser(cut, device)).rejects.toMatchObject({
      name: 'StageError',
      remedy: expect.stringContaining('face-api-model') as string,
    });
    const missing = await copy();
    rmSync(join(missing, 'model.safetensors'));
    await expect(openRecogniser(missing, device)).rejects.toThrow('model.safetensors');
    const none = await copy();
    writeFileSync(join(none, 'config.json'), '{');
    await expect(openRecogniser(none, device)).rejects.toThrow('no model');
  });
});

describe('with a reference', () => {
  const reference = (people: number[], margin?: number) => {
    const path = lab.path('reference');
    const writer = ImageSetWriter.open(path, { width: 64, height: 64 });
    people.forEach((person, label) => writer.add(scaled(person, 64), label));
    const imported = { ...provenance, kind: 'faces-import' as const, realData: ['friends'] };
    writer.finish({
      provenance: margin === undefined ? imported : { ...imported, settings: { align: 'detect', margin } },
    });
    return lab.input('images', path);
  };
  const people = [10, 11, 12, 13, 14, 15];
  const made = async (settings: object) =>
    lab.run(stage, { inputs: { reference: reference(people) }, settings });
  const embed = async (path: string) => {
    const recogniser = await openRecogniser(path, device);
    const rows = await recogniser.embed(
      Uint8Array.from(people.flatMap((one) => [...scaled(one, 64)])),
      64,
      64,
      {
        flip: true,
      },
    );
    recogniser.dispose();
    return rows;
  };
  const row = (rows: Float32Array, i: number) => rows.subarray(i * 128, (i + 1) * 128);

  test('the mean of its unit embeddings is subtracted, and rows are normalised again', async () => {
    const plain = await embed(folder);
    const mean = Float32Array.from(
      { length: 128 },
      (_, k) => people.reduce((sum, _one, i) => sum + row(plain, i)[k]!, 0) / 6,
    );
    const { outputs, warnings } = await made({ center: 0.5 });
    expect(warnings.join()).toContain('the mean embedding is of 6 people');
    const rows = await embed(outputs['model']!);
    people.forEach((_, i) => {
      const moved = row(plain, i).map((value, k) => value - 0.5 * mean[k]!);
      const length = Math.hypot(...moved);
      row(rows, i).forEach((value, k) => expect(value).toBeCloseTo(moved[k]! / length, 4));
    });
  });

  test('strangers spread about 0, which they do not under the plain network', async () => {
    const cosines = (rows: Float32Array) =>
      people.flatMap((_, i) =>
        people
          .slice(i + 1)
          .map((_other, j) =>
            row(rows, i).reduce((sum, value, k) => sum + value * row(rows, i + 1 + j)[k]!, 0),
          ),
      );
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(cosines(await embed(folder)))).toBeGreaterThan(0.8);
    expect(Math.abs(mean(cosines(await embed((await made({ center: 1 })).outputs['model']!))))).toBeLessThan(
      0.3,
    );
  });

  test('inside a compiled step it gives the same rows', async () => {
    const { outputs } = await made({});
    const whole = await embed(outputs['model']!);
    const { layout, weights, forward } = openFaceApiNetwork(outputs['model']!);
    const run = device.compile((w: tf.Tensor1D, images: tf.Tensor4D) =>
      forward(bind(layout, w, w, false), images),
    );
    const pixels = Float32Array.from(
      people.flatMap((one) => [...scaled(one, 64)]),
      (value) => value / 127.5 - 1,
    );
    const rows = await (await run(tf.tensor1d(weights), tf.tensor4d(pixels, [6, 64, 64, 3]))).data();
    // Without the mirror image: near, not equal.
    people.forEach((_, i) => {
      const cosine = row(rows as Float32Array, i).reduce(
        (sum, value, k) => sum + value * row(whole, i)[k]!,
        0,
      );
      expect(cosine).toBeGreaterThan(0.9);
    });
    run.dispose();
  });

  test('the record names it, and center: 0 is the plain network', async () => {
    const read = (path: string) =>
      JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as FaceApiConfig;
    const config = read((await made({})).outputs['model']!);
    expect(config.center).toEqual({ share: 0.85, images: 6, identities: 6, of: ['friends'] });
    expect(config.provenance.data!.realData).toContain('friends');
    expect(read((await made({ center: 0 })).outputs['model']!)).toEqual(read(folder));
  });

  test('one of another margin is refused, naming both', async () => {
    await expect(
      lab.run(stage, { inputs: { reference: reference(people, 0.25) }, settings: { margin: 0.1 } }),
    ).rejects.toMatchObject({
      message:
        'the face-api model is made for faces with margin 0.1, and these have margin 0.25 (faces-import)',
      remedy: expect.stringContaining('margin: 0.25 in face-api-model') as string,
    });
  });
});

describe('faces of another margin than the model was made for', () => {
  const margins = { align: 'detect', margin: 0.25 };
  const imported: SetProvenance = { ...provenance, kind: 'faces-import', settings: margins };
  test.each<[string, SetProvenance, number | undefined]>([
    ['imported with a margin', imported, 0.25],
    [
      'imported without a search for faces',
      { ...imported, settings: { align: 'none', margin: 0.25 } },
      undefined,
    ],
    ['rendered', provenance, 0],
    [
      'generated from others',
      {
        ...provenance,
        kind: 'generate',
        generator: { kind: 'unet', architecture: '', weights: '', data: imported },
      },
      0.25,
    ],
    ['generated, the generator unknown', { ...provenance, kind: 'generate', inquiry: imported }, 0.25],
  ])('%s', (_, set, margin) => {
    expect(marginOf(set)).toBe(margin);
  });

  test('are refused wherever a model is opened for them', async () => {
    await expect(openRecogniser(folder, device, [undefined, imported])).rejects.toThrow(
      'margin 0, and these have margin 0.25',
    );
    expect(() => openFrozenRecogniser(folder, { width: 64, height: 64 }, imported)).toThrow('margin 0.25');
    (await openRecogniser(folder, device, [provenance])).dispose();
  });
});
