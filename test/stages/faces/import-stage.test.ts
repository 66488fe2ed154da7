import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { ImageSet } from '../../../stages/data/image-set.js';
import { openVerification } from '../../../stages/data/verification-set.js';
import { stage } from '../../../stages/faces/faces-import.stage.js';
import { bytesOf, settingsOf, StageLab } from '../recognition/stage-lab.js';
import { collection, scene } from './import-photos.js';

/** No search for faces: the pictures are one colour each. */
const plain = { align: 'none', size: 16, folds: 2, pairsPerFold: 4 };

async function imported(
  lab: StageLab,
  photos: string,
  settings: object,
  extra: Partial<Parameters<typeof lab.run>[1]> = {},
) {
  const inputs = { photos: { ...lab.input('files', photos), from: 'path:../my photos/' } };
  const ran = await lab.run(stage, { inputs, settings: { ...plain, ...settings }, ...extra });
  const images = ImageSet.open(ran.outputs['images']!);
  const verification = openVerification(ran.outputs['verification']!);
  const { ledger, ...result } = JSON.parse(
    readFileSync(join(ran.outputs['ledger']!, 'result.json'), 'utf8'),
  ) as {
    ledger: {
      source: string;
      counts: Record<string, number>;
      entries: { file: string; fate: string; reason: string }[];
    };
    pairs: number;
    alignment: string;
  };
  const csv = readFileSync(join(ran.outputs['ledger']!, 'ledger.csv'), 'utf8').trim().split('\n');
  return { ran, images, verification, ledger, result, csv };
}

test('splits by person: nobody is in images and in verification, and all files are in the ledger', async () => {
  using lab = new StageLab();
  const photos = await collection(lab.path(), { a: 3, b: 3, c: 3, d: 3, e: 3, f: 3, g: 3, h: 3 });
  const { ran, images, verification, ledger, csv } = await imported(lab, photos, {
    split: { verification: 0.5 },
  });
  expect([images.count, images.identities]).toEqual([12, 4]);
  expect([...images.labels]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  const [protocol] = verification.info.protocols;
  expect(protocol).toMatchObject({ name: 'my photos', folds: 2, pairs: 16, identitiesDisjoint: true });
  // Two people of three pictures a fold: each colour tells which file it is.
  const inImages = new Set(Array.from({ length: 12 }, (_, i) => images.read([i])[0]!));
  const { images: pictures } = verification.protocol('my photos');
  for (let i = 0; i < pictures.count; i++) expect(inImages).not.toContain(pictures.read([i])[0]);
  expect(csv).toHaveLength(1 + 24);
  expect(ledger.counts).toMatchObject({
    files: 24,
    used: 24,
    'used in images': 12,
    'used in verification': 12,
  });
  expect(ran.metrics.get('images')).toBe(12);
  expect(ran.metrics.get('identities')).toBe(4);
  expect(images.info.provenance).toMatchObject({
    kind: 'faces-import',
    asked: { identities: 8, images: 24 },
    delivered: { identities: 4, images: 12 },
    realData: ['my photos'],
  });
});

test('the seed decides who goes where; the same seed gives the same bytes', async () => {
  using lab = new StageLab();
  const photos = await collection(lab.path(), { a: 3, b: 3, c: 3, d: 3, e: 3, f: 3, g: 3, h: 3 });
  const half = { split: { verification: 0.5 } };
  const [one, again, other] = await Promise.all(
    [7, 7, 8].map((seed) => imported(lab, photos, half, { seed })),
  );
  expect(bytesOf(again!.ran.outputs['verification']!)).toEqual(bytesOf(one!.ran.outputs['verification']!));
  expect(bytesOf(again!.ran.outputs['images']!)).toEqual(bytesOf(one!.ran.outputs['images']!));
  expect(other!.images.info.names).not.toEqual(one!.images.info.names);
});

test('inquiry people are of their own, one picture each', async () => {
  using lab = new StageLab();
  const photos = await collection(lab.path(), { a: 3, b: 3, c: 3, d: 3, e: 3, f: 3, g: 3, h: 3 });
  const { ran, images, ledger } = await imported(lab, photos, {
    split: { verification: 0.5, inquiry: 0.25 },
  });
  const inquiry = ImageSet.open(ran.outputs['inquiry']!);
  expect([inquiry.count, inquiry.identities, images.identities]).toEqual([2, 2, 2]);
  for (const name of inquiry.info.names!) expect(images.info.names).not.toContain(name);
  expect(ledger.counts).toMatchObject({
    'used in inquiry': 2,
    'left out: more than one picture of an inquiry person': 4,
  });
});

describe('filters', () => {
  test('people with few pictures, surplus pictures and small ones are left out, with the reason', async () => {
    using lab = new StageLab();
    const photos = await collection(lab.path(), { a: 1, b: 5, c: 3, d: 3 });
    writeFileSync(
      join(photos, 'd', 'tiny.png'),
      await sharp({ create: { width: 9, height: 50, channels: 3, background: '#fff' } })
        .png()
        .toBuffer(),
    );
    const { images, ledger } = await imported(lab, photos, {
      split: { verification: 0 },
      minImages: 2,
      maxImages: 3,
      minSize: 10,
    });
    expect(images.info.names).toEqual(['b', 'c', 'd']);
    expect([...images.labels]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect(ledger.counts).toMatchObject({
      files: 13,
      used: 9,
      'left out: people with fewer pictures than minImages': 1,
      "left out: beyond a person's maxImages": 2,
      'left out: smaller than minSize': 1,
    });
    expect(ledger.entries).toContainEqual({
      file: 'd/tiny.png',
      fate: 'left out',
      reason: 'smaller than minSize',
    });
  });

  test('unreadable files are counted and listed, hidden ones passed over, and files beside the folders named', async () => {
    using lab = new StageLab();
    const photos = await collection(lab.path(), { a: 2, b: 2 });
    writeFileSync(join(photos, 'a', 'notes.txt'), 'hello');
    writeFileSync(join(photos, 'a', '.DS_Store'), 'hidden');
    writeFileSync(join(photos, 'readme, "first".txt'), 'hello');
    const { ran, ledger, csv } = await imported(lab, photos, { split: { verification: 0 } });
    expect(ran.metrics.get('unreadable')).toBe(1);
    expect(ledger.counts).toEqual({
      files: 6,
      used: 4,
      'used in images': 4,
      'left out: no picture': 1,
      "left out: not in a person's folder": 1,
    });
    expect(csv.find((line) => line.startsWith('a/notes.txt'))).toContain('no_picture');
    expect(csv.at(-1)).toMatch(/^"readme, ""first"".txt",,not_in_a_persons_folder/);
  });
});

test('looks for faces, aligns them, and says how each picture was made', async () => {
  using lab = new StageLab();
  const photos = lab.path();
  const save = async (
    file: string,
    { width, height, data }: { width: number; height: number; data: Uint8Array },
  ) =>
    sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(join(photos, file));
  for (const name of ['a', 'b']) mkdirSync(join(photos, name));
  await save('a/1.png', await scene(0, { degrees: 12 }));
  await save('b/1.png', await scene(1));
  await save('b/2.png', { width: 100, height: 80, data: new Uint8Array(24000).fill(90) });
  const settings = { align: 'detect', size: 112, split: { verification: 0 } };
  const { ran, images, ledger, result, csv } = await imported(lab, photos, settings);
  expect(result.alignment).toContain('ArcFace template');
  expect(images.count).toBe(3);
  expect(ran.metrics.get('no_face')).toBe(1);
  expect(ledger.entries).toEqual([
    { file: 'b/2.png', fate: 'images', reason: 'no face found: the middle of the picture' },
  ]);
  const [, , , , , width, height, faces, score] = csv[1]!.split(',');
  expect([width, height, faces]).toEqual(['340', '300', '1']);
  expect(Number(score)).toBeGreaterThan(0.1);

  const dropped = await imported(lab, photos, { ...settings, noFace: 'drop' });
  expect([dropped.images.count, dropped.ran.metrics.get('no_face')]).toEqual([2, 1]);
  await expect(imported(lab, photos, { ...settings, noFace: 'fail' })).rejects.toThrow(
    'no face was found in b/2.png',
  );
});

test('an import that was stopped goes on where it was, to the same bytes', async () => {
  using lab = new StageLab();
  const photos = await collection(lab.path(), { a: 6, b: 6, c: 6, d: 6 });
  writeFileSync(join(photos, 'b', 'broken.png'), 'broken');
  const settings = { split: { verification: 1 }, shareIdentities: true };
  const whole = await imported(lab, photos, settings);
  const checkpoint = lab.path('checkpoint');
  const stop = new AbortController();
  let seen = 0;
  await expect(
    imported(lab, photos, settings, {
      checkpoint,
      signal: stop.signal,
      progress: (done: number) => {
        seen = done;
        if (done >= 12) stop.abort(new Error('stopped'));
      },
    }),
  ).rejects.toThrow('stopped');
  expect(seen).toBe(12);
  // As a kill leaves it: a torn line, and pixels no line speaks of.
  writeFileSync(
    join(checkpoint, 'looked.jsonl'),
    `${readFileSync(join(checkpoint, 'looked.jsonl'), 'utf8')}[{"sight":"as`,
  );
  writeFileSync(
    join(checkpoint, 'crops.bin'),
    Buffer.concat([readFileSync(join(checkpoint, 'crops.bin')), Buffer.alloc(99, 7)]),
  );
  const first: number[] = [];
  const resumed = await imported(lab, photos, settings, {
    checkpoint,
    progress: (done: number) => first.push(done),
  });
  expect(first.slice(0, 2)).toEqual([12, 16]);
  for (const output of ['images', 'verification', 'ledger'])
    expect(bytesOf(resumed.ran.outputs[output]!)).toEqual(bytesOf(whole.ran.outputs[output]!));

  // Pixels lost with the power: it starts again.
  const lost = lab.path('checkpoint');
  cpSync(checkpoint, lost, { recursive: true });
  truncateSync(join(lost, 'crops.bin'), 10);
  const restarted = await imported(lab, photos, settings, { checkpoint: lost });
  expect(bytesOf(restarted.ran.outputs['images']!)).toEqual(bytesOf(whole.ran.outputs['images']!));
});

describe('refuses, with a remedy', () => {
  const failing = async (prepare: (lab: StageLab) => Promise<string> | string, settings: object = {}) => {
    using lab = new StageLab();
    const photos = await prepare(lab);
    const error = await imported(lab, photos, settings).then(
      () => undefined,
      (reason: unknown) => reason as Error & { remedy?: string },
    );
    expect(error?.name).toBe('StageError');
    return `${error!.message} ${error!.remedy ?? ''}`;
  };
  const four = { a: 2, b: 2, c: 2, d: 2 };

  test('a folder that does not exist', async () => {
    expect(await failing((lab) => join(lab.path(), 'nowhere'))).toMatch(
      /the folder my photos does not exist.*FOLDER\/<person>/,
    );
  });
  test('a file in place of a folder', async () => {
    expect(
      await failing((lab) => {
        const file = join(lab.path(), 'photo.jpg');
        writeFileSync(file, '');
        return file;
      }),
    ).toContain('is a file, not a folder');
  });
  test('an empty folder', async () => {
    expect(await failing((lab) => lab.path())).toContain('my photos is empty');
  });
  test('photographs without folders of people', async () => {
    expect(
      await failing((lab) => {
        const folder = lab.path();
        writeFileSync(join(folder, 'a.jpg'), '');
        return folder;
      }),
    ).toContain('holds 1 file but no folders with photographs');
  });
  test('a folder of files that are no pictures', async () => {
    const message = await failing((lab) => {
      const folder = lab.path();
      for (const name of ['a', 'b']) {
        mkdirSync(join(folder, name));
        writeFileSync(join(folder, name, 'x.txt'), 'text');
      }
      return folder;
    });
    expect(message).toContain(
      'none of the 2 files in my photos is a picture that can be used (2 no picture)',
    );
  });
  test('one person only', async () => {
    expect(await failing((lab) => collection(lab.path(), { a: 4 }))).toContain('there is one person only, a');
  });
  test('filters that leave nobody', async () => {
    expect(await failing((lab) => collection(lab.path(), four), { minImages: 3 })).toContain(
      'nobody of 4 people has 3 usable pictures',
    );
  });
  test('too few people for two folds', async () => {
    expect(await failing((lab) => collection(lab.path(), four))).toMatch(
      /1 person.*do not fill two folds.*split\.verification/,
    );
  });
  test('everybody wanted for verification', async () => {
    expect(await failing((lab) => collection(lab.path(), four), { split: { verification: 1 } })).toMatch(
      /leaves nobody for images.*shareIdentities/,
    );
  });
  test('a broken file, where it is asked to', async () => {
    const message = await failing(
      async (lab) => {
        const folder = await collection(lab.path(), four);
        writeFileSync(join(folder, 'b', 'bad.jpg'), 'bad');
        return folder;
      },
      { unreadable: 'fail' },
    );
    expect(message).toMatch(/b\/bad.jpg cannot be read.*unreadable: drop/);
  });
  test('shares of more than all people', () => {
    expect(() => settingsOf(stage, { split: { verification: 0.7, inquiry: 0.4 } })).toThrow(
      'more than all people',
    );
  });
  test('settings out of their bounds', () => {
    for (const bad of [
      { size: 8 },
      { confidence: 0 },
      { background: 'red' },
      { align: 'auto' },
      { unknown: 1 },
    ])
      expect(() => settingsOf(stage, bad)).toThrow();
  });
});

test('leaves the photographs as they were', async () => {
  using lab = new StageLab();
  const photos = await collection(lab.path(), { a: 2, b: 2 });
  const before = bytesOf(photos);
  await imported(lab, photos, { split: { verification: 0 } });
  expect(bytesOf(photos)).toEqual(before);
});
