/** Trainings and evaluations that come to nothing, for real: each stops with the reason, or goes on with a warning. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InputArtifact } from '../../../stages/contract.js';
import { ImageSetWriter } from '../../../stages/data/image-set.js';
import { costOfZeros, GeneratorWatch } from '../../../stages/diffusion/collapse.js';
import { stage as diffusionTrain } from '../../../stages/diffusion/diffusion-train.stage.js';
import { NoiseSchedule } from '../../../stages/diffusion/schedule.js';
import { atChance } from '../../../stages/evaluation/evaluate.js';
import { stage as evaluate } from '../../../stages/evaluation/evaluate.stage.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';
import { Random } from '../../../stages/tensors/random.js';
import { Streak } from '../../../stages/training/collapse.js';
import { tinyUnet } from '../diffusion/workbench.js';
import { pattern, provenance, quickTraining, StageLab, writeVerification } from '../recognition/stage-lab.js';

const size = 16;
const lab = new StageLab();
afterAll(() => lab[Symbol.dispose]());

function images(count: number, of: (i: number) => { pixels: Uint8Array; label: number }): InputArtifact {
  const folder = lab.path('images');
  const writer = ImageSetWriter.open(folder, { width: size, height: size });
  for (let i = 0; i < count; i++) {
    const { pixels, label } = of(i);
    writer.add(pixels, label);
  }
  writer.finish({ provenance });
  return lab.input('images', folder);
}

const gray = new Uint8Array(size * size * 3).fill(128);

describe('fr-train', () => {
  const settings = { ...quickTraining, batch: 64, steps: 400 };
  const draw = new Random(1, 'labels');
  const shuffled = () =>
    images(2000, (i) => ({ pixels: pattern(i % 40, i, size), label: i < 10 ? i : draw.int(10) }));

  test.each([
    ['labels that say nothing', shuffled, {}],
    ['images that are all alike', () => images(640, (i) => ({ pixels: gray, label: i % 10 })), {}],
    [
      'a learning rate far too high',
      () => lab.patterns({ identities: 10, each: 64, size }),
      { lr: 100, schedule: 'step' },
    ],
  ])(
    '%s: stopped before the time is spent, with the reason and what to look at',
    async (_, dataset, more) => {
      let last = 0;
      await expect(
        lab.run(frTrain, {
          inputs: { dataset: dataset() },
          settings: { ...settings, ...more },
          progress: (done) => (last = done),
        }),
      ).rejects.toMatchObject({
        name: 'StageError',
        message: expect.stringMatching(
          /^training has collapsed: at step \d+ (the loss is .* guessing among 10 identities gives \(ln 10 = 2\.30\)|all embeddings are zero)/,
        ),
        remedy: expect.stringMatching(/images and labels.*with\.lr.*with\.onCollapse: warn goes on/),
      });
      expect(last).toBeLessThan(400);
    },
  );

  test('onCollapse: warn trains to the end, warns, and leaves a model', async () => {
    const dataset = images(640, (i) => ({ pixels: gray, label: i % 10 }));
    const ran = await lab.run(frTrain, {
      inputs: { dataset },
      settings: { ...settings, steps: 280, onCollapse: 'warn' },
    });
    expect(ran.warnings.join('\n')).toContain('training has collapsed: at step');
    expect(ran.warnings.join('\n')).toContain('all embeddings are alike');
    expect(existsSync(join(ran.outputs['model']!, 'model.safetensors'))).toBe(true);
  });
});

describe('diffusion-train', () => {
  const settings = {
    method: 'unconditional',
    prediction: 'v',
    unet: tinyUnet['unet']!,
    batch: 4,
    metricsEvery: 10,
  };
  let dataset: InputArtifact;
  beforeAll(() => {
    dataset = lab.patterns({ identities: 4, each: 6, size });
  });

  test('a learning rate far too high: the error explodes, and training stops', async () => {
    let last = 0;
    await expect(
      lab.run(diffusionTrain, {
        inputs: { dataset },
        settings: { ...settings, lr: 10, steps: 200 },
        progress: (done) => (last = done),
      }),
    ).rejects.toMatchObject({
      name: 'StageError',
      message: expect.stringMatching(
        /^training has collapsed: at step \d+ of 200 the mean squared error is .* times what predicting zeros costs/,
      ),
      remedy: expect.stringMatching(/with\.lr \(now 10\).*with\.onCollapse: warn goes on/),
    });
    expect(last).toBeLessThan(200);
  });

  test('a network that learns nothing: stopped when it predicts no better than zeros, or warned of', async () => {
    const still = { ...settings, lr: 1e-12, steps: 260 };
    await expect(lab.run(diffusionTrain, { inputs: { dataset }, settings: still })).rejects.toThrow(
      /^training has collapsed: at step 2[23]0 of 260 .* no better than predicting zeros/,
    );
    const kept = await lab.run(diffusionTrain, {
      inputs: { dataset },
      settings: { ...still, steps: 220, onCollapse: 'warn' },
    });
    expect(kept.warnings.join()).toContain('no better than predicting zeros');
    expect(existsSync(join(kept.outputs['model']!, 'model.safetensors'))).toBe(true);
  });

  test('one that learns is left in peace, and its record does not tell what would have been done', async () => {
    const ran = await lab.run(diffusionTrain, {
      inputs: { dataset },
      settings: { ...settings, lr: 0.01, steps: 240 },
    });
    expect(ran.warnings).toEqual([]);
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(join(ran.outputs['model']!, 'config.json'), 'utf8')).not.toContain('onCollapse');
  });

  test('what predicting zeros costs, by hand', () => {
    const schedule = new NoiseSchedule({ steps: 2, betaStart: 0.36, betaEnd: 0.36 });
    // abar_0 = 0.64; an image of 0.5 and one of 1, both at t = 0
    const batch = { images: Float32Array.of(0.5, -0.5, 1, -1), t: Int32Array.of(0, 0) };
    expect(costOfZeros('eps', batch, schedule)).toBe(1);
    expect(costOfZeros('x0', batch, schedule)).toBeCloseTo((0.25 + 1) / 2, 9);
    expect(costOfZeros('v', batch, schedule)).toBeCloseTo((0.64 + 0.36 * 0.25 + 0.64 + 0.36) / 2, 6);
  });

  test('a spike that passes is no collapse; one at the very end is, and so are three reports in a row', () => {
    const warnings: string[] = [];
    const watch = (steps: number) =>
      new GeneratorWatch({ onCollapse: 'warn', lr: 1, warmup: 0, clip: 1 }, steps, { stuck: 0, exploded: 0 });
    const see = (watch: GeneratorWatch, ...errors: number[]) => {
      warnings.length = 0;
      errors.forEach((mse, i) =>
        watch.see({ warn: (line) => warnings.push(line) }, { done: 10 * (i + 1), mse, zeros: 1 }),
      );
      return warnings.length;
    };
    expect(see(watch(1000), 0.9, 50, 60, 0.8, 50)).toBe(0);
    expect(see(watch(1000), 50, 60, 70, 80)).toBe(1);
    expect(see(watch(30), 0.9, 0.8, 50)).toBe(1);
    expect(see(watch(1000), 1, 1, 1, 1)).toBe(0); // too early to tell
  });
});

describe('evaluate', () => {
  /** Pairs of images that `of` makes, half of them said to be of one person. */
  function pairs(count: number, of: (i: number) => Uint8Array): InputArtifact {
    const folder = lab.path('verification');
    const all = Array.from({ length: 2 * count }, (_, i) => of(i));
    const protocol = {
      name: 'general',
      images: Uint8Array.from(all.flatMap((image) => [...image])),
      pairs: Int32Array.from({ length: 2 * count }, (_, i) => i),
      same: Uint8Array.from({ length: count }, (_, i) => i % 2),
      folds: Int32Array.from({ length: count }, (_, i) => Math.floor((4 * i) / count)),
      identitiesDisjoint: true,
    };
    writeVerification(folder, { width: size, height: size }, [protocol], {
      ...provenance,
      alignment: 'arcface',
    });
    return lab.input('verification', folder);
  }
  let model: InputArtifact;
  beforeAll(async () => {
    const dataset = lab.patterns({ identities: 4, each: 6, size });
    const network = { widths: [4], blocks: [1], stemStride: 2, embeddingSize: 8 };
    const settings = { backbone: 'custom', network, batch: 16, steps: 10, scale: 8, onCollapse: 'warn' };
    model = lab.input('model', (await lab.run(frTrain, { inputs: { dataset }, settings })).outputs['model']!);
  });

  test.each([
    ['embeddings that are all alike', () => pairs(8, () => gray), /^general: all embeddings are alike/],
    [
      'a thousand pairs told apart no better than by guessing',
      () => pairs(1000, (i) => pattern(i % 7, i, size)),
      /^the model verifies no better than guessing: \d+\.\d\d % of 1000 pairs/,
    ],
  ])('%s: a failure, or a warning beside the result', async (_, verification, message) => {
    const inputs = { model, verification: verification() };
    await expect(lab.run(evaluate, { inputs })).rejects.toMatchObject({
      name: 'StageError',
      message: expect.stringMatching(message),
    });
    const ran = await lab.run(evaluate, { inputs, settings: { onCollapse: 'warn' } });
    expect(ran.warnings.some((line) => message.test(line))).toBe(true);
    expect(existsSync(join(ran.outputs['result']!, 'result.json'))).toBe(true);
  });

  test('chance, by hand: one answer to all pairs, and three standard errors', () => {
    // 1000 pairs: 0.5 + 3 sqrt(0.25 / 1000) = 0.5474
    expect(atChance([{ accuracy: 0.547, pairs: 1000, same: 500 }])).toBe(true);
    expect(atChance([{ accuracy: 0.548, pairs: 1000, same: 500 }])).toBe(false);
    // two protocols of 1000: mean within 0.5 + 3 sqrt(0.5 / 1000) / 2 = 0.5335
    const two = (accuracy: number) => ({ accuracy, pairs: 1000, same: 500 });
    expect(atChance([two(0.55), two(0.516)])).toBe(true);
    expect(atChance([two(0.55), two(0.518)])).toBe(false);
    // nine pairs in ten are of one person: always saying so is right as often
    expect(atChance([{ accuracy: 0.9, pairs: 2000, same: 1800 }])).toBe(true);
    // a few pairs prove nothing
    expect(atChance([{ accuracy: 0.5, pairs: 999, same: 500 }])).toBe(false);
  });
});

test('three bad reports in a row are told once', () => {
  const streak = new Streak(1); // of a training that resumes after one
  expect([true, true, true, false, true, true, true].map((bad) => streak.see(bad))).toEqual([
    false,
    true,
    false,
    false,
    false,
    false,
    true,
  ]);
});
