/**
 * Real photographs, where the environment variable CEMIFLOW_PHOTOS names a folder with the public sets lfw, lfw-view2, orl, london and
 * london-landmarks (class-per-folder, pairs.txt inside). None is in this repository: without the variable these tests are skipped.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ImageSet } from '../../../stages/data/image-set.js';
import { stage as evaluate } from '../../../stages/evaluation/evaluate.stage.js';
import { stage } from '../../../stages/faces/faces-import.stage.js';
import { stage as verificationPairs } from '../../../stages/faces/verification-pairs.stage.js';
import { findFaces } from '../../../stages/faces/import/align.js';
import { openFaceNetworks } from '../../../stages/faces/import/networks.js';
import { readPhotograph } from '../../../stages/faces/import/picture.js';
import { stage as faceApi } from '../../../stages/recognition/face-api/face-api-model.stage.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { StageLab } from '../recognition/stage-lab.js';

const root = process.env['CEMIFLOW_PHOTOS'];
if (!root) console.warn('CEMIFLOW_PHOTOS is not set: the import is not tested on real photographs');

const set = (name: string) => join(root ?? '', name);
const has = (name: string) => root !== undefined && existsSync(set(name));

describe.skipIf(!has('london-landmarks'))('london', () => {
  test('pupils are found within a tenth of their distance (the usual bound of a success) from where people marked them', async () => {
    const networks = await openFaceNetworks(await openDevice('auto', { threads: 2 }));
    for (const person of readdirSync(set('london-landmarks')).slice(0, 6)) {
      const marks = readFileSync(join(set('london-landmarks'), person, `${person}_03.tem`), 'utf8').split(
        '\n',
      );
      const [left, right] = [1, 2].map(
        (line) => marks[line]!.trim().split(/\s+/).map(Number) as [number, number],
      );
      const { picture } = await readPhotograph(join(set('london'), person, `${person}_03.jpg`), '#000000');
      const [found] = await findFaces(networks, [picture], 0.1);
      const distance = Math.hypot(left![0] - right![0], left![1] - right![1]);
      [left!, right!].forEach(([x, y], eye) => {
        const { points } = found!;
        expect(Math.hypot(points[eye]!.x - x, points[eye]!.y - y)).toBeLessThan(0.1 * distance);
      });
    }
    networks.close();
  });
});

/** Imports a set, pairs it with its pairs.txt where it has one, and evaluates the pretrained recogniser on it. */
async function accuracyOn(name: string) {
  using lab = new StageLab();
  const photos = { ...lab.input('files', set(name)), from: name };
  const list = join(set(name), 'pairs.txt');
  const imported = await lab.run(stage, {
    inputs: { photos },
    settings: { size: 160, split: { verification: 0 } },
  });
  const { count, identities } = ImageSet.open(imported.outputs['images']!);
  const paired = await lab.run(verificationPairs, {
    inputs: {
      dataset: lab.input('images', imported.outputs['images']!),
      ledger: lab.input('result', imported.outputs['ledger']!),
      ...(existsSync(list) ? { pairs: lab.input('files', list) } : {}),
    },
    settings: {},
  });
  const model = (await lab.run(faceApi, { inputs: {} })).outputs['model']!;
  const { metrics } = await lab.run(evaluate, {
    inputs: {
      model: lab.input('model', model),
      verification: lab.input('verification', paired.outputs['verification']!),
    },
  });
  const [accuracy, error] = [metrics.get(`${name}/accuracy`)!, metrics.get(`${name}/accuracy_se`)!];
  console.log(`${name}: ${(100 * accuracy).toFixed(2)} % +- ${(100 * error).toFixed(2)} (standard error)`);
  return { accuracy, count, identities, metrics: imported.metrics };
}

test.skipIf(!root).each([
  { name: 'london', count: 24, identities: 12, least: 0.97 },
  { name: 'orl', count: 400, identities: 40, least: 0.97 },
  { name: 'lfw', count: 480, identities: 60, least: 0.97 },
  { name: 'lfw-view2', count: 1549, identities: 882, least: 0.97 },
])(
  'the pretrained recogniser tells people of $name apart: accuracy above $least, no face missed',
  async ({ name, least, ...expected }) => {
    const { accuracy, count, identities, metrics } = await accuracyOn(name);
    expect({ count, identities }).toEqual(expected);
    expect(metrics.get('no_face')).toBe(0);
    expect(accuracy).toBeGreaterThan(least);
  },
  1_200_000,
);
