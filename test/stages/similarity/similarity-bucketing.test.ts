import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { writeCenters } from '../../../stages/centers/centers.js';
import { openDataset } from '../../../stages/data/dataset.js';
import { ImageSet, ImageSetWriter } from '../../../stages/data/image-set.js';
import { readNpy } from '../../../stages/data/npy.js';
import { figuresOf, groupByRank } from '../../../stages/similarity/groups.js';
import { stage } from '../../../stages/similarity/similarity-bucketing.stage.js';
import { provenance, StageLab } from '../recognition/stage-lab.js';

test('each person is ranked alone: five images in five groups, most similar first', () => {
  const similarity = Float32Array.of(
    0.1,
    0.9,
    0.5,
    0.3,
    0.7,
    /* a person less like the center */ 0.05,
    0.01,
    0.03,
    0.02,
    0.04,
  );
  const labels = Int32Array.of(0, 0, 0, 0, 0, 1, 1, 1, 1, 1);
  expect(Array.from(groupByRank(similarity, labels, 5))).toEqual([4, 0, 2, 3, 1, 0, 4, 2, 3, 1]);
});

test('groups stay about equally large when images are no multiple of groups, each person staying in rank order', () => {
  const people = 400;
  const each = 7;
  const labels = Int32Array.from({ length: people * each }, (_, i) => Math.floor(i / each));
  const similarity = Float32Array.from(labels, (_, i) => 1 - (i % each) / 10);
  const group = groupByRank(similarity, labels, 5);
  const sizes = [0, 1, 2, 3, 4].map((g) => group.filter((own) => own === g).length);
  for (const size of sizes) expect(Math.abs(size - (people * each) / 5)).toBeLessThan(6);
  for (let i = 1; i < group.length; i++)
    if (i % each > 0) expect(group[i]).toBeGreaterThanOrEqual(group[i - 1]!);
});

test('people with fewer images than groups are spread over all groups', () => {
  const labels = Int32Array.from({ length: 500 }, (_, i) => i);
  const group = groupByRank(new Float32Array(500), labels, 5);
  for (const g of [0, 1, 2, 3, 4])
    expect(Math.abs(group.filter((own) => own === g).length - 100)).toBeLessThan(4);
});

test('Table 9 by hand: mean over people of the largest and of the smallest similarity', () => {
  const similarity = Float32Array.of(0.9, 0.8, 0.5, 0.7);
  const figures = figuresOf(2, [0, 1, 2, 3], similarity, Int32Array.of(0, 0, 1, 1));
  expect(figures).toMatchObject({ index: 2, count: 4, identities: 2 });
  expect(figures.mean).toBeCloseTo(0.725, 6);
  expect(figures.largest).toBeCloseTo(0.8, 6); // (0.9 + 0.7) / 2
  expect(figures.smallest).toBeCloseTo(0.65, 6); // (0.8 + 0.5) / 2
});

/** People of one colour each; image i of a person has brightness and similarity that fall with i. */
function setOf(lab: StageLab, people: number, each: number) {
  const folder = lab.path('images');
  const writer = ImageSetWriter.open(folder, { width: 8, height: 8 });
  for (let label = 0; label < people; label++)
    for (let i = 0; i < each; i++) writer.add(new Uint8Array(8 * 8 * 3).fill(250 - 20 * i), label);
  writer.finish({ provenance });
  return lab.input('images', folder);
}

function centersOf(lab: StageLab, dataset: { digest: string; path: string }) {
  const set = ImageSet.open(dataset.path);
  const folder = lab.path('centers');
  const similarity = Float32Array.from(set.labels, (label, i) => 0.9 - 0.1 * (i - set.labels.indexOf(label)));
  writeCenters(folder, {
    info: {
      format: 'cemiflow-centers/1',
      identities: set.identities,
      images: set.count,
      dimension: 2,
      from: 'mean',
      dataset: dataset.digest,
      similarity: { mean: 0, std: 0 },
    },
    centers: new Float32Array(2 * set.identities),
    similarity,
    labels: set.labels,
  });
  return lab.input('centers', folder);
}

test('the groups refer to the dataset, can be opened as sets, and come with a picture: rows are groups, columns people', async () => {
  using lab = new StageLab();
  const dataset = setOf(lab, 3, 4);
  const inputs = { dataset, centers: centersOf(lab, dataset) };
  const ran = await lab.run(stage, { inputs, settings: { groups: 2, sample: 3 } });
  const folder = ran.outputs['groups']!;
  expect(Array.from(readNpy(join(folder, 'group-0.npy')).data)).toEqual([0, 1, 4, 5, 8, 9]);
  expect(JSON.parse(readFileSync(join(folder, 'references.json'), 'utf8'))).toEqual([dataset.digest]);
  expect(ran.metrics.get('group-0/mean')).toBeCloseTo(0.85, 6);
  expect(ran.metrics.get('group-1/largest')).toBeCloseTo(0.7, 6);
  expect(ran.metrics.get('group-1/smallest')).toBeCloseTo(0.6, 6);
  expect(ran.warnings).toEqual([]);

  const groups = lab.input('groups', folder);
  const second = openDataset({ input: () => groups, artifact: () => dataset.path }, 'dataset', 1);
  expect(second.count).toBe(6);
  expect(Array.from(second.labels)).toEqual([0, 0, 1, 1, 2, 2]);
  expect(second.read([0])[0]).toBe(210);

  const { data, info } = await sharp(join(folder, 'sample.png')).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([(3 * 10 + 2) * 12, (2 * 10 + 2) * 12]); // 8 px, gaps of 2, 12 times
  const at = (x: number, y: number) => data[(y * info.width + x) * info.channels];
  // Of two images the less similar one is in the middle: brightness 230 above, 190 below; gaps are white.
  expect([at(6 * 12, 6 * 12), at(6 * 12, 16 * 12), at(26 * 12, 16 * 12), at(0, 0)]).toEqual([
    230, 190, 190, 255,
  ]);
  expect(existsSync(join(folder, 'sample.json'))).toBe(true);
});

test('centers of other images are refused', async () => {
  using lab = new StageLab();
  const inputs = { dataset: setOf(lab, 3, 4), centers: centersOf(lab, setOf(lab, 3, 4)) };
  await expect(lab.run(stage, { inputs })).rejects.toMatchObject({
    message: expect.stringContaining('computed of other images'),
    remedy: 'Give both stages the same dataset.',
  });
});

test('fewer images than groups: an empty group is an error, a missing identity a warning', async () => {
  using lab = new StageLab();
  const single = setOf(lab, 1, 2);
  await expect(
    lab.run(stage, { inputs: { dataset: single, centers: centersOf(lab, single) } }),
  ).rejects.toThrow('would hold no image: there are 2 images');
  const pairs = setOf(lab, 30, 2);
  const ran = await lab.run(stage, { inputs: { dataset: pairs, centers: centersOf(lab, pairs) } });
  expect(ran.warnings.join()).toContain('they have fewer images than there are groups (5)');
});
