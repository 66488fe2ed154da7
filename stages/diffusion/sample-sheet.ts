/** A grid of images as a PNG file, for looking at. */
import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';

/**
 * @param images  uint8 [n, height, width, 3] each or undefined for an empty cell, row by row
 * @param columns cells in a row
 */
export async function writeSheet(
  file: string,
  images: readonly Uint8Array[],
  size: { width: number; height: number },
  columns: number,
): Promise<void> {
  const { width, height } = size;
  const gap = 1;
  const rows = Math.ceil(images.length / columns);
  const [across, down] = [columns * (width + gap) - gap, rows * (height + gap) - gap];
  const sheet = new Uint8Array(across * down * 3).fill(255);
  images.forEach((pixels, i) => {
    const [left, top] = [(i % columns) * (width + gap), Math.floor(i / columns) * (height + gap)];
    for (let y = 0; y < height; y++)
      sheet.set(pixels.subarray(y * width * 3, (y + 1) * width * 3), ((top + y) * across + left) * 3);
  });
  // Small faces are enlarged without smoothing, so that what is seen is what is there.
  const scale = Math.max(1, Math.floor(96 / height));
  const image = sharp(sheet, { raw: { width: across, height: down, channels: 3 } });
  const bytes = await image
    .resize(across * scale, down * scale, { kernel: 'nearest' })
    .png({ compressionLevel: 9 })
    .toBuffer();
  await writeFile(file, bytes);
}
