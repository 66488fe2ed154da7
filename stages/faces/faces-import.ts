/**
 * Makes a data set, and verification pairs, of photographs in a folder per person: decode, find the face, align, select,
 * split, draw pairs; and a ledger of what became of every file.
 */
import { basename } from 'node:path';
import type { FacesImportSettings } from '../../schemas/generated/stages/faces-import.js';
import { type InputArtifact, type JsonObject, type StageContext, StageError } from '../contract.js';
import { ImageSetWriter } from '../data/image-set.js';
import type { SetProvenance } from '../data/provenance.js';
import { VerificationWriter } from '../data/verification-set.js';
import { findPhotos, type PhotoFolder } from './import/folder.js';
import { LedgerCounts, ledgerLines, reasonOf, type Use, writeLedger } from './import/ledger.js';
import { lookAtAll } from './import/look.js';
import { LookedStore, type Sight } from './import/looked.js';
import { onePersonOnly, type Person, select } from './import/selection.js';
import { drawPairs } from './pairs/draw.js';
import { type ListedPair, photosOf, protocolName, writeProtocol } from './pairs/pair.js';

type Settings = Required<Omit<FacesImportSettings, 'split'>> & {
  split: { verification: number; inquiry: number };
};

export async function run(context: StageContext<FacesImportSettings>): Promise<void> {
  const settings = context.settings as Settings;
  const { size, shareIdentities } = settings;
  const input = context.input('photos');
  const shownAs = nameOf(input);
  const found = await findPhotos(input.path, shownAs, settings.person);
  tellOfFolders(context, found);
  // Before the long work.
  const { photos } = found;
  if (photos.identities.length === 1) throw onePersonOnly(photos.identity(0));

  const store = await look(context, settings, found, input.path);
  if (store.usable === 0) {
    sayWhy(context, found, store);
    throw new StageError(
      `photos: none of the ${photos.length} files in ${shownAs} is a picture that can be used (${countSights(store)})`,
      'Give a folder of photographs: JPEG, PNG, WebP, TIFF, AVIF, GIF, PGM or PPM. The log names the first files with the reason.',
    );
  }

  const people = peopleOf(found, store);
  const selection = select(people, {
    minImages: settings.minImages,
    maxImages: settings.maxImages,
    split: settings.split,
    shareIdentities,
    seed: context.seed,
  });
  const shared = selection.verification.filter(({ name }) =>
    selection.images.some((person) => person.name === name),
  );
  if (shared.length > 0)
    context.log(
      `${shared.length} people are in images and in verification (shareIdentities): do not train on images a model that verification judges`,
    );

  const pairs = pairsOf(context, settings, selection.verification);
  const inPairs = photosOf(pairs);
  const uses = new Uses(photos.length);
  selection.images.forEach((person) => uses.put(person.photos, 'images'));
  uses.put(inPairs, 'verification');
  selection.inquiry.forEach((person) => uses.put(person.photos, 'inquiry'));
  const lines = () =>
    ledgerLines(found, store.each(), { isUsed: (photo, use) => uses.has(photo, use), left: selection.left });
  const source = settings.source || shownAs;
  const counts = new LedgerCounts(lines());
  const provenance = provenanceOf(settings, source, found, counts.losses, context.seed);

  const written = writePeople(context.output('images'), size, selection.images, store, provenance);
  if (settings.split.inquiry > 0)
    writePeople(context.output('inquiry'), size, selection.inquiry, store, provenance);
  const identityOf = (photo: number) => photos.identity(photo);
  const name = settings.protocol || protocolName(source);
  const verification = new VerificationWriter(
    context.output('verification'),
    { width: size, height: size },
    provenance({
      identities: new Set(inPairs.map(identityOf)).size,
      images: inPairs.length,
    }),
  );
  if (pairs.length > 0) writeProtocol(verification, name, pairs, identityOf, (some) => store.read(some));
  verification.finish();
  const summary = { source, counts: counts.inWords };
  writeLedger(context.output('ledger'), summary, lines(), {
    alignment: alignmentOf(settings),
    pairs: pairs.length,
  });
  tellOfFaces(context, counts);
  context.metric('images', written);
  context.metric('identities', selection.images.length);
  context.metric('pairs', pairs.length);
}

/** A byte a photograph. */
class Uses {
  static readonly #bits: Record<Use, number> = { images: 1, verification: 2, inquiry: 4 };
  readonly #of: Uint8Array;

  constructor(photos: number) {
    this.#of = new Uint8Array(photos);
  }

  put(photos: Iterable<number>, use: Use): void {
    for (const photo of photos) this.#of[photo] = this.#of[photo]! | Uses.#bits[use];
  }

  has(photo: number, use: Use): boolean {
    return (this.#of[photo]! & Uses.#bits[use]) !== 0;
  }
}

/** The first files, where none can be used. */
function sayWhy(context: StageContext<FacesImportSettings>, found: PhotoFolder, store: LookedStore): void {
  let said = 0;
  for (const line of ledgerLines(found, store.each(), { isUsed: () => false, left: () => undefined })) {
    context.log(`${line.file}: ${reasonOf(line)}`);
    if (++said === 20) break;
  }
}

/** The outside folder's own name, or the stage's: what messages and the record call the collection. */
const nameOf = ({ from }: InputArtifact): string =>
  basename(from.replace(/^path:/, '').replace(/[/\\]+$/, '')) || 'photos';

function tellOfFolders(
  context: StageContext<FacesImportSettings>,
  { remarks, empty, passedOver }: PhotoFolder,
): void {
  remarks.forEach((remark) => context.warn(remark));
  if (empty.length > 0)
    context.warn(
      `people's folders without any file, ${empty.length}: ${empty.slice(0, 5).join(', ')}${empty.length > 5 ? ', ..' : ''}`,
    );
  if (passedOver > 0) context.log(`${passedOver} hidden files and folders are passed over`);
}

/** Metrics of what was found on the pictures; loudly where something is used that may be no face. */
function tellOfFaces(context: StageContext<FacesImportSettings>, counts: LedgerCounts): void {
  context.metric('no_face', counts.of('no_face', 'centre_crop'));
  context.metric('several_faces', counts.severalFaces);
  context.metric('unreadable', counts.of('no_picture', 'unsupported', 'damaged'));
  if (counts.middlesUsed > 0)
    context.warn(
      `${counts.middlesUsed} of the pictures used show no face that was found: their middle is taken (noFace; the ledger names them)`,
    );
}

async function look(
  context: StageContext<FacesImportSettings>,
  settings: Settings,
  found: PhotoFolder,
  folder: string,
): Promise<LookedStore> {
  const total = found.photos.length;
  const { default: sharp } = await import('sharp');
  sharp.concurrency(context.threads);
  const stride = settings.size ** 2 * 3;
  if (settings.align !== 'detect') {
    const store = new LookedStore(context.checkpoint, total, stride, 'no device');
    await lookAtAll(folder, found.photos, settings, undefined, store, context.signal, (done) =>
      context.progress(done, total),
    );
    return store;
  }
  const { openDevice } = await import('../tensors/device.js');
  const { openFaceNetworks } = await import('./import/networks.js');
  const device = await openDevice(context.device, { threads: context.threads });
  const store = new LookedStore(context.checkpoint, total, stride, device.name);
  if (store.count > 0) context.log(`${store.count} of ${total} pictures were done by an earlier attempt`);
  const networks = await openFaceNetworks(device);
  try {
    await lookAtAll(folder, found.photos, settings, networks, store, context.signal, (done) =>
      context.progress(done, total),
    );
  } finally {
    networks.close();
  }
  return store;
}

const countSights = (store: LookedStore): string => {
  const counts = new Map<Sight, number>();
  for (let i = 0; i < store.count; i++) counts.set(store.sight(i), (counts.get(store.sight(i)) ?? 0) + 1);
  return [...counts].map(([sight, count]) => `${count} ${sight.replaceAll('_', ' ')}`).join(', ');
};

/** Both are in the order of the identities, so that a person's photographs lie together. */
function peopleOf({ photos, identities }: PhotoFolder, store: LookedStore): Person[] {
  const usable = new Int32Array(store.usable);
  let [photo, count] = [0, 0];
  return identities.map((name) => {
    const first = count;
    for (; photo < photos.length && photos.identity(photo) === name; photo++)
      if (store.isUsable(photo)) usable[count++] = photo;
    return { name, photos: usable.subarray(first, count) };
  });
}

function pairsOf(
  context: StageContext<FacesImportSettings>,
  { folds, pairsPerFold, split }: Settings,
  people: readonly Person[],
): ListedPair[] {
  if (split.verification === 0) return [];
  const pairs = drawPairs(
    people.map(({ photos }) => photos),
    folds,
    pairsPerFold,
    context.seed,
    'Give more people, raise split.verification, or set it to 0 to make no verification set.',
  );
  const made = pairs.at(-1)!.fold + 1;
  if (made < folds)
    context.log(`verification: ${made} folds instead of ${folds}: ${people.length} people do not fill more`);
  return pairs;
}

/** Pictures that are read and written at a time. */
const together = 64;

/** @returns how many images were written */
function writePeople(
  folder: string,
  size: number,
  people: readonly Person[],
  store: LookedStore,
  provenance: (delivered: SetProvenance['delivered']) => SetProvenance,
): number {
  const writer = ImageSetWriter.open(folder, { width: size, height: size });
  const pixels = new Uint8Array(together * store.stride);
  people.forEach(({ photos }, label) => {
    for (let from = 0; from < photos.length; from += together) {
      const some = photos.subarray(from, from + together);
      writer.add(store.read(some, pixels.subarray(0, some.length * store.stride)), label);
    }
  });
  writer.finish({
    names: people.map(({ name }) => name),
    provenance: provenance({ identities: people.length, images: writer.count }),
  });
  return writer.count;
}

function provenanceOf(
  settings: Settings,
  source: string,
  { photos, identities }: PhotoFolder,
  losses: Record<string, number>,
  seed: number,
): (delivered: SetProvenance['delivered']) => SetProvenance {
  return (delivered) => ({
    kind: 'faces-import',
    asked: { identities: identities.length, images: photos.length },
    delivered,
    losses,
    alignment: alignmentOf(settings),
    realData: [source],
    settings: { ...settings, source } as unknown as JsonObject,
    seed,
  });
}

function alignmentOf({ align, margin, cropFraction }: Settings): string {
  if (align === 'none') return 'as the photographs are';
  if (align === 'crop') return `central square, ${cropFraction} of the shorter edge`;
  const frame = margin > 0 ? `, margin ${margin}` : '';
  return `five detected landmarks to the ArcFace template (least-squares similarity)${frame}`;
}
