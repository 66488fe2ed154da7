import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, afterAll, expect, test } from 'vitest';
import { ImageSet, ImageSetWriter } from '../../../stages/data/image-set.js';
import { readNpy, writeNpy } from '../../../stages/data/npy.js';
import type { SetProvenance } from '../../../stages/data/provenance.js';
import type { InputArtifact } from '../../../stages/contract.js';
import { stage as evaluate } from '../../../stages/evaluation/evaluate.stage.js';
import { stage as quality } from '../../../stages/evaluation/quality.stage.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';
import {
  pattern,
  provenance,
  quickTraining,
  StageLab,
  writeVerification,
  type WholeProtocol,
} from '../recognition/stage-lab.js';

const size = 16;
const quick = { ...quickTraining, steps: 80 };
const lab = new StageLab();
let model: InputArtifact;

beforeAll(async () => {
  const dataset = lab.patterns({ identities: 12, each: 8, size });
  const { outputs } = await lab.run(frTrain, { inputs: { dataset }, settings: quick });
  model = lab.input('model', outputs['model']!);
});
afterAll(() => lab[Symbol.dispose]());

/** Pairs of people the model has not seen, half of them of one person, in `folds` folds with people of their own. */
function protocol(name: string, people: number, folds = 4): WholeProtocol {
  const images = Array.from({ length: people * 3 }, (_, i) => pattern(100 + Math.floor(i / 3), i % 3, size));
  const pairs: number[] = [];
  const same: number[] = [];
  const fold: number[] = [];
  for (let person = 0; person < people; person++) {
    const own = Math.floor((person * folds) / people);
    const first = Math.ceil((own * people) / folds);
    const next =
      Math.floor(((person + 1) * folds) / people) === own && person + 1 < people ? person + 1 : first;
    pairs.push(person * 3, person * 3 + 1, person * 3 + 2, next * 3);
    same.push(1, 0);
    fold.push(own, own);
  }
  return {
    name,
    images: Uint8Array.from(images.flatMap((image) => [...image])),
    pairs: Int32Array.from(pairs),
    same: Uint8Array.from(same),
    folds: Int32Array.from(fold),
    identitiesDisjoint: true,
  };
}

function verification(...protocols: WholeProtocol[]): InputArtifact {
  const folder = lab.path('verification');
  writeVerification(folder, { width: size, height: size }, protocols, {
    ...provenance,
    alignment: 'arcface',
  });
  return lab.input('verification', folder);
}

test('a trained network verifies people it has not seen; the result holds metrics, ROC, scores and the protocol card', async () => {
  const inputs = { model, verification: verification(protocol('general', 40), protocol('cross_pose', 20)) };
  const ran = await lab.run(evaluate, { inputs, settings: { far: [0.1, 0.001] } });
  const folder = ran.outputs['result']!;
  const metric = (name: string) => ran.metrics.get(name);
  expect(metric('general/accuracy')).toBeGreaterThan(0.7);
  expect(metric('avg/accuracy')).toBeCloseTo(
    (metric('general/accuracy')! + metric('cross_pose/accuracy')!) / 2,
    9,
  );
  expect(metric('general/accuracy_std')).toBeGreaterThanOrEqual(0);
  expect(metric('general/eer')).toBeLessThan(0.4);
  expect(metric('general/tar_at_far_1e-1')).toBeGreaterThan(0.3);
  // 40 pairs of different people cannot show one false accept in a thousand.
  expect(metric('general/tar_at_far_1e-3')).toBeUndefined();
  expect(ran.lines.join('\n')).toContain(
    'no TAR at FAR 1e-3: that takes 1000 pairs of different people, there are 40',
  );

  const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'));
  expect(result.protocols.general).toMatchObject({
    pairs: 80,
    same: 40,
    images: 120,
    tarAtFar: { '1e-3': null },
  });
  expect(result.protocols.general.accuracy).toBe(metric('general/accuracy'));
  expect(result.protocols.general.folds).toHaveLength(4);
  expect(readNpy(join(folder, 'general', 'scores.npy')).shape).toEqual([80]);
  const roc = readFileSync(join(folder, 'roc.csv'), 'utf8').trim().split('\n');
  expect(roc[0]).toBe('protocol,far,tar,threshold');
  expect(roc.filter((line) => line.startsWith('general,'))[0]).toBe('general,0,0,Infinity');
  expect(roc.at(-1)).toMatch(/^cross_pose,1,1,/);

  expect(result.card).toMatchObject({
    verification: {
      alignment: 'arcface',
      size: '16x16',
      folds: { general: 4, cross_pose: 4 },
      people_disjoint_between_folds: true,
    },
    input: { channels: 'RGB', range: '[-1, 1]' },
    flip: true,
    normalisation: 'embeddings of image and mirror image summed, then L2-normalised',
    threshold: expect.stringContaining('best on the other folds'),
    backbone: 'IResNet 8/16 x 1/1, 16-d',
    loss: 'CosFace',
    margin: 0.2,
    scale: 16,
    augmentation: { flip: 0.5, crop: [0.9, 1] },
    batch: 32,
    steps: 80,
    epochs: 26.67, // 80 x 32 / 96
    seeds: { training: 1, data: 0 },
    data: {
      kind: 'faces-render',
      images: 96,
      identities: 12,
      asked: provenance.asked,
      delivered: provenance.delivered,
      real_data_among_ancestors: [],
      e_id: null,
    },
  });
});

test('the card of a model trained on generated images names the E_id, the generator and the real photographs behind them', async () => {
  const real: SetProvenance = { ...provenance, kind: 'faces-import', realData: ['lfw'] };
  const eid = {
    kind: 'recognition' as const,
    architecture: 'tiny',
    loss: 'AdaFace',
    weights: 'e'.repeat(64),
    data: real,
  };
  const generated: SetProvenance = {
    ...provenance,
    kind: 'generate',
    recogniser: eid,
    generator: { kind: 'unet', architecture: 'UNet 8', weights: 'u'.repeat(64), data: provenance },
    inquiry: provenance,
  };
  const folder = lab.path('generated');
  const writer = ImageSetWriter.open(folder, { width: size, height: size });
  for (let i = 0; i < 16; i++) writer.add(pattern(i % 4, i >> 2, size), i % 4);
  writer.finish({ provenance: generated });
  const trained = await lab.run(frTrain, {
    inputs: { dataset: lab.input('images', folder) },
    settings: { ...quick, steps: 2 },
  });
  const inputs = {
    model: lab.input('model', trained.outputs['model']!),
    verification: verification(protocol('general', 8)),
  };
  const ran = await lab.run(evaluate, { inputs });
  const { card } = JSON.parse(readFileSync(join(ran.outputs['result']!, 'result.json'), 'utf8'));
  expect(card.data).toMatchObject({
    kind: 'generate',
    e_id: { architecture: 'tiny', loss: 'AdaFace', trained_on: { real_data: ['lfw'] } },
    generator: { architecture: 'UNet 8' },
    real_data_among_ancestors: ['lfw'],
  });
});

test.each<[string, (one: ReturnType<typeof protocol>) => object, string]>([
  [
    'no pairs',
    () => ({ pairs: new Int32Array(0), same: new Uint8Array(0), folds: new Int32Array(0) }),
    'there are no pairs',
  ],
  ['pairs of one kind', ({ same }) => ({ same: same.map(() => 1) }), 'all 16 pairs are of the same person'],
  ['one fold', ({ folds }) => ({ folds: folds.map(() => 0) }), 'needs two folds at least'],
  [
    'a fold left out',
    ({ folds }) => ({ folds: folds.map((fold) => (fold === 1 ? 4 : fold)) }),
    '1 is missing',
  ],
])('a protocol with %s is refused', async (_, change, message) => {
  const good = protocol('general', 8);
  const inputs = { model, verification: verification({ ...good, ...change(good) }) };
  await expect(lab.run(evaluate, { inputs })).rejects.toThrow(message);
});

test('an unknown protocol is refused with the known ones; a chosen one is scored alone', async () => {
  const inputs = { model, verification: verification(protocol('general', 8), protocol('age_gap', 8)) };
  await expect(lab.run(evaluate, { inputs, settings: { protocols: ['lfw'] } })).rejects.toMatchObject({
    message: "the verification set has no protocol 'lfw'",
    remedy: 'It has general, age_gap: set with.protocols to some of them.',
  });
  const ran = await lab.run(evaluate, { inputs, settings: { protocols: ['age_gap'] } });
  expect([...ran.metrics.keys()].filter((name) => name.endsWith('/accuracy'))).toEqual([
    'age_gap/accuracy',
    'avg/accuracy',
  ]);
});

/** As generate writes: each identity its inquiry image once, then three images, marks beside. */
function generatedSet(): InputArtifact {
  const folder = lab.path('generated');
  const writer = ImageSetWriter.open(folder, { width: size, height: size });
  const marks: number[] = [];
  for (let label = 0; label < 6; label++)
    for (let i = 0; i < 4; i++) {
      writer.add(pattern(200 + label, i, size), label);
      marks.push(i === 0 ? 0 : 1);
    }
  writer.finish({ provenance: { ...provenance, kind: 'generate' } });
  const inquiry = Uint8Array.from([0, 1, 2, 3, 4, 5].flatMap((label) => [...pattern(200 + label, 0, size)]));
  writeNpy(join(folder, 'inquiry.npy'), inquiry, [6, size, size, 3]);
  writeNpy(join(folder, 'generated.npy'), Uint8Array.from(marks), [24]);
  return lab.input('images', folder);
}

test('quality of a generated set: likeness to its inquiry images, copies of them left out', async () => {
  const reference = lab.patterns({ identities: 20, each: 3, size, first: 300 });
  const inputs = { dataset: generatedSet(), reference, judge: model };
  const { metrics, outputs, warnings } = await lab.run(quality, { inputs });
  expect(readNpy(join(outputs['result']!, 'similarity.npy')).shape).toEqual([18]);
  expect(metrics.get('similarity/mean')).toBeLessThan(0.9999); // a copy of the inquiry image would be 1
  expect(metrics.get('similarity/mean')).toBeGreaterThan(metrics.get('inter/mean')!);
  expect(metrics.get('intra/mean')).toBeGreaterThan(metrics.get('inter/mean')!);
  expect(metrics.get('frechet')).toBeGreaterThan(0);
  expect(metrics.get('frechet_floor')).toBeGreaterThan(0);
  expect(metrics.get('sharpness')).toBeCloseTo(1, 0);
  expect(warnings).toEqual([]);
  const result = JSON.parse(readFileSync(join(outputs['result']!, 'result.json'), 'utf8'));
  expect(result).toMatchObject({ images: 18, identities: 6, reference: 60, judge: { loss: 'CosFace' } });
});

test('a set like its reference lies at the floor, noise far above it and sharper', async () => {
  const reference = lab.patterns({ identities: 40, each: 4, size, first: 300 });
  const alike = lab.patterns({ identities: 20, each: 4, size, first: 300 });
  const noise = lab.path('noise');
  const writer = ImageSetWriter.open(noise, { width: size, height: size });
  for (let i = 0; i < 80; i++) {
    const pixels = Uint8Array.from(
      { length: size * size * 3 },
      (_, k) => (k * k * 31 + i * 7919 + k * i) % 256,
    );
    writer.add(pixels, i % 20);
  }
  writer.finish({ provenance });
  const of = async (dataset: InputArtifact) =>
    (await lab.run(quality, { inputs: { dataset, reference, judge: model } })).metrics;
  const good = await of(alike);
  const bad = await of(lab.input('images', noise));
  expect(good.get('frechet')).toBeLessThan(2 * good.get('frechet_floor')!);
  expect(bad.get('frechet')).toBeGreaterThan(2 * bad.get('frechet_floor')!);
  expect(bad.get('sharpness')).toBeGreaterThan(2);
  expect(good.has('similarity/mean')).toBe(false); // no inquiry images, none given
});

test('inquiry images can be given; other labels, sizes and judges are told', async () => {
  const dataset = lab.patterns({ identities: 6, each: 2, size, first: 200 });
  const reference = lab.patterns({ identities: 6, each: 2, size, first: 300 });
  const inquiry = lab.patterns({ identities: 6, each: 1, size, first: 200 });
  const run = (change: Record<string, InputArtifact>) =>
    lab.run(quality, { inputs: { dataset, reference, judge: model, inquiry, ...change } });
  // The inquiry image is the first of the two: half of the similarities are 1.
  const { outputs } = await run({});
  const similarity = readNpy(join(outputs['result']!, 'similarity.npy')).data;
  expect(similarity[0]).toBeCloseTo(1, 5);
  expect(similarity[1]).toBeLessThan(0.9999);
  await expect(run({ inquiry: lab.patterns({ identities: 5, each: 1, size }) })).rejects.toThrow(
    'has 5 identities, the dataset 6',
  );
  await expect(run({ inquiry: lab.patterns({ identities: 6, each: 1, size: 20 }) })).rejects.toThrow(
    'are 20x20',
  );
  await expect(run({ reference: lab.patterns({ identities: 6, each: 2, size: 20 }) })).rejects.toThrow(
    'the reference 20x20',
  );
  await expect(run({ reference: lab.patterns({ identities: 1, each: 3, size }) })).rejects.toThrow(
    'four are needed',
  );
  await expect(run({ dataset: lab.patterns({ identities: 0, each: 0, size }) })).rejects.toThrow(
    'holds no images',
  );
});

test('a judge that is the E_id of the set is warned of', async () => {
  const weights = JSON.parse(readFileSync(join(model.path, 'config.json'), 'utf8')).provenance.weights;
  const folder = lab.path('generated');
  const writer = ImageSetWriter.open(folder, { width: size, height: size });
  for (let i = 0; i < 4; i++) writer.add(pattern(i, 0, size), i);
  writer.finish({
    provenance: { ...provenance, recogniser: { kind: 'recognition', architecture: 'x', weights } },
  });
  const dataset = lab.input('images', folder);
  expect(ImageSet.open(folder).count).toBe(4);
  const { warnings } = await lab.run(quality, { inputs: { dataset, reference: dataset, judge: model } });
  expect(warnings.join()).toContain('the judge is the very E_id');
});
