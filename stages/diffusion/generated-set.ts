/** What `generate` leaves: the face set, what was asked of each image and measured on it, and pictures for the report. */
import { join } from 'node:path';
import type { RowCheckpoint } from '../checkpoint/rows.js';
import { type ImageSet, ImageSetWriter } from '../data/image-set.js';
import { NpyWriter, writeNpy } from '../data/npy.js';
import type { SetProvenance } from '../data/provenance.js';
import { writeSheet } from './sample-sheet.js';
import type { SampleSettings } from './settings.js';

/** In the report's pictures. */
const shownIdentities = 8;
const pieceBytes = 2 ** 20;

export interface GeneratedSet {
  settings: SampleSettings;
  inquiry: ImageSet;
  /** Rows of the inquiry images that are identities. */
  rows: number[];
  images: RowCheckpoint<'pixels' | 'similarity'>;
  /** Of each generated image. */
  similarity: Float32Array;
  m: number[];
  provenance: SetProvenance;
}

/**
 * The set, and beside it: inquiry.npy uint8 [identities, H, W, 3]; inquiry-rows.npy, their rows in the inquiry set; and for
 * each image of the set generated.npy (1, or 0 for a copy of the inquiry image), m.npy and similarity.npy (NaN for copies).
 * Pictures for the report: sample.png (rows: identities), strip.png and inquiry.png (one image of each).
 */
export async function writeGeneratedSet(folder: string, parts: GeneratedSet): Promise<void> {
  const { settings, inquiry, rows, images, similarity, m, provenance } = parts;
  const { perIdentity, oversample } = settings;
  const stride = inquiry.width * inquiry.height * 3;
  const writer = ImageSetWriter.open(folder, inquiry);
  const inquiries = new NpyWriter(join(folder, 'inquiry.npy'), 'uint8', [inquiry.height, inquiry.width, 3]);
  const each = oversample + perIdentity;
  const generated = new Uint8Array(rows.length * each);
  const wanted = new Float32Array(generated.length).fill(NaN);
  const measured = new Float32Array(generated.length).fill(NaN);
  const image = new Uint8Array(stride);
  const most = Math.min(perIdentity, Math.max(1, Math.floor(pieceBytes / stride)));
  const piece = new Uint8Array(most * stride);
  const sheet: Uint8Array[] = [];
  const columns = Math.min(perIdentity, 10);
  for (const [identity, row] of rows.entries()) {
    inquiries.append(inquiry.read([row], image));
    for (let i = 0; i < oversample; i++) writer.add(image, identity);
    const from = identity * perIdentity;
    for (let k = 0; k < perIdentity; k += most) {
      const count = Math.min(most, perIdentity - k);
      writer.add(images.read('pixels', from + k, count, piece.subarray(0, count * stride)), identity);
    }
    for (let k = 0; k < perIdentity; k++) {
      const at = identity * each + oversample + k;
      generated[at] = 1;
      wanted[at] = m[k % m.length]!;
      measured[at] = similarity[from + k]!;
    }
    if (identity < shownIdentities)
      sheet.push(image.slice(), ...imagesOf(images.read('pixels', from, columns), stride));
  }
  writer.finish({ provenance });
  inquiries.close();
  writeNpy(join(folder, 'inquiry-rows.npy'), Int32Array.from(rows), [rows.length]);
  writeNpy(join(folder, 'generated.npy'), generated, [generated.length]);
  writeNpy(join(folder, 'm.npy'), wanted, [wanted.length]);
  writeNpy(join(folder, 'similarity.npy'), measured, [measured.length]);
  await writeSheet(join(folder, 'sample.png'), sheet, inquiry, columns + 1);
  // One column of a grid over m: sets of different m, from the same inquiry images and noise, stand side by side.
  const shown = Array.from({ length: Math.min(shownIdentities, rows.length) }, (_, identity) => identity);
  const first = shown.map((identity) => images.read('pixels', identity * perIdentity, 1));
  await writeSheet(join(folder, 'strip.png'), first, inquiry, 1);
  await writeSheet(
    join(folder, 'inquiry.png'),
    shown.map((identity) => inquiry.read([rows[identity]!])),
    inquiry,
    1,
  );
}

/** Of images that lie one after the other, each. */
const imagesOf = (pixels: Uint8Array, stride: number): Uint8Array[] =>
  Array.from({ length: pixels.length / stride }, (_, i) => pixels.subarray(i * stride, (i + 1) * stride));
