/**
 * Makes verification pairs of imported faces. Apart from the import, so that other pairs do not cost another search for faces: the
 * ledger of the import says which face came from which file.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { VerificationPairsSettings } from '../../schemas/generated/stages/verification-pairs.js';
import { type InputArtifact, type JsonObject, type StageContext, StageError } from '../contract.js';
import { rowsWhere } from '../data/dataset.js';
import { ImageSet } from '../data/image-set.js';
import { writeNpy } from '../data/npy.js';
import { VerificationWriter } from '../data/verification-set.js';
import { type LedgerFile, readLedgerFiles } from './import/ledger.js';
import { drawPairs, drawSharedPairs, mostFolds } from './pairs/draw.js';
import { readPairs } from './pairs/file.js';
import { type ListedPair, photosOf, protocolName, writeProtocol } from './pairs/pair.js';

type Settings = Required<VerificationPairsSettings>;
type Context = StageContext<VerificationPairsSettings>;

export async function run(context: Context): Promise<void> {
  const settings = context.settings as Settings;
  const dataset = ImageSet.open(context.input('dataset').path);
  const { provenance, width, height } = dataset.info;
  const given = context.has('pairs') ? await givenPairs(context, settings, dataset) : undefined;
  const pairs = given?.pairs ?? drawnPairs(context, settings, dataset);
  const identityOf = (row: number) => String(dataset.labels[row]!);
  const rows = photosOf(pairs);
  const people = new Set(rows.map((row) => dataset.labels[row]!));
  const folds = new Set(pairs.map(({ fold }) => fold)).size;

  const made: JsonObject = given
    ? { pairs: 'given', given: given.lines, used: pairs.length }
    : { pairs: 'drawn', folds: settings.folds, pairsPerFold: settings.pairsPerFold, pairsSeed: context.seed };
  const verification = new VerificationWriter(
    context.output('verification'),
    { width, height },
    {
      ...provenance,
      delivered: { identities: people.size, images: rows.length },
      settings: { ...provenance.settings, ...made },
    },
  );
  const name = settings.protocol || protocolName(provenance.realData.join('-') || 'pairs');
  writeProtocol(verification, name, pairs, identityOf, (some) => dataset.read(some));
  verification.finish();
  const others = rowsWhere(dataset.count, (row) => !people.has(dataset.labels[row]!));
  writeOthers(context.output('others'), context.input('dataset').digest, others);
  context.log(
    `${pairs.length} pairs in ${folds} folds, of ${rows.length} faces of ${people.size} people; ${others.length} faces are of others`,
  );
  context.metric('pairs', pairs.length);
  context.metric('folds', folds);
  if (given) context.metric('pairs_left_out', given.lines - pairs.length);
}

/** Pairs of rows of the data set. */
async function givenPairs(
  context: Context,
  { folds, missing }: Settings,
  dataset: ImageSet,
): Promise<{ pairs: ListedPair[]; lines: number }> {
  const shownAs = basename(
    context
      .input('pairs')
      .from.replace(/^path:/, '')
      .replace(/[/\\]+$/, ''),
  );
  const text = await readPairsInput(context.input('pairs'), shownAs);
  const files = ledgerOf(context, dataset);
  const read = readPairs(text, files, folds, shownAs);
  const lines = read.pairs.length + read.absent.length;
  const { absent } = read;
  absent.slice(0, 20).forEach(({ line, why }) => context.log(`${shownAs}:${line}: ${why}`));
  if (absent.length > 0 && (missing === 'fail' || read.pairs.length === 0))
    throw new StageError(
      `pairs: ${absent.length} of ${lines} pairs in ${shownAs} name photographs that do not exist; the first: ${shownAs}:${absent[0]!.line}: ${absent[0]!.why}`,
      read.pairs.length === 0
        ? 'Give the folder of photographs that the file was made for.'
        : 'Give the folder of photographs that the file was made for, or set missing: drop to use the pairs that are there.',
    );
  if (absent.length > 0)
    context.warn(`${absent.length} of ${lines} given pairs are left out: their photographs do not exist`);

  const lost = new Map<string, number>();
  const pairs = read.pairs.flatMap(({ first, second, ...rest }) => {
    const [a, b] = [files[first]!, files[second]!];
    const gone = [a, b].find(({ row }) => row === undefined);
    if (gone) lost.set(`${gone.file} (${gone.reason})`, (lost.get(`${gone.file} (${gone.reason})`) ?? 0) + 1);
    return gone ? [] : [{ first: a.row!, second: b.row!, ...rest }];
  });
  if (lost.size > 0) {
    const names = [...lost.keys()];
    context.warn(
      `${read.pairs.length - pairs.length} of ${lines} given pairs are left out: a picture of them was not imported: ` +
        names.slice(0, 3).join(', ') +
        (names.length > 3 ? `, and ${names.length - 3} more (see the ledger)` : ''),
    );
  }
  if (read.contradicted > 0)
    context.warn(
      `${read.contradicted} of ${lines} given pairs say one person of two folders, or two of one folder: the file is followed`,
    );
  refuseTooFew(pairs, shownAs);
  return { pairs, lines };
}

function refuseTooFew(pairs: readonly ListedPair[], shownAs: string): void {
  const same = pairs.filter((pair) => pair.same).length;
  if (same >= 2 && pairs.length - same >= 2 && new Set(pairs.map(({ fold }) => fold)).size >= 2) return;
  throw new StageError(
    `pairs: ${shownAs} leaves ${same} pair${same === 1 ? '' : 's'} of one person and ${pairs.length - same} of two, which do not fill two folds`,
    'Accuracy is measured fold by fold: give at least two pairs of each kind (LFW has ten folds of 300 and 300), or leave out pairs to have them drawn.',
  );
}

/** The input is a file, or a folder (as the engine gives single files) that holds one. */
async function readPairsInput({ path }: InputArtifact, shownAs: string): Promise<string> {
  if (!existsSync(path)) throw new StageError(`pairs: ${shownAs} does not exist`, 'Give the file of pairs.');
  let file = path;
  if (statSync(file).isDirectory()) {
    const names = (await readdir(file)).filter((name) => !name.startsWith('.'));
    if (names.length !== 1)
      throw new StageError(
        `pairs: ${shownAs} is a folder of ${names.length} files`,
        'Give the file of pairs itself.',
      );
    file = join(file, names[0]!);
  }
  const bytes = readFileSync(file);
  if (bytes.includes(0))
    throw new StageError(
      `pairs: ${shownAs} is no text file`,
      "Give a text file of pairs, as LFW's pairs.txt.",
    );
  return bytes.toString('utf8');
}

function ledgerOf(context: Context, dataset: ImageSet): LedgerFile[] {
  const remedy =
    'Give as input ledger that output of the faces-import which made the dataset (faces.ledger, say).';
  if (!context.has('ledger'))
    throw new StageError(
      'given pairs name files, and without the ledger nobody knows which face is of which file',
      remedy,
    );
  const { path, from } = context.input('ledger');
  const files = readLedgerFiles(path);
  if (!files) throw new StageError(`input ledger (${from}) is no ledger of an import`, remedy);
  const imported = files.filter(({ row }) => row !== undefined);
  const fits = imported.every(
    ({ row, identity }) => dataset.info.names?.[dataset.labels[row!] ?? -1] === identity,
  );
  if (!fits || imported.length !== dataset.count)
    throw new StageError(
      `input ledger (${from}) is of another import than the dataset (${context.input('dataset').from})`,
      remedy,
    );
  return files;
}

function drawnPairs(context: Context, { folds, pairsPerFold }: Settings, dataset: ImageSet): ListedPair[] {
  const people = Array.from({ length: dataset.identities }, (): number[] => []);
  dataset.labels.forEach((label, row) => people[label]!.push(row));
  if (mostFolds(people) < 2) {
    const shared = drawSharedPairs(people, pairsPerFold, context.seed);
    if (shared.length > 0) {
      context.warn(
        `${people.length} people are too few for folds of their own: they are in both of two, so accuracy is that of a threshold chosen on the same people`,
      );
      return shared;
    }
  }
  const pairs = drawPairs(
    people,
    folds,
    pairsPerFold,
    context.seed,
    'Give photographs of four people or more, of at least two of them two photographs; without, nothing can be verified: run up to another stage (--until).',
  );
  const made = pairs.at(-1)!.fold + 1;
  if (made < folds)
    context.log(`${made} folds instead of ${folds}: ${people.length} people do not fill more`);
  return pairs;
}

function writeOthers(folder: string, source: string, rows: Int32Array): void {
  writeNpy(join(folder, 'group-0.npy'), rows, [rows.length]);
  const groups = { format: 'cemiflow-groups/1', source, groups: [{ index: 0, count: rows.length }] };
  writeFileSync(join(folder, 'groups.json'), JSON.stringify(groups, null, 1));
  writeFileSync(join(folder, 'references.json'), JSON.stringify([source]));
}
