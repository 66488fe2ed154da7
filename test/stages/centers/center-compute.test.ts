import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { stage } from '../../../stages/centers/center-compute.stage.js';
import { meanCenters } from '../../../stages/centers/center-compute.js';
import { readCenters } from '../../../stages/centers/centers.js';
import { readNpy } from '../../../stages/data/npy.js';
import { openRecogniser } from '../../../stages/recognition/embed.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';
import { momentsOf } from '../../../stages/similarity/moments.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { embeddingsOf } from '../recognition/rows.js';
import { quickTraining, StageLab } from '../recognition/stage-lab.js';

const quick = { ...quickTraining, steps: 60 };

async function trained(lab: StageLab, identities: number, first = 0) {
  const dataset = lab.patterns({ identities, each: 8, size: 16, first });
  const { outputs } = await lab.run(frTrain, { inputs: { dataset }, settings: quick });
  return { dataset, model: lab.input('model', outputs['model']!) };
}

test('centers of a trained model are its classifier rows, and the similarities are the cosines of images to them', async () => {
  using lab = new StageLab();
  const inputs = await trained(lab, 5);
  const ran = await lab.run(stage, { inputs });
  const { info, centers, similarity, labels } = readCenters(ran.outputs['centers']!);
  expect(info).toMatchObject({
    identities: 5,
    images: 40,
    dimension: 16,
    from: 'classifier',
    dataset: inputs.dataset.digest,
  });
  expect(readNpy(join(ran.outputs['centers']!, 'centers.npy')).shape).toEqual([5, 16]);
  expect(Array.from(labels)).toEqual(Array.from({ length: 40 }, (_, i) => Math.floor(i / 8)));

  const device = await openDevice('cpu', { threads: 1 });
  const { classifier, dispose } = await openRecogniser(inputs.model.path, device);
  centers.forEach((value, i) => expect(value).toBeCloseTo(classifier![i]!, 5));
  dispose();
  expect(ran.metrics.get('similarity/mean')).toBeCloseTo(momentsOf(similarity).mean, 6);
  expect(ran.metrics.get('similarity/mean')).toBeGreaterThan(0.5); // the model was trained on these images
  expect(ran.warnings).toEqual([]);
});

test('mean centers serve a model that was trained on other people, where classifier rows are refused', async () => {
  using lab = new StageLab();
  const { model } = await trained(lab, 5);
  const dataset = lab.patterns({ identities: 4, each: 6, size: 16, first: 50 });
  await expect(lab.run(stage, { inputs: { dataset, model } })).rejects.toMatchObject({
    message: 'the model tells 5 identities apart, the dataset has 4',
    remedy: expect.stringContaining('set with.from to mean'),
  });
  const ran = await lab.run(stage, { inputs: { dataset, model }, settings: { from: 'mean' } });
  const { info, centers } = readCenters(ran.outputs['centers']!);
  expect(info.from).toBe('mean');
  for (let i = 0; i < 4; i++) expect(Math.hypot(...centers.subarray(i * 16, i * 16 + 16))).toBeCloseTo(1, 5);
});

test('classifier rows of other people, by chance as many, are warned of', async () => {
  using lab = new StageLab();
  const { model } = await trained(lab, 5);
  const dataset = lab.patterns({ identities: 5, each: 6, size: 16, first: 70, seed: 99 });
  const ran = await lab.run(stage, { inputs: { dataset, model } });
  expect(ran.warnings.join()).toContain('was the model trained on this dataset?');
});

test('mean centers by hand: (1,0) and (0,1) have the center (0.707, 0.707); nobody has zeros', () => {
  const centers = meanCenters(
    embeddingsOf(Float32Array.of(1, 0, 0, 1, 0.6, 0.8), 2),
    Int32Array.of(0, 0, 2),
    3,
  );
  [0.70711, 0.70711, 0, 0, 0.6, 0.8].forEach((value, i) => expect(centers[i]).toBeCloseTo(value, 5));
});

test('no images, images of another size and missing files are told', async () => {
  using lab = new StageLab();
  const { model } = await trained(lab, 3);
  const none = lab.patterns({ identities: 0, each: 0, size: 16 });
  await expect(lab.run(stage, { inputs: { dataset: none, model } })).rejects.toThrow('holds no images');
  const large = lab.patterns({ identities: 3, each: 2, size: 20 });
  await expect(lab.run(stage, { inputs: { dataset: large, model } })).rejects.toThrow(
    'takes images of 16x16; these are 20x20',
  );
  rmSync(join(model.path, 'config.json'));
  await expect(lab.run(stage, { inputs: { dataset: large, model } })).rejects.toThrow('no model');
  expect(() => readCenters(model.path)).toThrow('no centers');
});
