/** Training whole, on tiny networks: resuming, starting from other weights, refusing what is wrong. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../stages/contract.js';
import { readSafetensors } from '../../../stages/data/safetensors.js';
import { stage } from '../../../stages/diffusion/diffusion-train.stage.js';
import { type GeneratorConfig, readGenerator } from '../../../stages/diffusion/generator.js';
import { fill, tinyUnet, Workbench } from './workbench.js';

const bench = new Workbench();
afterAll(() => bench.remove());

let faces: string;
let eId: string;
let pretrained: string;
const settings = (more: JsonObject): JsonObject => ({
  ...tinyUnet,
  batch: 3,
  steps: 4,
  T: 50,
  metricsEvery: 2,
  ...more,
});
const train = (more: JsonObject, inputs: Record<string, string> = {}, rest: object = {}) =>
  bench.run(stage, { settings: settings(more), inputs: { dataset: faces, ...inputs }, ...rest });
const bytes = (folder: string) => readFileSync(join(folder, 'model.safetensors'));

beforeAll(async () => {
  faces = bench.faces('faces', 3, 4);
  eId = bench.recogniser('e-id');
  pretrained = (await train({ method: 'unconditional', prediction: 'v' })).output;
});

describe.each(['cemiface', 'dcface', 'unconditional'] as const)('%s', (method) => {
  const inputs = (): Record<string, string> => (method === 'unconditional' ? {} : { model: eId });

  test('stopped after two steps and run again it ends in the bytes of a run never stopped', async () => {
    const whole = await train({ method }, inputs());
    const stopped = train({ method }, inputs(), { abortAt: 2, checkpoint: `checkpoint-${method}` });
    await expect(stopped).rejects.toThrow('stopped by the test');
    const resumed = await train({ method }, inputs(), { checkpoint: `checkpoint-${method}` });
    expect(resumed.log.join()).toContain('resuming at step 2');
    for (const file of ['model.safetensors', 'config.json'])
      expect(
        readFileSync(join(resumed.output, file)).equals(readFileSync(join(whole.output, file))),
        file,
      ).toBe(true);
    expect(resumed.metrics.get('loss')).toBe(whole.metrics.get('loss'));
  });

  test('another seed gives other weights', async () => {
    const [one, two] = [await train({ method }, inputs()), await train({ method }, inputs(), { seed: 2 })];
    expect(bytes(one.output).equals(bytes(two.output))).toBe(false);
  });
});

test('the loss of an unconditional generator falls', async () => {
  const { metrics } = await train({
    method: 'unconditional',
    prediction: 'v',
    steps: 60,
    lr: 0.01,
    metricsEvery: 20,
  });
  const first = await train({
    method: 'unconditional',
    prediction: 'v',
    steps: 20,
    lr: 1e-9,
    metricsEvery: 20,
  });
  expect(metrics.get('loss')!).toBeLessThan(0.8 * first.metrics.get('loss')!);
});

test('parts of the loss are reported by method, and add up by lambda', async () => {
  const { metrics } = await train({ method: 'cemiface', lambda: 0, steps: 2 }, { model: eId });
  expect([...metrics.keys()].filter((name) => name.startsWith('loss'))).toEqual([
    'loss',
    'loss/mse',
    'loss/rec',
    'loss/sim',
  ]);
  expect(metrics.get('loss')).toBeCloseTo(metrics.get('loss/mse')!, 6);
});

describe('starting from an unconditional generator', () => {
  test.each(['cemiface', 'dcface'])(
    '%s takes its body and token offsets, and says what starts afresh',
    async (method) => {
      // lr so small that nothing moves: what comes out is what went in.
      const { output, log } = await train(
        { method, prediction: 'v', init: 'input', steps: 1, lr: 1e-30, weightDecay: 0 },
        { model: eId, init: pretrained },
      );
      const [before, after] = [pretrained, output].map((folder) =>
        readSafetensors(join(folder, 'model.safetensors')),
      );
      for (const [name, { data }] of before!) expect(after!.get(name)!.data, name).toEqual(data);
      const line = log.find((entry) => entry.includes('start from the input init'))!;
      expect(line).toContain(`${before!.size} of ${after!.size} weights`);
      expect(line).toContain('condition.tokens.weight');
      expect(line).not.toContain('down.');
      const { provenance } = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as GeneratorConfig;
      expect(provenance.init?.weights).toBe(readGenerator(pretrained).config.provenance.weights);
      expect(provenance.recogniser?.architecture).toBe('tiny');
    },
  );

  const copyOf = (name: string, change: (config: Buffer, weights: Buffer) => void) => {
    const folder = bench.make(name);
    const [config, weights] = [readFileSync(join(pretrained, 'config.json')), Buffer.from(bytes(pretrained))];
    change(config, weights);
    writeFileSync(join(folder, 'config.json'), config);
    writeFileSync(join(folder, 'model.safetensors'), weights);
    return folder;
  };
  const start = (folder: string, more: JsonObject = {}) =>
    train({ method: 'unconditional', prediction: 'v', init: 'input', ...more }, { init: folder });

  test('one flipped bit in the weights is noticed', async () => {
    const damaged = copyOf('damaged', (_, weights) => (weights[weights.length - 1]! ^= 1));
    await expect(start(damaged)).rejects.toThrow(
      /its sha256 is [0-9a-f]{64}, but config\.json beside it says/,
    );
  });

  test('weights that are not those of record.json are refused', async () => {
    const folder = copyOf('recorded', () => undefined);
    const digest = readGenerator(folder).config.provenance.weights;
    writeFileSync(join(folder, 'record.json'), JSON.stringify({ digest }));
    await expect(start(folder)).resolves.toBeTruthy();
    writeFileSync(join(folder, 'record.json'), JSON.stringify({ digest: digest.replace(/^./, 'x') }));
    await expect(start(folder)).rejects.toThrow('record.json beside it says x');
  });

  test('another prediction, another schedule, another UNet and no generator at all are refused with the remedy', async () => {
    await expect(start(pretrained, { prediction: 'eps' })).rejects.toMatchObject({
      message: 'the initial generator predicts v, this one eps',
      remedy: 'Set with.prediction to v, or with.init to none.',
    });
    await expect(start(pretrained, { T: 60 })).rejects.toThrow('another noise schedule');
    const wider = { unet: { ...(tinyUnet.unet as JsonObject), base: 8 } };
    await expect(start(pretrained, wider)).rejects.toThrow(
      /another UNet: \d+ of \d+ weights do not fit, first time\.0|another UNet/,
    );
    await expect(start(eId)).rejects.toThrow("a model of kind 'recognition', not a generator");
    await expect(start(faces)).rejects.toThrow('no generator');
    await expect(train({ method: 'unconditional', init: 'input' })).rejects.toThrow('no input init');
  });
});

describe('refused before anything runs', () => {
  test.each([1.01, -1.5, { from: -1.02, to: 1, interval: 0.02 }, { from: 0, to: 1, interval: 0 }])(
    'm = %j',
    (m) => {
      expect(() => fill(stage, { method: 'cemiface', m })).toThrow(/m/);
    },
  );
  test('an unknown method, no method, a misspelt setting', () => {
    expect(() => fill(stage, { method: 'cemi' })).toThrow('method');
    expect(() => fill(stage, {})).toThrow("'method'");
    expect(() => fill(stage, { method: 'cemiface', lamda: 1 })).toThrow('additional');
  });
  test('a UNet whose widths, heads or attention do not fit, each named', () => {
    const odd = fill(stage, {
      method: 'cemiface',
      m: { from: 0.5, to: 0, interval: 0.1 },
      unet: { base: 10, groups: 4, multipliers: [1, 3], headChannels: 8, attentionAt: [2, 16] },
    });
    expect(stage.check!(odd as never).map(({ path }) => path)).toEqual([
      'm',
      'unet.groups',
      'unet.groups',
      'unet.headChannels',
      'unet.attentionAt',
    ]);
  });
  test("the paper's defaults have no problem", () => {
    expect(stage.check!(fill(stage, { method: 'cemiface' }) as never)).toEqual([]);
  });
});

test('cemiface without E_id says which input is missing', async () => {
  await expect(train({ method: 'cemiface' })).rejects.toThrow('method cemiface needs E_id');
});

test('a loss that is no number ends the training with the step and the remedy', async () => {
  await expect(
    train({ method: 'unconditional', steps: 40, lr: 1e30, clip: 0, weightDecay: 0 }),
  ).rejects.toMatchObject({
    message: expect.stringContaining('no finite number at step'),
    remedy: expect.stringContaining('with.lr'),
  });
});
