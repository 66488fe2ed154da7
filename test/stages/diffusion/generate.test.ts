/** Generating whole: filter, shared noise, mixtures of m, resuming, what is measured and written. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../stages/contract.js';
import { ImageSet } from '../../../stages/data/image-set.js';
import { readNpyAs } from '../../../stages/data/npy.js';
import { stage as trainStage } from '../../../stages/diffusion/diffusion-train.stage.js';
import { stage } from '../../../stages/diffusion/generate.stage.js';
import { filterInquiries } from '../../../stages/diffusion/inquiry.js';
import { similaritiesOf } from '../../../stages/diffusion/similarities.js';
import { openRecogniser } from '../../../stages/recognition/embed.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { embeddingsOf } from '../recognition/rows.js';
import { fill, size, tinyUnet, Workbench } from './workbench.js';

const bench = new Workbench();
afterAll(() => bench.remove());

let eId: string;
let inquiry: string;
let generators: Record<'cemiface' | 'dcface' | 'unconditional', string>;
const base = { perIdentity: 3, oversample: 2, inquiryFilter: 1, steps: 3, batch: 4 };
const generate = (
  more: JsonObject = {},
  rest: { inputs?: Record<string, string>; abortAt?: number; checkpoint?: string } = {},
) =>
  bench.run(stage, {
    ...rest,
    settings: { ...base, ...more },
    inputs: { generator: generators.cemiface, inquiry, model: eId, ...rest.inputs },
  });

beforeAll(async () => {
  const dataset = bench.faces('faces', 3, 4);
  eId = bench.recogniser('e-id');
  inquiry = bench.faces('inquiry', 5, 1);
  const train = async (method: keyof typeof generators) => {
    const inputs: Record<string, string> = method === 'unconditional' ? { dataset } : { dataset, model: eId };
    // Enough steps at a high rate that the outputs differ by m at all; what they show does not matter here.
    const settings = { ...tinyUnet, method, batch: 6, steps: 12, lr: 0.02, T: 50 };
    return (await bench.run(trainStage, { settings, inputs })).output;
  };
  generators = {
    cemiface: await train('cemiface'),
    dcface: await train('dcface'),
    unconditional: await train('unconditional'),
  };
});

test('the set holds each identity: the inquiry image twice, then its images; and what it is made of', async () => {
  const { output, metrics } = await generate();
  const set = ImageSet.open(output);
  expect([...set.labels]).toEqual([0, 1, 2, 3, 4].flatMap((label) => Array<number>(5).fill(label)));
  const source = ImageSet.open(inquiry);
  for (const identity of [0, 4]) {
    const own = source.read([identity]);
    expect(set.read([5 * identity])).toEqual(own);
    expect(set.read([5 * identity + 1])).toEqual(own);
    expect(set.read([5 * identity + 2])).not.toEqual(own);
  }
  expect(readNpyAs(join(output, 'inquiry.npy'), 'uint8')).toMatchObject({
    shape: [5, size, size, 3],
    data: source.all(),
  });
  expect([...readNpyAs(join(output, 'generated.npy'), 'uint8').data.subarray(0, 5)]).toEqual([0, 0, 1, 1, 1]);
  expect(set.info.provenance).toMatchObject({
    kind: 'generate',
    asked: { identities: 5, images: 25 },
    delivered: { identities: 5, images: 25 },
    settings: { m: 0, method: 'cemiface' },
    recogniser: { architecture: 'tiny' },
    inquiry: { kind: 'faces-render' },
  });
  const picture = await sharp(join(output, 'sample.png')).metadata();
  expect(picture.width! / picture.height!).toBeCloseTo((4 * 9 - 1) / (5 * 9 - 1), 2);

  // The reported similarity is that of the images written, with their inquiry image, under E_id.
  const device = await openDevice('cpu', { threads: 1 });
  const recogniser = await openRecogniser(eId, device);
  const rows = await recogniser.embed(set.all(), size, size);
  const cos = [2, 3, 4].map((image) =>
    [...rows.subarray(6 * image, 6 * image + 6)].reduce((sum, v, i) => sum + v * rows[i]!, 0),
  );
  const written = readNpyAs(join(output, 'similarity.npy'), 'float32').data;
  cos.forEach((value, k) => expect(written[2 + k]).toBeCloseTo(value, 4));
  const measured = [...written].filter((value) => !Number.isNaN(value));
  expect(measured).toHaveLength(15);
  expect(metrics.get('similarity/mean')).toBeCloseTo(measured.reduce((a, b) => a + b) / 15, 5);
});

test('sets at other m share their noise, image by image', async () => {
  const open = async (m: number) => ImageSet.open((await generate({ m })).output);
  const [one, zero, again] = [await open(1), await open(0), await open(0)];
  expect(again.all()).toEqual(zero.all());
  expect(one.all()).not.toEqual(zero.all());
  // After three steps of a hardly trained network the noise still shows: images are nearer to their own column at the
  // other m than to that column's neighbour.
  const distance = (a: number, b: number) => {
    const [left, right] = [one.read([a]), zero.read([b])];
    return left.reduce((sum, value, i) => sum + Math.abs(value - right[i]!), 0);
  };
  const over = (images: number[], step: number) =>
    images.reduce((sum, image) => sum + distance(image, image + step), 0);
  const images = [2, 3, 7, 8, 12];
  expect(over(images, 0)).toBeLessThan(0.8 * over(images, 1));
});

test('a mixture of m gives each image the value of its place, with the noise of that place', async () => {
  const mixed = ImageSet.open((await generate({ m: [1, 0] })).output);
  const [one, zero] = [
    ImageSet.open((await generate({ m: 1 })).output),
    ImageSet.open((await generate({ m: 0 })).output),
  ];
  const m = readNpyAs(join(mixed.folder, 'm.npy'), 'float32').data;
  expect([...m.subarray(2, 5)]).toEqual([1, 0, 1]);
  expect(mixed.read([2, 4])).toEqual(one.read([2, 4]));
  expect(mixed.read([3])).toEqual(zero.read([3]));
});

test.each([
  [0.5, [0.5]],
  [
    [0, 0.5, 0.9, 1],
    [0, 0.5, 0.9, 1],
  ],
  [{ from: 0, to: 0.1, interval: 0.02 }, [0, 0.02, 0.04, 0.06, 0.08, 0.1]],
  [{ from: -0.3, to: 0.3, interval: 0.3 }, [-0.3, 0, 0.3]],
  [{ from: 0, to: 0.5, interval: 0.2 }, [0, 0.2, 0.4]],
])('m = %j means %j', (setting, values) => expect(similaritiesOf(setting)).toEqual(values));

test('the grid of the paper has 101 values', () => {
  const grid = similaritiesOf({ from: -1, to: 1, interval: 0.02 });
  expect([grid.length, grid[0], grid[50], grid[100]]).toEqual([101, -1, 0, 1]);
});

describe.each(['cemiface', 'dcface'] as const)('%s', (method) => {
  const inputs = () => ({
    generator: generators[method],
    ...(method === 'dcface' ? { style: inquiry } : {}),
  });

  test('stopped after a batch and run again it ends in the bytes of a run never stopped', async () => {
    const whole = await generate({ eta: 0.5 }, { inputs: inputs() });
    const checkpoint = `checkpoint-${method}`;
    const stopped = generate({ eta: 0.5 }, { inputs: inputs(), abortAt: 4, checkpoint });
    await expect(stopped).rejects.toThrow('stopped by the test');
    const resumed = await generate({ eta: 0.5 }, { inputs: inputs(), checkpoint });
    expect(resumed.log.join()).toContain('resuming at image 4 of 15');
    for (const file of ['shard-00000.npy', 'set.json', 'similarity.npy', 'sample.png'])
      expect(
        readFileSync(join(resumed.output, file)).equals(readFileSync(join(whole.output, file))),
        file,
      ).toBe(true);
  });
});

describe('the inquiry filter', () => {
  const rows = embeddingsOf(Float32Array.of(1, 0, 0.6, 0.8, 0, 1, -1, 0), 2);
  test.each([
    { threshold: 1, kept: [0, 1, 2, 3] },
    { threshold: 0.7, kept: [0, 1, 3] }, // 2 has 0.8 to 1
    { threshold: 0.3, kept: [0, 2, 3] }, // 1 has 0.6 to 0, so 2 stays
    { threshold: -0.1, kept: [0, 3] },
  ])('at $threshold keeps $kept', ({ threshold, kept }) =>
    expect(filterInquiries(rows, threshold).kept).toEqual(kept),
  );

  test('stops when there are enough', () =>
    expect(filterInquiries(rows, 0.3, 2)).toEqual({
      kept: [0, 2],
      embeddings: Float32Array.of(1, 0, 0, 1),
      seen: 3,
    }));

  test('fewer identities than asked for are made, counted and warned of', async () => {
    const { output, warnings } = await generate({ identities: 9 });
    expect(warnings).toEqual([expect.stringContaining('9 identities were asked for, 5 are made')]);
    const { asked, delivered } = ImageSet.open(output).info.provenance;
    expect([asked.identities, delivered.identities]).toEqual([9, 5]);
  });
});

describe('refused', () => {
  test.each([1.5, -1.01, [0, 2], [], { from: -2, to: 0, interval: 0.1 }])('m = %j', (m) => {
    expect(() => fill(stage, { m: m as never })).toThrow(/m/);
  });
  test('an empty range', () => {
    expect(stage.check!(fill(stage, { m: { from: 1, to: 0, interval: 0.1 } }) as never)).toHaveLength(1);
  });
  test('an unconditional generator, a dcface one without style images, a recogniser as generator', async () => {
    await expect(generate({}, { inputs: { generator: generators.unconditional } })).rejects.toThrow(
      'unconditional',
    );
    await expect(generate({}, { inputs: { generator: generators.dcface } })).rejects.toThrow(
      'needs style images',
    );
    await expect(generate({}, { inputs: { generator: eId } })).rejects.toThrow('not a generator');
  });
  test('another E_id than the one trained under is warned of', async () => {
    const { warnings } = await generate({}, { inputs: { model: bench.recogniser('another', 6) } });
    expect(warnings.join()).toContain('is not the E_id that the generator was trained under');
  });
});
