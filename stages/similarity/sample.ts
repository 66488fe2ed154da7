/** The groups as a picture, like the paper's Fig. 2: a row a group, most similar on top, a column a person. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import type { FaceDataset } from '../data/image-set.js';
import { RowsByLabel } from '../data/rows-by-label.js';

const gap = 2;

/**
 * Writes sample.png and its caption, sample.json. Shown is each person's image in the middle of the group; people are
 * taken evenly from those with an image in every group (from all, where there are none; their places stay empty).
 */
export async function drawSample(
  folder: string,
  dataset: FaceDataset,
  groups: readonly Int32Array[],
  similarity: Float32Array,
  people: number,
): Promise<void> {
  const shown = groups.map((rows) => middleOf(rows, similarity, dataset));
  const everywhere = [...shown[0]!.keys()].filter((label) => shown.every((group) => group.has(label)));
  const candidates = everywhere.length > 0 ? everywhere : [...new Set(dataset.labels)];
  const columns = Math.min(people, candidates.length);
  const labels = Array.from(
    { length: columns },
    (_, i) => candidates[Math.floor((i * candidates.length) / columns)]!,
  );

  const { width, height } = dataset;
  // Thumbnails are shown about as large as 112 px faces, whatever the set's size.
  const zoom = Math.max(1, Math.round(96 / width));
  const sheetWidth = columns * (width + gap) + gap;
  const sheetHeight = groups.length * (height + gap) + gap;
  const sheet = new Uint8Array(sheetWidth * sheetHeight * 3).fill(255);
  shown.forEach((group, row) =>
    labels.forEach((label, column) => {
      const member = group.get(label);
      if (member === undefined) return;
      const pixels = dataset.read([member]);
      for (let y = 0; y < height; y++) {
        const at = (gap + row * (height + gap) + y) * sheetWidth + gap + column * (width + gap);
        sheet.set(pixels.subarray(y * width * 3, (y + 1) * width * 3), at * 3);
      }
    }),
  );
  await sharp(sheet, { raw: { width: sheetWidth, height: sheetHeight, channels: 3 } })
    .resize(sheetWidth * zoom, sheetHeight * zoom, { kernel: 'nearest' })
    .png()
    .toFile(join(folder, 'sample.png'));
  const caption = `Similarity groups, 0 (most similar to the identity center) on top, to ${groups.length - 1}; a column is a person, as in the paper's Fig. 2.`;
  writeFileSync(join(folder, 'sample.json'), JSON.stringify({ caption }));
}

/** By label, the row in the middle of the person's rows in a group, by similarity. */
function middleOf(
  rows: Int32Array,
  similarity: Float32Array,
  { labels, identities }: Pick<FaceDataset, 'labels' | 'identities'>,
): Map<number, number> {
  const byLabel = new RowsByLabel(
    rows.map((row) => labels[row]!),
    identities,
  );
  const middle = new Map<number, number>();
  for (let label = 0; label < identities; label++) {
    const own = byLabel.of(label).map((i) => rows[i]!);
    if (own.length === 0) continue;
    own.sort((a, b) => similarity[b]! - similarity[a]!);
    middle.set(label, own[own.length >> 1]!);
  }
  return middle;
}
