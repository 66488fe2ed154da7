import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ImageSetWriter } from '../../../stages/data/image-set.js';
import {
  chanceAccuracy,
  nearestClassAccuracy,
  Spread,
  tooAlike,
} from '../../../stages/recognition/collapse.js';
import { stage } from '../../../stages/recognition/fr-train.stage.js';
import { bytesOf, pattern, provenance, settingsOf, StageLab } from './stage-lab.js';

const network = { widths: [8, 16], blocks: [1, 1], stemStride: 2, embeddingSize: 16 };
const quick = {
  backbone: 'custom',
  network,
  batch: 32,
  scale: 16,
  margin: 0.2,
  schedule: 'cosine',
  warmup: 10,
};

test.each(['cosface', 'arcface', 'adaface'] as const)(
  'a small network learns to tell eight patterned identities apart with %s',
  async (loss) => {
    using lab = new StageLab();
    const dataset = lab.patterns({ identities: 8, each: 12, size: 16 });
    const ran = await lab.run(stage, { inputs: { dataset }, settings: { ...quick, loss, steps: 80 } });
    expect(ran.metrics.get('accuracy')).toBeGreaterThan(0.9); // chance: 0.125
    const losses = ran.points.filter(({ name }) => name === 'loss').map(({ value }) => value);
    expect(losses).toHaveLength(4);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    expect(ran.warnings).toEqual([]);
    const config = JSON.parse(readFileSync(join(ran.outputs['model']!, 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      kind: 'recognition',
      classes: 8,
      architecture: { widths: [8, 16], inputSize: 16 },
    });
    expect(config.provenance.training).toMatchObject({
      loss,
      steps: 80,
      batch: 32,
      scale: 16,
      seed: 1,
      images: 96,
      classes: 8,
    });
    expect(config.provenance.training.augmentation.crop).toEqual([0.9, 1]);
    expect(config.provenance.data).toEqual(provenance);
    expect(config.provenance.weights).toMatch(/^[0-9a-f]{64}$/);
  },
);

test('a training stopped in the middle and run again ends in the bytes of one never stopped; another seed does not', async () => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 6, each: 7, size: 16 });
  const settings = { ...quick, loss: 'adaface', steps: 30 };
  const whole = await lab.run(stage, { inputs: { dataset }, settings });

  const checkpoint = lab.path('checkpoint');
  const stop = new AbortController();
  const progress = (done: number) => {
    if (done === 13) stop.abort(new Error('stopped by the test')); // between two reports, within an epoch
  };
  await expect(
    lab.run(stage, { inputs: { dataset }, settings, checkpoint, signal: stop.signal, progress }),
  ).rejects.toThrow('stopped by the test');
  const begun: number[] = [];
  const resumed = await lab.run(stage, {
    inputs: { dataset },
    settings,
    checkpoint,
    progress: (done) => begun.push(done),
  });
  expect(begun.slice(0, 2)).toEqual([13, 14]);
  expect(resumed.lines).toContain('resuming at step 13');
  expect(bytesOf(resumed.outputs['model']!)).toEqual(bytesOf(whole.outputs['model']!));
  const metric = (ran: typeof whole) => ran.points.filter(({ name }) => name === 'loss');
  expect(metric(resumed)).toEqual(metric(whole));

  const other = await lab.run(stage, { inputs: { dataset }, settings, seed: 2 });
  expect(bytesOf(other.outputs['model']!)['model.safetensors']).not.toBe(
    bytesOf(whole.outputs['model']!)['model.safetensors'],
  );
});

test('one similarity group is trained on where the dataset is a groups artifact', async () => {
  using lab = new StageLab();
  const source = lab.patterns({ identities: 4, each: 6, size: 16 });
  const { writeFileSync } = await import('node:fs');
  const { writeNpy } = await import('../../../stages/data/npy.js');
  const folder = lab.path('groups');
  writeNpy(join(folder, 'group-0.npy'), Int32Array.of(0, 1, 2, 6, 7, 8, 18, 19), [8]);
  const groups = [{ index: 0, count: 8, mean: 1, largest: 1, smallest: 1 }];
  writeFileSync(
    join(folder, 'groups.json'),
    JSON.stringify({ format: 'cemiflow-groups/1', source: source.digest, groups }),
  );
  const dataset = lab.input('groups', folder);
  const ran = await lab.run(stage, {
    inputs: { dataset },
    artifacts: [source],
    settings: { ...quick, steps: 3, group: 0 },
  });
  const config = JSON.parse(readFileSync(join(ran.outputs['model']!, 'config.json'), 'utf8'));
  expect(config.classes).toBe(3); // nobody of the third identity is in the group
  expect(config.provenance.training).toMatchObject({ group: 0, images: 8 });
});

/** Labels that say nothing: image i shows pattern i, labelled at random. */
function nonsense(lab: StageLab) {
  const folder = lab.path('nonsense');
  const writer = ImageSetWriter.open(folder, { width: 16, height: 16 });
  for (let i = 0; i < 320; i++) writer.add(pattern((i * 7919) % 40, i, 16), i % 10);
  writer.finish({ provenance });
  return lab.input('images', folder);
}

test('a network that learns nothing is a failure, early on, or a loud warning where that is asked', async () => {
  using lab = new StageLab();
  const inputs = { dataset: nonsense(lab) };
  const settings = { ...quick, batch: 64, lr: 1e-7, steps: 300, schedule: 'step', loss: 'cosface' };
  let last = 0;
  const progress = (done: number) => (last = done);
  await expect(lab.run(stage, { inputs, settings, progress })).rejects.toThrow(
    /training has collapsed.*guessing among 10 identities/,
  );
  expect(last).toBeLessThan(300);
  const kept = await lab.run(stage, { inputs, settings: { ...settings, steps: 205, onCollapse: 'warn' } });
  expect(kept.warnings.join()).toContain('training has collapsed');
  expect(existsSync(join(kept.outputs['model']!, 'model.safetensors'))).toBe(true);
});

test('a short training that has learnt nothing yet is not called collapsed', async () => {
  using lab = new StageLab();
  const ran = await lab.run(stage, {
    inputs: { dataset: nonsense(lab) },
    settings: { ...quick, steps: 2, lr: 1e-7 },
  });
  expect(ran.warnings.join()).toContain('the network has learnt nothing yet in 2 steps');
});

test('a loss that is no finite number is a failure that names the step and the settings to change', async () => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 4, each: 4, size: 16 });
  const settings = { ...quick, lr: 1e30, clip: 0, steps: 40, metricsEvery: 5, onCollapse: 'warn' };
  await expect(lab.run(stage, { inputs: { dataset }, settings })).rejects.toMatchObject({
    message: expect.stringMatching(/the loss is no finite number .* at step \d+ of 40/),
    remedy: expect.stringContaining('Lower with.lr (now 1e+30)'),
  });
});

test('bad inputs are refused before any work', async () => {
  using lab = new StageLab();
  const run = (dataset: ReturnType<StageLab['patterns']>, settings: object = quick) =>
    lab.run(stage, { inputs: { dataset }, settings });
  await expect(run(lab.patterns({ identities: 1, each: 5, size: 16 }))).rejects.toThrow('has 1 identity');
  await expect(run(lab.patterns({ identities: 0, each: 5, size: 16 }))).rejects.toThrow('holds no images');
  await expect(run(lab.patterns({ identities: 2, each: 2, size: 4 }))).rejects.toThrow(
    'images of 4 px are too small',
  );
  const wide = lab.path('wide');
  const writer = ImageSetWriter.open(wide, { width: 20, height: 16 });
  writer.add(new Uint8Array(20 * 16 * 3), 0);
  writer.add(new Uint8Array(20 * 16 * 3), 1);
  writer.finish({ provenance });
  await expect(run(lab.input('images', wide))).rejects.toThrow(
    'the images are 20x16; an IResNet takes square ones',
  );
  const dataset = lab.patterns({ identities: 2, each: 2, size: 16 });
  await expect(run(dataset, { ...quick, group: 1 })).rejects.toThrow('it has no group 1');
  const gone = lab.patterns({ identities: 2, each: 2, size: 16 });
  rmSync(join(gone.path, 'set.json'));
  await expect(run(gone)).rejects.toThrow('no image set');
});

test('a checkpoint of another network is refused', async () => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 2, each: 4, size: 16 });
  const checkpoint = lab.path('checkpoint');
  await lab.run(stage, { inputs: { dataset }, settings: { ...quick, steps: 2 }, checkpoint });
  const wider = { ...quick, network: { ...network, widths: [8, 24] }, steps: 4 };
  await expect(lab.run(stage, { inputs: { dataset }, settings: wider, checkpoint })).rejects.toThrow(
    "does not have this training's",
  );
});

test.each([
  [{ backbone: 'custom' }, 'network: backbone: custom needs network'],
  [{ network }, 'backbone is irse50'],
  [{ backbone: 'custom', network: { ...network, blocks: [1] } }, '2 widths and 1 blocks'],
  [{ augmentation: { crop: [1, 0.9] } }, 'augmentation.crop: 1 is above 0.9'],
  [{ loss: 'softmax' }, 'must be equal to one of the allowed values'],
  [{ margin: -0.1 }, 'must be >= 0'],
  [{ batch: 1 }, 'must be >= 2'],
  [{ lerning: 1 }, 'must NOT have additional properties'],
  [{ milestones: [26, 34] }, 'must be <= 1'],
])('settings %j are refused: %s', (settings, message) => {
  expect(() => settingsOf(stage, settings)).toThrow(message);
});

test("the defaults are the paper's", () => {
  expect(settingsOf(stage, {})).toMatchObject({
    backbone: 'irse50',
    loss: 'cosface',
    margin: 0.4,
    scale: 64,
    lr: 0.1,
    momentum: 0.9,
    weightDecay: 5e-4,
    epochs: 40,
    schedule: 'step',
    milestones: [26 / 40, 34 / 40],
    augmentation: {
      crop: [0.9, 1],
      erasingArea: [0.02, 0.1],
      brightness: 0.1,
      contrast: 0.1,
      saturation: 0.1,
      hue: 0.1,
    },
  });
});

test('collapse measures by hand', () => {
  const apart = (...rows: number[]) => new Spread(2).add(Float32Array.from(rows));
  expect(apart(1, 0, 1, 0, 1, 0).value).toBeCloseTo(0, 6);
  expect(apart(1, 0, -1, 0).value).toBeCloseTo(1, 6);
  expect(apart(1, 0, 0, 1).value).toBeCloseTo(0.5, 6); // mean (1/2, 1/2)
  expect(apart(0, 0, 0, 0).value).toBe(0); // a dead network's rows are no unit vectors
  expect(tooAlike(apart(0, 0, 0, 0))).toContain('all embeddings are alike');
  expect(tooAlike(apart(1, 0, 0, 1))).toBeUndefined();
  expect(chanceAccuracy(4, 300)).toBeCloseTo(0.25 + 3 * 0.025, 9);
  const rows = Float32Array.of(1, 0, 0, 1, 0.6, 0.8);
  expect(nearestClassAccuracy(rows, [0, 1, 0], Float32Array.of(1, 0, 0, 1), 2)).toBeCloseTo(2 / 3, 9);
});

test('a subset is the first people and of each the first images; asking for more than there is says so', async () => {
  using lab = new StageLab();
  const dataset = lab.patterns({ identities: 8, each: 12, size: 16 });
  const train = (identities: number, perIdentity: number) =>
    lab.run(stage, {
      inputs: { dataset },
      settings: { ...quick, steps: 2, batch: 4, warmup: 0, subset: { identities, perIdentity } },
    });
  const ran = await train(3, 5);
  const config = JSON.parse(readFileSync(join(ran.outputs['model']!, 'config.json'), 'utf8'));
  expect(config).toMatchObject({ classes: 3 });
  expect(config.provenance.training).toMatchObject({ images: 15 });
  await expect(train(9, 5)).rejects.toThrow('asks for 9 people, and the data set has 8');
  await expect(train(3, 13)).rejects.toThrow('asks for 13 images of each person, and person 0 has 12');
});
