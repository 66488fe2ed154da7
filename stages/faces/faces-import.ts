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
import { type LedgerLine, ledgerLines, lossesOf, summarise, writeLedger } from './import/ledger.js';
import { lookAtAll } from './import/look.js';
import { isUsable, LookedStore, type Sight } from './import/looked.js';
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
  const { identity } = found.photos[0]!;
  if (found.photos.every((photo) => photo.identity === identity)) throw onePersonOnly(identity);

  const store = await look(context, settings, found, input.path);
  const usable = found.photos.map((_, i) => isUsable(store.looked[i]!));
  if (!usable.includes(true)) {
    for (const { file, reason } of summarise(
      '',
      ledgerLines(found, store.looked, nothingUsed, new Map()),
    ).entries.slice(0, 20))
      context.log(`${file}: ${reason}`);
    throw new StageError(
      `photos: none of the ${found.photos.length} files in ${shownAs} is a picture that can be used (${countSights(store)})`,
      'Give a folder of photographs: JPEG, PNG, WebP, TIFF, AVIF, GIF, PGM or PPM. The log names the first files with the reason.',
    );
  }

  const people = peopleOf(found, usable);
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
  const inPairs = new Set(photosOf(pairs));
  const used = {
    images: new Set(selection.images.flatMap(({ photos }) => photos)),
    verification: inPairs,
    inquiry: new Set(selection.inquiry.flatMap(({ photos }) => photos)),
  };
  const lines = ledgerLines(found, store.looked, used, selection.left);
  const source = settings.source || shownAs;
  const summary = summarise(source, lines);
  const provenance = provenanceOf(settings, source, found, lossesOf(lines), context.seed);

  writePeople(context.output('images'), size, selection.images, store, provenance);
  if (settings.split.inquiry > 0)
    writePeople(context.output('inquiry'), size, selection.inquiry, store, provenance);
  const identityOf = (photo: number) => found.photos[photo]!.identity;
  const name = settings.protocol || protocolName(source);
  const verification = new VerificationWriter(
    context.output('verification'),
    { width: size, height: size },
    provenance({
      identities: new Set([...inPairs].map(identityOf)).size,
      images: inPairs.size,
    }),
  );
  if (pairs.length > 0) writeProtocol(verification, name, pairs, identityOf, (photos) => store.read(photos));
  verification.finish();
  writeLedger(context.output('ledger'), summary, lines, {
    alignment: alignmentOf(settings),
    pairs: pairs.length,
  });
  tellOfFaces(context, lines);
  context.metric('images', used.images.size);
  context.metric('identities', selection.images.length);
  context.metric('pairs', pairs.length);
}

const nothingUsed = {
  images: new Set<number>(),
  verification: new Set<number>(),
  inquiry: new Set<number>(),
};

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
function tellOfFaces(context: StageContext<FacesImportSettings>, lines: readonly LedgerLine[]): void {
  const count = (is: (line: LedgerLine) => boolean) => lines.filter(is).length;
  const seen = (sight: Sight) => count(({ looked }) => looked?.sight === sight);
  context.metric('no_face', seen('no_face') + seen('centre_crop'));
  context.metric(
    'several_faces',
    count(({ looked }) => (looked?.faces ?? 0) > 1),
  );
  context.metric('unreadable', seen('no_picture') + seen('unsupported') + seen('damaged'));
  const blind = count(({ uses, looked }) => uses.length > 0 && looked!.sight === 'centre_crop');
  if (blind > 0)
    context.warn(
      `${blind} of the pictures used show no face that was found: their middle is taken (noFace; the ledger names them)`,
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
    const store = new LookedStore(context.checkpoint, stride, 'no device');
    await lookAtAll(folder, found.photos, settings, undefined, store, context.signal, (done) =>
      context.progress(done, total),
    );
    return store;
  }
  const { openDevice } = await import('../tensors/device.js');
  const { openFaceNetworks } = await import('./import/networks.js');
  const device = await openDevice(context.device, { threads: context.threads });
  const store = new LookedStore(context.checkpoint, stride, device.name);
  if (store.looked.length > 0)
    context.log(`${store.looked.length} of ${total} pictures were done by an earlier attempt`);
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

const countSights = ({ looked }: LookedStore): string => {
  const counts = new Map<string, number>();
  for (const { sight } of looked) counts.set(sight, (counts.get(sight) ?? 0) + 1);
  return [...counts].map(([sight, count]) => `${count} ${sight.replaceAll('_', ' ')}`).join(', ');
};

function peopleOf({ photos, identities }: PhotoFolder, usable: readonly boolean[]): Person[] {
  const own = new Map<string, number[]>(identities.map((name) => [name, []]));
  photos.forEach(({ identity }, i) => {
    if (usable[i]) own.get(identity)!.push(i);
  });
  return [...own].map(([name, indexes]) => ({ name, photos: indexes }));
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

function writePeople(
  folder: string,
  size: number,
  people: readonly Person[],
  store: LookedStore,
  provenance: (delivered: SetProvenance['delivered']) => SetProvenance,
): void {
  const writer = ImageSetWriter.open(folder, { width: size, height: size });
  people.forEach(({ photos }, label) => writer.add(store.read(photos), label));
  writer.finish({
    names: people.map(({ name }) => name),
    provenance: provenance({ identities: people.length, images: writer.count }),
  });
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
