/** Folders as strangers have them: everything that systems, cameras, archives and people leave in a collection of photographs. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { ImageSet } from '../../../stages/data/image-set.js';
import { stage } from '../../../stages/faces/faces-import.stage.js';
import { findPhotos } from '../../../stages/faces/import/folder.js';
import { StageLab } from '../recognition/stage-lab.js';
import { collection } from './import-photos.js';

const plain = (edge = 40): Sharp =>
  sharp({ create: { width: edge, height: edge, channels: 3, background: '#c09080' } });

async function put(folder: string, file: string, content: Sharp | Buffer | string): Promise<void> {
  const path = join(folder, file);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(
    path,
    typeof content === 'object' && 'toBuffer' in content ? await content.toBuffer() : content,
  );
}

/** The first half of a JPEG's bytes. */
async function half(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const whole = await sharp({
    create: { width: 200, height: 200, channels: 3, noise, background: '#000' },
  })
    .jpeg()
    .toBuffer();
  return whole.subarray(0, whole.length >> 1);
}

/** Two frames, the second one black. */
const moving = () =>
  sharp(Buffer.concat([Buffer.alloc(40 * 40 * 3, 200), Buffer.alloc(40 * 40 * 3, 0)]), {
    raw: { width: 40, height: 80, channels: 3, pageHeight: 40 },
  });

async function imported(lab: StageLab, folder: string, settings: object = {}) {
  const { outputs, warnings, lines } = await lab.run(stage, {
    inputs: { photos: { ...lab.input('files', folder), from: 'path:../mine' } },
    settings: { align: 'none', size: 16, split: { verification: 0 }, ...settings },
  });
  const { ledger } = JSON.parse(readFileSync(join(outputs['ledger']!, 'result.json'), 'utf8')) as {
    ledger: { counts: Record<string, number>; entries: { file: string; fate: string; reason: string }[] };
  };
  return {
    set: ImageSet.open(outputs['images']!),
    ledger,
    warnings: warnings.join('\n'),
    log: lines.join('\n'),
  };
}

test('all that can be read is read, and the rest is in the ledger with the reason', async () => {
  using lab = new StageLab();
  const folder = lab.path();
  await put(folder, 'Ann Lee/IMG 1 (copy).JPG', plain().jpeg());
  await put(folder, 'Ann Lee/ünï 写真.jpeg', plain().jpeg());
  await put(folder, 'Ann Lee/wrong.png', plain().jpeg());
  await put(folder, 'Ann Lee/tiny.jpg', plain(20).jpeg());
  await put(folder, 'Ann Lee/huge.jpg', plain(6000).jpeg({ quality: 30 }));
  await put(folder, 'O\'Brien, "Pat"/gray.png', plain().grayscale().png());
  await put(folder, 'O\'Brien, "Pat"/alpha.webp', plain().ensureAlpha(0.9).webp());
  await put(folder, 'O\'Brien, "Pat"/cmyk.jpg', plain().toColourspace('cmyk').jpeg());
  await put(folder, 'O\'Brien, "Pat"/16 bit.png', plain().toColourspace('rgb16').png());
  await put(
    folder,
    'O\'Brien, "Pat"/gray and alpha of 16 bit.png',
    plain().grayscale().ensureAlpha(0.5).toColourspace('grey16').png(),
  );
  await put(folder, 'O\'Brien, "Pat"/scan.TIF', plain().tiff());
  await put(folder, 'moving/a.webp', moving().webp({ loop: 0, delay: [90, 90] }));
  await put(folder, 'moving/b.gif', moving().gif({ delay: [90, 90] }));
  await put(folder, 'odd/half.jpg', await half());
  await put(folder, 'odd/empty.jpg', '');
  await put(folder, 'odd/notes.txt', 'hello');
  await put(
    folder,
    'odd/phone.HEIC',
    Buffer.concat([Buffer.of(0, 0, 0, 24), Buffer.from('ftypheic\0\0\0\0mif1heic'), Buffer.alloc(200, 7)]),
  );
  await put(
    folder,
    'odd/phone2.jpg',
    Buffer.concat([
      Buffer.of(0, 0, 0, 28),
      Buffer.from('ftypmif1\0\0\0\0mif1miafheic'),
      Buffer.alloc(200, 7),
    ]),
  );
  await put(folder, 'odd/old.bmp', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]));
  await put(folder, 'odd/good.jpg', plain().jpeg());
  for (const hidden of ['.DS_Store', '._good.jpg', 'Thumbs.db', 'desktop.ini', '@eaDir/x.jpg', '.git/config'])
    await put(folder, `odd/${hidden}`, 'hidden');
  await put(folder, '__MACOSX/odd/._good.jpg', 'hidden');
  await put(folder, 'README.md', 'about');
  mkdirSync(join(folder, 'nobody yet'));

  const { set, ledger, warnings, log } = await imported(lab, folder);
  expect(set.info.names).toEqual(['Ann Lee', 'O\'Brien, "Pat"', 'moving', 'odd']);
  expect(set.count).toBe(14);
  expect(ledger.counts).toEqual({
    files: 21,
    used: 14,
    'used in images': 14,
    'left out: no picture': 2,
    'left out: a format that is not read': 3,
    'left out: damaged': 1,
    "left out: not in a person's folder": 1,
  });
  const reasons = Object.fromEntries(ledger.entries.map(({ file, reason }) => [file, reason]));
  expect(reasons).toMatchObject({
    'odd/half.jpg': expect.stringMatching(/^damaged: .*end of JPEG/) as string,
    'odd/empty.jpg': 'no picture: the file is empty',
    'odd/notes.txt': 'no picture: unsupported image format',
    'odd/phone.HEIC': 'HEIC is not read here: convert it to JPEG or PNG',
    'odd/phone2.jpg': 'HEIC is not read here: convert it to JPEG or PNG',
    'odd/old.bmp': 'BMP is not read here: convert it to JPEG or PNG',
    'README.md': "not in a person's folder",
  });
  expect(warnings).toContain("people's folders without any file, 1: nobody yet");
  expect(log).toContain('7 hidden files and folders are passed over');
  // Of what moves, the first frame.
  const frames = set.labels.findIndex((label) => label === 2);
  expect(set.read([frames, frames + 1])[16 * 16 * 3 + 16 * 8 * 3]).toBeGreaterThan(190);
});

test('each of many damaged pictures has its own reason, although the decoder reads several at a time', async () => {
  using lab = new StageLab();
  const folder = await collection(lab.path(), { a: 20, b: 20 });
  const [jpeg, png] = [await half(), (await plain(300).png().toBuffer()).subarray(0, 300)];
  for (let i = 0; i < 20; i++) {
    await put(folder, `a/half ${i}.jpg`, jpeg);
    await put(folder, `b/half ${i}.png`, png);
  }
  const { ledger } = await imported(lab, folder);
  const reasonsOf = (format: string) =>
    ledger.entries.flatMap(({ file, reason }) => (file.endsWith(format) ? [reason] : []));
  expect(reasonsOf('.jpg')).toEqual(Array(20).fill(expect.stringMatching(/^damaged: .*end of JPEG/)));
  const ofPng = new Set(reasonsOf('.png'));
  expect([...ofPng]).toEqual([expect.stringMatching(/^damaged: .*png/)]);
});

test('no message holds a path of this machine, also of what cannot be opened', async () => {
  using lab = new StageLab();
  const folder = await collection(lab.path(), { a: 1, b: 1 });
  symlinkSync('/nowhere at all', join(folder, 'a', 'gone.jpg'));
  const { ledger, set } = await imported(lab, folder);
  expect(ledger.entries).toEqual([
    {
      file: 'a/gone.jpg',
      fate: 'left out',
      reason: 'damaged: a link to a file that is not there, or deleted on the way',
    },
  ]);
  expect(JSON.stringify(set.info)).not.toContain(lab.folder);
});

test('links to people and to pictures are followed', async () => {
  using lab = new StageLab();
  const other = await collection(lab.path(), { zoe: 2 });
  const folder = await collection(lab.path(), { a: 1 });
  symlinkSync(join(other, 'zoe'), join(folder, 'b'));
  symlinkSync(join(other, 'zoe', 'zoe_0001.png'), join(folder, 'a', 'x.png'));
  const { set } = await imported(lab, folder);
  expect([set.info.names, [...set.labels]]).toEqual([
    ['a', 'b'],
    [0, 0, 1, 1],
  ]);
});

describe('folders in folders', () => {
  const found = async (lab: StageLab, files: string[], person: 'first' | 'last' = 'first') => {
    const folder = lab.path();
    for (const file of files) await put(folder, file, 'x');
    const { photos, remarks } = await findPhotos(folder, 'mine', person);
    const of = Array.from({ length: photos.length }, (_, i) => `${photos.identity(i)}: ${photos.name(i)}`);
    return { of, remarks: remarks.join('\n') };
  };

  test("are a person's own, and a warning says so", async () => {
    using lab = new StageLab();
    const { of, remarks } = await found(lab, [
      '001/frontal/1.jpg',
      '001/profile/1.jpg',
      '002/frontal/1.jpg',
      '003/1.jpg',
    ]);
    expect(of).toEqual(['001: frontal/1.jpg', '001: profile/1.jpg', '002: frontal/1.jpg', '003: 1.jpg']);
    expect(remarks).toContain(
      "3 folders lie inside people's folders in mine (001/frontal, for one): its pictures are taken for those of 001",
    );
  });

  test('or, when asked, the folder that holds the file is the person', async () => {
    using lab = new StageLab();
    const { of } = await found(lab, ['train/ann/2.jpg', 'train/bob/1.jpg', 'test/ann/10.jpg'], 'last');
    expect(of).toEqual(['ann: 10.jpg', 'ann: 2.jpg', 'bob: 1.jpg']);
  });

  test('a folder around the collection, as archives have it, is stepped into, and that is said', async () => {
    using lab = new StageLab();
    const { of, remarks } = await found(lab, [
      'LICENCE',
      'lfw/images/ann/1.jpg',
      'lfw/images/bob/1.jpg',
      'lfw/images/pairs.txt',
    ]);
    expect(of).toEqual(['ann: 1.jpg', 'bob: 1.jpg']);
    expect(remarks).toContain('the 2 folders in lfw/images are taken for people');
  });

  test('one person with pictures is no such folder', async () => {
    using lab = new StageLab();
    const { of } = await found(lab, ['ann/1.jpg', 'ann/more/2.jpg', 'ann/others/3.jpg']);
    expect(of).toEqual(['ann: 1.jpg', 'ann: more/2.jpg', 'ann: others/3.jpg']);
  });
});
