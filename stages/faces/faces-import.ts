/**
 * Makes a data set, and verification pairs, of photographs in a folder per person: decode, find the face, align, select,
 * split, pair; and a ledger of what became of every file.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { FacesImportSettings } from '../../schemas/generated/stages/faces-import.js';
import { type InputArtifact, type JsonObject, type StageContext, StageError } from '../contract.js';
import { ImageSetWriter } from '../data/image-set.js';
import type { SetProvenance } from '../data/provenance.js';
import { writeVerification } from '../data/verification-set.js';
import { findPhotos, type FoundPhoto, type PhotoFolder } from './import/folder.js';
import { ledgerLines, summarise, writeLedger } from './import/ledger.js';
import { lookAtAll } from './import/look.js';
import { isUsable, LookedStore } from './import/looked.js';
import { drawPairs } from './import/pairs.js';
import { type ListedPair, readPairs } from './import/pairs-file.js';
import { type Person, select } from './import/selection.js';

type Settings = Required<Omit<FacesImportSettings, 'split'>> & {
  split: { verification: number; inquiry: number };
};

export async function run(context: StageContext<FacesImportSettings>): Promise<void> {
  const settings = context.settings as Settings;
  const { size, shareIdentities } = settings;
  const input = context.input('photos');
  const shownAs = nameOf(input);
  const found = await findPhotos(input.path, shownAs);
  // Before the long work: a wrong line is told at once.
  const listed = context.has('pairs')
    ? await readPairsInput(context.input('pairs'), found, settings.folds)
    : undefined;

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
  const given = listed?.filter(({ first, second }) => usable[first] && usable[second]);
  const selection = select(people, {
    minImages: settings.minImages,
    maxImages: settings.maxImages,
    split: settings.split,
    shareIdentities,
    ...(given ? { paired: new Set(given.flatMap(({ first, second }) => [first, second])) } : {}),
    seed: context.seed,
  });
  if (listed && given!.length < listed.length)
    context.warn(
      `${listed.length - given!.length} of the ${listed.length} given pairs are left out: a picture of them cannot be used (see the ledger)`,
    );
  if (listed && given!.length === 0)
    throw new StageError('pairs: none of the given pairs has two pictures that can be used');
  const shared = selection.verification.filter(({ name }) =>
    selection.images.some((person) => person.name === name),
  );
  if (shared.length > 0)
    context.log(
      `${shared.length} people are in images and in verification (shareIdentities): do not train on images a model that verification judges`,
    );

  const pairs = given ?? pairsOf(context, settings, selection.verification);
  const inPairs = new Set(pairs.flatMap(({ first, second }) => [first, second]));
  const used = {
    images: new Set(selection.images.flatMap(({ photos }) => photos)),
    verification: inPairs,
    inquiry: new Set(selection.inquiry.flatMap(({ photos }) => photos)),
  };
  const lines = ledgerLines(found, store.looked, used, selection.left);
  const source = settings.source || shownAs;
  const summary = summarise(source, lines);
  const provenance = provenanceOf(settings, source, found, summary.counts, context.seed);

  writePeople(context.output('images'), size, selection.images, store, provenance);
  if (settings.split.inquiry > 0)
    writePeople(context.output('inquiry'), size, selection.inquiry, store, provenance);
  const protocol = verificationOf(found.photos, pairs, store, settings.protocol || safeName(source));
  writeVerification(
    context.output('verification'),
    { width: size, height: size },
    protocol ? [protocol] : [],
    provenance({
      identities: new Set([...inPairs].map((i) => found.photos[i]!.identity)).size,
      images: inPairs.size,
    }),
  );
  const { counts } = summary;
  writeLedger(context.output('ledger'), summary, lines, {
    alignment: alignmentOf(settings),
    pairs: { given: listed?.length ?? null, used: pairs.length },
  });
  context.metric('images', used.images.size);
  context.metric('identities', selection.images.length);
  context.metric(
    'no_face',
    (counts['no_face'] ?? 0) + store.looked.filter(({ sight }) => sight === 'centre_crop').length,
  );
  context.metric('several_faces', counts['several faces'] ?? 0);
  context.metric('unreadable', (counts['no_picture'] ?? 0) + (counts['damaged'] ?? 0));
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

/** The input is a file, or a folder (as the engine gives single files) that holds one. */
async function readPairsInput(
  input: InputArtifact,
  { photos }: PhotoFolder,
  folds: number,
): Promise<ListedPair[]> {
  const shownAs = nameOf(input);
  if (!existsSync(input.path)) throw new StageError(`pairs: ${shownAs} does not exist`);
  let file = input.path;
  if (statSync(file).isDirectory()) {
    const names = (await readdir(file)).filter((name) => !name.startsWith('.'));
    if (names.length !== 1)
      throw new StageError(`pairs: ${shownAs} is a folder of ${names.length} files`, 'Give the file.');
    file = join(file, names[0]!);
  }
  return readPairs(readFileSync(file, 'utf8'), photos, folds, shownAs);
}

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
  );
  const made = pairs.at(-1)!.fold + 1;
  if (made < folds)
    context.log(`verification: ${made} folds instead of ${folds}: ${people.length} people do not fill more`);
  return pairs;
}

/** Images in the order of the photographs, each once. */
function verificationOf(
  photos: readonly FoundPhoto[],
  pairs: readonly ListedPair[],
  store: LookedStore,
  name: string,
) {
  if (pairs.length === 0) return undefined;
  const images = [...new Set(pairs.flatMap(({ first, second }) => [first, second]))].sort((a, b) => a - b);
  const rows = new Map(images.map((photo, row) => [photo, row]));
  const folds = renumber(pairs.map(({ fold }) => fold));
  const foldOf = new Map<string, number>();
  const identitiesDisjoint = pairs.every(({ first, second }, i) =>
    [first, second].every((photo) => {
      const { identity } = photos[photo]!;
      const seen = foldOf.get(identity) ?? folds[i]!;
      foldOf.set(identity, seen);
      return seen === folds[i];
    }),
  );
  return {
    name,
    images: store.read(images),
    pairs: Int32Array.from(pairs.flatMap(({ first, second }) => [rows.get(first)!, rows.get(second)!])),
    same: Uint8Array.from(pairs, ({ same }) => Number(same)),
    folds,
    identitiesDisjoint,
  };
}

/** 0, 1, 2, .. in order: a fold may have lost all its pairs. */
function renumber(folds: readonly number[]): Int32Array {
  const left = [...new Set(folds)].sort((a, b) => a - b);
  return Int32Array.from(folds, (fold) => left.indexOf(fold));
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
  counts: Record<string, number>,
  seed: number,
): (delivered: SetProvenance['delivered']) => SetProvenance {
  const { files: _, used: __, ...rest } = counts;
  const losses = Object.fromEntries(Object.entries(rest).filter(([what]) => !what.includes(' ')));
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

/** Metric names admit letters, digits and a few signs. */
const safeName = (name: string): string => name.replace(/[^A-Za-z0-9_. -]+/g, '-') || 'photos';
