/** Reads photographs and makes their crops, batch by batch: the next batch is decoded while the networks look at this one. */
import { join } from 'node:path';
import { StageError } from '../../contract.js';
import { alignFace, cropCentre, findFaces, fitWhole } from './align.js';
import type { Looked, LookedStore } from './looked.js';
import { type FaceNetworks, networkBatch } from './networks.js';
import type { PhotoList } from './photo-list.js';
import { type Photograph, readPhotograph, UnreadablePicture } from './picture.js';

export interface LookSettings {
  size: number;
  align: 'detect' | 'crop' | 'none';
  confidence: number;
  margin: number;
  cropFraction: number;
  noFace: 'crop' | 'drop' | 'fail';
  unreadable: 'drop' | 'fail';
  background: string;
  minSize: number;
}

type Read = { photograph: Photograph } | { looked: Looked };

/**
 * Looks at every photograph that the store has not seen.
 *
 * @param progress told the photographs done, first those of earlier attempts
 * @param networks wanted with align: detect
 * @throws StageError where the settings ask to fail on what was found; signal.reason when cancelled, at the end of a batch
 */
export async function lookAtAll(
  folder: string,
  photos: PhotoList,
  settings: LookSettings,
  networks: FaceNetworks | undefined,
  store: LookedStore,
  signal: AbortSignal,
  progress: (done: number) => void,
): Promise<void> {
  const readBatch = async (from: number): Promise<Read[]> => {
    const count = Math.max(0, Math.min(networkBatch, photos.length - from));
    const files = Array.from({ length: count }, (_, i) => photos.file(from + i));
    const reads = await Promise.all(files.map((file) => readOne(folder, file, settings)));
    // libvips has one error text for all that a process decodes: only what is read alone is sure to be given its own reason.
    for (const [i, read] of reads.entries())
      if ('looked' in read && unreadable.includes(read.looked.sight))
        reads[i] = await readOne(folder, files[i]!, settings);
    return reads;
  };
  progress(store.count);
  let next = readBatch(store.count);
  while (store.count < photos.length) {
    if (signal.aborted) {
      store.save();
      throw signal.reason;
    }
    const from = store.count;
    const batch = await next;
    next = readBatch(from + batch.length);
    // A failure of the batch after this one is met when that one is awaited.
    next.catch(() => undefined);
    const made = await lookAtBatch(batch, settings, networks);
    made.forEach(({ looked }, i) => refuse(looked, photos.file(from + i), settings));
    store.add(made);
    progress(store.count);
  }
}

async function readOne(folder: string, file: string, settings: LookSettings): Promise<Read> {
  try {
    const photograph = await readPhotograph(join(folder, file), settings.background);
    const { width, height } = photograph;
    if (Math.min(width, height) < settings.minSize) return { looked: { sight: 'too_small', width, height } };
    return { photograph };
  } catch (error) {
    if (error instanceof UnreadablePicture)
      return { looked: { sight: error.reason, message: error.message } };
    // A file that may not be opened is the user's to mend, not a bug.
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    // The system's own message holds this machine's path; artifacts must not.
    return { looked: { sight: 'damaged', message: troubles[code] ?? `it cannot be opened (${code})` } };
  }
}

const troubles: Record<string, string> = {
  ENOENT: 'a link to a file that is not there, or deleted on the way',
  EACCES: 'no permission to read it',
  ERR_FS_FILE_TOO_LARGE: 'larger than 2 GiB',
};

async function lookAtBatch(
  batch: readonly Read[],
  settings: LookSettings,
  networks: FaceNetworks | undefined,
): Promise<{ looked: Looked; crop?: Uint8Array }[]> {
  const { size, align, confidence, margin, cropFraction, noFace } = settings;
  const pictures = batch.flatMap((read) => ('photograph' in read ? [read.photograph.picture] : []));
  const faces = networks && pictures.length > 0 ? await findFaces(networks, pictures, confidence) : [];
  let at = 0;
  return batch.map((read) => {
    if ('looked' in read) return read;
    const { picture, width, height } = read.photograph;
    const face = faces[at++];
    if (align !== 'detect') {
      const crop = align === 'crop' ? cropCentre(picture, cropFraction, size) : fitWhole(picture, size);
      return { looked: { sight: 'as_it_is', width, height }, crop };
    }
    if (!face) {
      if (noFace !== 'crop') return { looked: { sight: 'no_face', width, height } };
      return {
        looked: { sight: 'centre_crop', width, height },
        crop: cropCentre(picture, cropFraction, size),
      };
    }
    const { left, top, right, bottom, score } = face.box;
    // In the file's own pixels, also where the picture was shrunk.
    const scale = width / picture.width;
    const looked: Looked = {
      sight: 'face',
      width,
      height,
      faces: face.faces,
      score: Math.round(score * 1000) / 1000,
      box: [left, top, right, bottom].map((edge) => Math.round(edge * scale * 10) / 10),
      border: face.border,
    };
    return { looked, crop: alignFace(picture, face.points, size, margin) };
  });
}

const unreadable: readonly Looked['sight'][] = ['no_picture', 'unsupported', 'damaged'];

function refuse({ sight, message }: Looked, file: string, settings: LookSettings): void {
  if (sight === 'no_face' && settings.noFace === 'fail')
    throw new StageError(
      `photos: no face was found in ${file}`,
      'Take it out, or set noFace to crop or drop.',
    );
  if (unreadable.includes(sight) && settings.unreadable === 'fail')
    throw new StageError(
      `photos: ${file} cannot be read: ${message}`,
      'Take it out or mend it, or set unreadable: drop.',
    );
}
