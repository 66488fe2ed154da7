import * as tf from '@tensorflow/tfjs';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openRecogniser } from '../../../stages/recognition/embed.js';
import { embedAll } from '../../../stages/recognition/embeddings.js';
import { subset } from '../../../stages/data/dataset.js';
import { ImageSet } from '../../../stages/data/image-set.js';
import { NpyImages } from '../../../stages/data/npy-images.js';
import { iresnet } from '../../../stages/recognition/iresnet.js';
import { presets } from '../../../stages/recognition/presets.js';
import { mirror } from '../../../stages/recognition/mirror.js';
import {
  readRecogniserConfig,
  recogniserForward,
  writeRecognition,
} from '../../../stages/recognition/model.js';
import { type Device, openDevice } from '../../../stages/tensors/device.js';
import { toNamed } from '../../../stages/tensors/named-arrays.js';
import { bind, initialBuffers, initialWeights } from '../../../stages/tensors/network.js';
import { pattern, StageLab } from './stage-lab.js';

const size = 16;
const architecture = { ...presets.tiny, widths: [8, 16], blocks: [1, 1], embeddingSize: 8, inputSize: size };
const network = recogniserForward({ architecture });
const weights = initialWeights(network.layout, 3, 'test');
const buffers = initialBuffers(network.layout);
let device: Device;

beforeAll(async () => {
  device = await openDevice('cpu', { threads: 1 });
});

function model(lab: StageLab): string {
  const folder = lab.path('model');
  const named = toNamed(network.layout, weights, buffers);
  named.set('classifier.weight', { shape: [3, 8], data: Float32Array.from({ length: 24 }, (_, i) => i - 7) });
  writeRecognition(
    folder,
    {
      format: 'cemiflow-model/1',
      kind: 'recognition',
      architecture,
      classes: 3,
      input: { channels: 'RGB', range: [-1, 1], width: size, height: size },
      provenance: { kind: 'recognition', architecture: 'test' },
    },
    named,
  );
  return folder;
}

const images = Uint8Array.from(Array.from({ length: 3 }, (_, i) => [...pattern(i, 0, size)]).flat());

/** Embeddings before normalisation, straight from the network. */
function raw(pixels: Uint8Array): number[][] {
  const input = tf.tensor4d(
    Float32Array.from(pixels, (p) => p / 127.5 - 1),
    [3, size, size, 3],
  );
  const scope = bind(network.layout, tf.tensor1d(weights), tf.tensor1d(buffers), false);
  return iresnet(scope, architecture, input).arraySync() as number[][];
}
const unit = (row: number[]) => row.map((value) => value / Math.hypot(...row));

test('embeddings are unit rows of the network, in any number', async () => {
  using lab = new StageLab();
  const recogniser = await openRecogniser(model(lab), device);
  expect(recogniser.dimension).toBe(8);
  const rows = await recogniser.embed(images, size, size);
  raw(images).forEach((row, i) =>
    unit(row).forEach((value, k) => expect(rows[i * 8 + k]).toBeCloseTo(value, 5)),
  );
  const one = await recogniser.embed(images.subarray(0, size * size * 3), size, size);
  one.forEach((value, k) => expect(value).toBeCloseTo(rows[k]!, 6));
  expect(await recogniser.embed(new Uint8Array(0), size, size)).toHaveLength(0);
  recogniser.dispose();
});

test('with flip the embeddings of image and mirror are summed before they are normalised', async () => {
  using lab = new StageLab();
  const recogniser = await openRecogniser(model(lab), device);
  const rows = await recogniser.embed(images, size, size, { flip: true });
  const mirrored = raw(mirror(images, size, images.slice()));
  raw(images).forEach((row, i) =>
    unit(row.map((value, k) => value + mirrored[i]![k]!)).forEach((value, k) =>
      expect(rows[i * 8 + k]).toBeCloseTo(value, 5),
    ),
  );
  recogniser.dispose();
});

test('sets of many batches, read in a thread, have the embeddings that each has by itself', async () => {
  using lab = new StageLab();
  // Its calls let messages of threads through, which those of `cpu` do not.
  const recogniser = await openRecogniser(model(lab), await openDevice('onnx', { threads: 1 }));
  const folder = lab.patterns({ identities: 15, each: 20, size }).path; // 300 images are two batches
  const set = ImageSet.open(folder);
  const rows = Int32Array.of(299, 3, 2);
  // Many, so that the thread is there before the last.
  const kinds = [set, subset(set, rows), new NpyImages(join(folder, 'shard-00000.npy'), size, size)];
  const sets = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`set-${i}`, kinds[i % 3]!]));
  for (const flip of [false, true]) {
    const alone = await recogniser.embed(set.all(), size, size, { flip });
    const some = await recogniser.embed(set.read(rows), size, size, { flip });
    const told = { folder: lab.path('checkpoint'), signal: new AbortController().signal, log: () => {} };
    using embedded = await embedAll(recogniser, sets, { ...told, flip });
    Object.keys(sets).forEach((name, i) => {
      const stored = embedded[name]!;
      const found = stored.read(0, new Float32Array(8 * stored.count));
      expect(found).toEqual(i % 3 === 1 ? some : alone);
    });
  }
  recogniser.dispose();
  await openDevice('cpu', { threads: 1 });
});

test('calls at the same time, of any size, have the embeddings that each has by itself', async () => {
  using lab = new StageLab();
  // It reads its input after the call has returned.
  const recogniser = await openRecogniser(model(lab), await openDevice('onnx', { threads: 1 }));
  const few = images.slice(size * size * 3).reverse();
  const embed = (pixels: Uint8Array) => recogniser.embed(pixels, size, size, { flip: true });
  const alone = [await embed(images), await embed(few)];
  expect(await Promise.all([images, few, images].map(embed))).toEqual([alone[0], alone[1], alone[0]]);
  recogniser.dispose();
  await openDevice('cpu', { threads: 1 });
});

test('classifier rows come as unit rows', async () => {
  using lab = new StageLab();
  const { classifier, dispose } = await openRecogniser(model(lab), device);
  for (let row = 0; row < 3; row++)
    expect(Math.hypot(...classifier!.subarray(row * 8, row * 8 + 8))).toBeCloseTo(1, 6);
  dispose();
});

test('no tensor is left behind', async () => {
  using lab = new StageLab();
  const folder = model(lab);
  const before = tf.memory().numTensors;
  const recogniser = await openRecogniser(folder, device);
  await recogniser.embed(images, size, size, { flip: true });
  recogniser.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('images of another size, a damaged model and other models are refused with a remedy', async () => {
  using lab = new StageLab();
  const recogniser = await openRecogniser(model(lab), device);
  await expect(recogniser.embed(new Uint8Array(32 * 32 * 3), 32, 32)).rejects.toThrow(
    'takes images of 16x16; these are 32x32',
  );
  recogniser.dispose();

  const nothing = lab.path('nothing');
  await expect(openRecogniser(nothing, device)).rejects.toThrow('no model');
  writeFileSync(join(nothing, 'config.json'), '{"format": "cemiflow-model/1", "kind": "unet"}');
  expect(() => readRecogniserConfig(nothing)).toThrow("a model of kind 'unet' gives no embeddings");
  writeFileSync(join(nothing, 'config.json'), '{"format": "other", "kind": "unet"}');
  expect(() => readRecogniserConfig(nothing)).toThrow("format is 'other'");

  const other = lab.path('other');
  const config = JSON.parse(readFileSync(join(model(lab), 'config.json'), 'utf8'));
  const save = (change: object) =>
    writeFileSync(join(other, 'config.json'), JSON.stringify({ ...config, ...change }));
  copyFileSync(join(model(lab), 'model.safetensors'), join(other, 'model.safetensors'));
  save({ classes: 4 });
  await expect(openRecogniser(other, device)).rejects.toThrow('classifier.weight should be float32 [4, 8]');
  save({ architecture: { ...architecture, widths: [8, 12] } });
  await expect(openRecogniser(other, device)).rejects.toThrow(/layer2\.0\.conv1\.weight has shape/);
});
