import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { subset } from '../../../stages/data/dataset.js';
import { ImageSet, ImageSetWriter } from '../../../stages/data/image-set.js';
import { NpyWriter, readNpy, readNpyAs, writeNpy } from '../../../stages/data/npy.js';
import { realDataBehind, type SetProvenance } from '../../../stages/data/provenance.js';
import { readSafetensors, writeSafetensors } from '../../../stages/data/safetensors.js';
import { openVerification } from '../../../stages/data/verification-set.js';
import { writeVerification } from '../recognition/stage-lab.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'data-'))));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const provenance: SetProvenance = {
  kind: 'faces-render',
  asked: { identities: 2, images: 5 },
  delivered: { identities: 2, images: 5 },
  alignment: 'ArcFace template',
  realData: [],
  settings: {},
  seed: 1,
};

const hasNumpy = (() => {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.each(['float32', 'int32', 'uint8'] as const)('%s arrays come back from .npy as they were', (type) => {
  const Type = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }[type];
  const data = Type.from([1, 2, 3, 4, 5, 250]);
  writeNpy(at('a.npy'), data, [2, 3]);
  expect(readNpyAs(at('a.npy'), type)).toEqual({ shape: [2, 3], data });
});

test.skipIf(!hasNumpy)('NumPy reads what was appended, and .npy files of NumPy are read', () => {
  const writer = new NpyWriter(at('rows.npy'), 'float32', [2]);
  writer.append(Float32Array.of(1, 2));
  writer.append(Float32Array.of(3, 4, 5, 6));
  writer.close();
  const program = `import numpy as n; a=n.load(${JSON.stringify(at('rows.npy'))}); n.save(${JSON.stringify(at('back.npy'))}, a.sum(1)); print(a.shape)`;
  expect(execFileSync('python3', ['-c', program], { encoding: 'utf8' }).trim()).toBe('(3, 2)');
  expect(readNpy(at('back.npy'))).toEqual({ shape: [3], data: Float32Array.of(3, 7, 11) });
});

test('a .npy file that is cut short, of another type, or no .npy at all is refused by name', () => {
  writeNpy(at('short.npy'), new Float32Array(100), [100]);
  truncateSync(at('short.npy'), 300);
  expect(() => readNpy(at('short.npy'))).toThrow(/short\.npy: cut short: 172 of 400 bytes/);
  expect(() => readNpyAs(at('a.npy'), 'float32')).toThrow(/a\.npy: holds uint8, not float32/);
  writeFileSync(at('text.npy'), 'no numbers here');
  expect(() => readNpy(at('text.npy'))).toThrow(/text\.npy: not a readable \.npy file/);
});

test('safetensors come back as they were; a damaged file is refused', () => {
  const tensors = new Map([
    ['w', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ['n', { shape: [1], data: Int32Array.of(-7) }],
  ]);
  writeSafetensors(at('m.safetensors'), tensors);
  expect(readSafetensors(at('m.safetensors'))).toEqual(tensors);
  truncateSync(at('m.safetensors'), readFileSync(at('m.safetensors')).length - 2);
  expect(() => readSafetensors(at('m.safetensors'))).toThrow(/n ends after the file/);
  writeFileSync(at('x.safetensors'), 'x');
  expect(() => readSafetensors(at('x.safetensors'))).toThrow(/shorter than its header length/);
});

function writeImages(count: number): string {
  const inside = mkdtempSync(at('set-'));
  const writer = ImageSetWriter.open(inside, { width: 2, height: 1 });
  for (let i = 0; i < count; i++) writer.add(Uint8Array.of(i, i, i, i, i, 200 + i), Math.floor(i / 2));
  writer.finish({ provenance });
  return inside;
}

test('images are read in any order, with their labels', () => {
  const set = ImageSet.open(writeImages(5));
  expect([set.count, set.identities, set.width, set.height]).toEqual([5, 3, 2, 1]);
  expect([...set.labels]).toEqual([0, 0, 1, 1, 2]);
  expect([...set.read([4, 0, 1])]).toEqual([4, 4, 4, 4, 4, 204, 0, 0, 0, 0, 0, 200, 1, 1, 1, 1, 1, 201]);
  expect(() => set.read([5])).toThrow(/image 5 of a set of 5/);
});

test('a set that disagrees with its set.json is refused, and so is a folder that is none', () => {
  const inside = writeImages(4);
  writeNpy(join(inside, 'labels.npy'), Int32Array.of(0), [1]);
  expect(() => ImageSet.open(inside)).toThrow(/disagree/);
  writeNpy(join(inside, 'labels.npy'), Float32Array.of(0, 0, 1, 1), [4]);
  expect(() => ImageSet.open(inside)).toThrow(/labels\.npy: holds float32, not int32/);
  writeNpy(join(inside, 'labels.npy'), Int32Array.of(0, 0, 1, 1), [4]);
  truncateSync(join(inside, 'labels.npy'), 140);
  expect(() => ImageSet.open(inside)).toThrow(/labels\.npy: cut short: 12 of 16 bytes/);
  expect(() => ImageSet.open(folder)).toThrow(/no image set/);
});

test('a subset numbers the identities that are left from 0', () => {
  const part = subset(ImageSet.open(writeImages(6)), Int32Array.of(5, 0));
  expect([...part.labels]).toEqual([1, 0]);
  expect(part.identities).toBe(2);
  expect(part.read([0])[0]).toBe(5);
});

test('verification pairs come back; a pair outside the images is refused', () => {
  const inside = mkdtempSync(at('ver-'));
  const protocol = {
    name: 'general',
    images: new Uint8Array(4 * 6).fill(9),
    pairs: Int32Array.of(0, 1, 2, 3),
    same: Uint8Array.of(1, 0),
    folds: Int32Array.of(0, 1),
  };
  const info = writeVerification(
    inside,
    { width: 2, height: 1 },
    [{ ...protocol, identitiesDisjoint: true }],
    provenance,
  );
  expect(info.protocols).toEqual([
    { name: 'general', images: 4, pairs: 2, folds: 2, identitiesDisjoint: true },
  ]);
  const { images, ...rest } = openVerification(inside).protocol('general');
  expect({ ...rest, images: images.read([0, 1, 2, 3]) }).toEqual(protocol);
  expect(images.read([2, 1], new Uint8Array(12))).toEqual(new Uint8Array(12).fill(9));
  writeNpy(join(inside, 'general', 'pairs.npy'), Int32Array.of(0, 1, 2, 4), [2, 2]);
  expect(() => openVerification(inside).protocol('general')).toThrow(/a pair names an image outside 0\.\.3/);
});

test('real data is found through generator, E_id and inquiry images', () => {
  const photographs = (name: string): SetProvenance => ({
    ...provenance,
    kind: 'faces-import',
    realData: [name],
  });
  const model = (data: SetProvenance) => ({
    kind: 'recognition' as const,
    architecture: 'x',
    weights: 'y',
    data,
  });
  const generated: SetProvenance = {
    ...provenance,
    kind: 'generate',
    generator: model(photographs('casia')),
    recogniser: model(photographs('webface')),
    inquiry: photographs('web'),
  };
  expect(realDataBehind(generated)).toEqual(['casia', 'web', 'webface']);
  expect(realDataBehind(provenance)).toEqual([]);
});
