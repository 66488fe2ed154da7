/**
 * Any photograph's file as 8-bit sRGB, upright: JPEG, PNG, WebP, TIFF, AVIF and GIF through sharp (libvips), PGM and PPM through pnm.ts.
 * Turns by EXIF's orientation, brings gray, CMYK, 16 bit and colour profiles to sRGB, lays what is transparent over a colour.
 */
import { readFile } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { isPnm, readPnm } from './pnm.js';
import type { Picture } from './warp.js';

/** Larger pictures are shrunk to this edge: the detector looks at 512 pixels, and memory must not follow the camera. */
const largestEdge = 2048;

const formats = new Set(['jpeg', 'png', 'webp', 'tiff', 'heif', 'gif']);

export interface Photograph {
  picture: Picture;
  /** The file's own size, upright, before any shrinking. */
  width: number;
  height: number;
}

/** A file that cannot be used; `damaged` where it is a picture by its first bytes, but cannot be decoded. */
export class UnreadablePicture extends Error {
  constructor(
    readonly reason: 'no_picture' | 'unsupported' | 'damaged',
    message: string,
  ) {
    super(message);
  }
}

/**
 * @param background '#rrggbb', seen through transparent pixels
 * @throws UnreadablePicture
 */
export async function readPhotograph(file: string, background: string): Promise<Photograph> {
  const bytes = await readFile(file);
  if (bytes.length === 0) throw new UnreadablePicture('no_picture', 'the file is empty');
  const sharp = await loadSharp();
  if (isPnm(bytes)) {
    let picture: Picture;
    try {
      picture = readPnm(bytes);
    } catch (error) {
      throw new UnreadablePicture('damaged', (error as Error).message);
    }
    const { width, height, data } = picture;
    if (Math.max(width, height) <= largestEdge) return { picture, width, height };
    const decoded = await pixels(sharp(data, { raw: { width, height, channels: 3 } }));
    return { picture: decoded, width, height };
  }
  const foreign = foreignFormat(bytes);
  if (foreign)
    throw new UnreadablePicture('unsupported', `${foreign} is not read here: convert it to JPEG or PNG`);
  // Warnings (odd metadata, say) are let pass; pixels that cannot be decoded are not.
  const open = () => sharp(bytes, { failOn: 'error' });
  let size: { width: number; height: number };
  try {
    const { format, autoOrient } = await open().metadata();
    if (!format || !formats.has(format)) throw new Error(`${format} is no format of photographs`);
    size = autoOrient;
  } catch (error) {
    throw new UnreadablePicture('no_picture', firstLine(error));
  }
  try {
    const decoded = await pixels(open().autoOrient().flatten({ background }));
    return { picture: decoded, ...size };
  } catch (error) {
    throw new UnreadablePicture('damaged', firstLine(error));
  }
}

/** Formats of cameras and editors that the decoder lacks, by their first bytes; its own message would say nothing of use. */
function foreignFormat(bytes: Buffer): string | undefined {
  const text = (from: number, to: number) => bytes.toString('latin1', from, to);
  if (text(4, 8) === 'ftyp' && /^(hei[cxms]|hev[cxms])/.test(text(8, 12))) return 'HEIC';
  if (text(4, 8) === 'ftyp' && text(8, 12) === 'mif1' && text(16, 40).includes('heic')) return 'HEIC';
  if (text(0, 2) === 'BM' && bytes.length > 26 && bytes.readUInt32LE(6) === 0) return 'BMP';
  if (text(0, 4) === '8BPS') return 'PSD';
  if (text(0, 2) === '\xff\x0a' || text(4, 8) === 'JXL ') return 'JPEG XL';
  if (text(0, 12) === '\0\0\0\x0cjP  \r\n') return 'JPEG 2000';
  return undefined;
}

async function pixels(image: Sharp): Promise<Picture> {
  const { data, info } = await image
    .resize({ width: largestEdge, height: largestEdge, fit: 'inside', withoutEnlargement: true })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return { width: info.width, height: info.height, data };
  const rgb = new Uint8Array(info.width * info.height * 3);
  for (let i = 0; i < info.width * info.height; i++) rgb.fill(data[i * info.channels]!, 3 * i, 3 * i + 3);
  return { width: info.width, height: info.height, data: rgb };
}

let sharpModule: Promise<typeof import('sharp')> | undefined;

/** Native code of 20 MB: loaded where a picture is read, not where a stage is listed. */
async function loadSharp(): Promise<typeof import('sharp').default> {
  return (await (sharpModule ??= import('sharp'))).default;
}

const firstLine = (error: unknown) =>
  (error as Error).message
    .split('\n')[0]!
    .replace(/^Input (file|buffer) contains /, '')
    .replace(/^Input (file|buffer) /, 'the file ');
