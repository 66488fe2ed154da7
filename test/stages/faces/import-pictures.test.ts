import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPhotograph, UnreadablePicture } from '../../../stages/faces/import/picture.js';
import { readPnm } from '../../../stages/faces/import/pnm.js';

const [width, height] = [24, 16];
const expected = (x: number, y: number) => [200, x * 10, y * 15];
const raw = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
  const pixel = Math.floor(i / 3);
  return expected(pixel % width, Math.floor(pixel / width))[i % 3]!;
});
const picture = () => sharp(raw, { raw: { width, height, channels: 3 } });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cemiflow-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function file(name: string, content: Sharp | string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  writeFileSync(
    path,
    typeof content === 'string' || content instanceof Uint8Array ? content : await content.toBuffer(),
  );
  return path;
}

/** The largest difference of a pixel of the file's picture from what is expected there. */
async function differenceIn(path: string, want = expected, size = { width, height }): Promise<number> {
  const { picture: read, ...stated } = await readPhotograph(path, '#0000ff');
  expect(stated).toEqual(size);
  expect([read.width, read.height, read.data.length]).toEqual([size.width, size.height, width * height * 3]);
  let worst = 0;
  for (let y = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++)
      want(x, y).forEach((value, c) => {
        worst = Math.max(worst, Math.abs(value - read.data[(y * size.width + x) * 3 + c]!));
      });
  return worst;
}

test.each([
  ['png', () => picture().png(), 0],
  ['webp', () => picture().webp({ lossless: true }), 0],
  ['tiff', () => picture().tiff({ compression: 'lzw' }), 0],
  ['avif', () => picture().avif({ lossless: true, chromaSubsampling: '4:4:4' }), 2],
  ['jpg', () => picture().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }), 4],
  ['16.png', () => picture().toColourspace('rgb16').png(), 1],
  ['16.tiff', () => picture().toColourspace('rgb16').tiff({ compression: 'none' }), 1],
] as const)('reads the pixels of a .%s', async (name, make, tolerance) => {
  expect(await differenceIn(await file(`a.${name}`, make()))).toBeLessThanOrEqual(tolerance);
});

test('reads a picture whatever its name says', async () => {
  expect(await differenceIn(await file('png-inside.jpg', picture().png()))).toBe(0);
});

test.each(['png', 'tiff'] as const)(
  'reads gray and 16-bit gray .%s as three equal channels',
  async (format) => {
    for (const space of ['b-w', 'grey16'] as const) {
      const { picture: read } = await readPhotograph(
        await file(`${space}.${format}`, picture().grayscale().toColourspace(space).toFormat(format)),
        '#000000',
      );
      const gray = await picture().grayscale().raw().toBuffer();
      for (let i = 0; i < width * height; i++)
        for (let c = 0; c < 3; c++) expect(Math.abs(read.data[3 * i + c]! - gray[i]!)).toBeLessThanOrEqual(2);
    }
  },
);

test('reads CMYK, near to what it was made from', async () => {
  // A colour that inks can show.
  const skin = [190, 150, 130];
  const plain = sharp({ create: { width, height, channels: 3, background: { r: 190, g: 150, b: 130 } } });
  for (const format of ['jpeg', 'tiff'] as const) {
    const path = await file(
      `cmyk.${format}`,
      plain.clone().toColourspace('cmyk').toFormat(format, { quality: 100 }),
    );
    expect((await sharp(path).metadata()).channels).toBe(4);
    expect(await differenceIn(path, () => skin)).toBeLessThan(12);
  }
});

test('turns a picture as its EXIF orientation says', async () => {
  // 6: the stored picture has to be turned a quarter clockwise; its first row becomes the last column.
  const path = await file(
    'turned.jpg',
    picture().withMetadata({ orientation: 6 }).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }),
  );
  const turned = (x: number, y: number) => expected(y, height - 1 - x);
  expect(await differenceIn(path, turned, { width: height, height: width })).toBeLessThanOrEqual(4);
});

test('lays transparent pixels over the background colour', async () => {
  const path = await file('clear.png', picture().ensureAlpha(0.5).png());
  // Half the picture, half blue (#0000ff), give or take the rounding of alpha.
  const half = (x: number, y: number) => expected(x, y).map((value, c) => (value + [0, 0, 255][c]!) / 2);
  expect(await differenceIn(path, half)).toBeLessThanOrEqual(2);
});

test('shrinks a picture that is larger than it needs, and states its own size', async () => {
  const path = await file(
    'large.png',
    sharp({ create: { width: 4000, height: 1000, channels: 3, background: '#123456' } }).png(),
  );
  const { picture: read, ...size } = await readPhotograph(path, '#000000');
  expect([read.width, read.height, size]).toEqual([2048, 512, { width: 4000, height: 1000 }]);
});

describe('PGM and PPM', () => {
  const bytes = (text: string, ...rest: number[]) => Buffer.concat([Buffer.from(text), Buffer.from(rest)]);

  test('reads all four formats, comments, and values of any maximum', () => {
    const gray = { width: 2, height: 1, data: Uint8Array.of(0, 0, 0, 255, 255, 255) };
    expect(readPnm(bytes('P5\n# by hand\n2 1\n255\n', 0, 255))).toEqual(gray);
    expect(readPnm(bytes('P2 2 1 15\n0 15\n'))).toEqual(gray);
    expect(readPnm(bytes('P5 2 1 65535\n', 0, 0, 0xff, 0xff))).toEqual(gray);
    const colour = { width: 1, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    expect(readPnm(bytes('P6\n1 2\n255\n', 1, 2, 3, 4, 5, 6))).toEqual(colour);
    expect(readPnm(bytes('P3\n1 2 255 1 2 3 4 5 6'))).toEqual(colour);
    // 128 of 4095 is 7.97 of 255.
    expect(readPnm(bytes('P5 1 1 4095\n', 0, 128)).data[0]).toBe(8);
  });

  test('the first byte of the pixels may look like white space or a comment', () => {
    expect([...readPnm(bytes('P5 1 2 255\n', 10, 35)).data]).toEqual([10, 10, 10, 35, 35, 35]);
  });

  test.each([
    ['P5 2 1 255\n\0', 'cut short: 1 of 2 bytes'],
    ['P5 2 x', 'the height is missing'],
    ['P2 2 1 255 7', 'sample 2 of 2 is missing'],
    ['P5 0 1 255\n', 'no picture of 0x1'],
    ['P5 1 1 0\n\0', 'the largest value is 0'],
  ])('refuses %j', (text, why) => {
    expect(() => readPnm(Buffer.from(text))).toThrow(why);
  });

  test('a PGM file of a collection is a photograph like any other', async () => {
    const path = await file('face.pgm', bytes('P5\n92 112\n255\n', ...new Array<number>(92 * 112).fill(77)));
    const { picture: read } = await readPhotograph(path, '#000000');
    expect([read.width, read.height, read.data[0], read.data.at(-1)]).toEqual([92, 112, 77, 77]);
  });
});

describe('files that cannot be used say why', () => {
  const failure = async (name: string, content: Sharp | string | Uint8Array) =>
    readPhotograph(await file(name, content), '#000000').catch((error: unknown) => {
      expect(error).toBeInstanceOf(UnreadablePicture);
      return (error as UnreadablePicture).reason;
    });

  test('text, an empty file and a drawing are no pictures', async () => {
    expect(await failure('notes.jpg', 'not a picture at all')).toBe('no_picture');
    expect(await failure('empty.png', '')).toBe('no_picture');
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    expect(await failure('drawing.svg', svg)).toBe('no_picture');
  });

  test.each(['jpeg', 'png', 'webp', 'tiff'] as const)('half a %s is damaged', async (format) => {
    const noise = sharp({
      create: {
        width: 200,
        height: 200,
        channels: 3,
        noise: { type: 'gaussian', mean: 128, sigma: 40 },
        background: '#000',
      },
    });
    const whole = await noise.toFormat(format).toBuffer();
    expect(await failure(`half.${format}`, whole.subarray(0, whole.length >> 1))).toMatch(
      /damaged|no_picture/,
    );
  });

  test('half a PGM is damaged', async () => {
    expect(await failure('half.pgm', Buffer.from('P5\n92 112\n255\nfew'))).toBe('damaged');
  });
});
