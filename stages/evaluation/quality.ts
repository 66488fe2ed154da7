/**
 * Measures a set of faces under a judge, an FR network that took no part in making it: a generator can fool the E_id it was
 * trained against with noise, so no claim about similarity rests on E_id alone.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { QualitySettings } from '../../schemas/generated/stages/quality.js';
import { type StageContext, StageError } from '../contract.js';
import { rowsWhere, subset } from '../data/dataset.js';
import { type FaceDataset, type ImageRows, ImageSet } from '../data/image-set.js';
import { readNpyAs, writeNpy } from '../data/npy.js';
import { NpyImages } from '../data/npy-images.js';
import { cosineOf, openRecogniser, type Recogniser } from '../recognition/embed.js';
import { embedAll, embedOptionsOf, type Embeddings, piecesOf } from '../recognition/embeddings.js';
import { momentsOf } from '../similarity/moments.js';
import { openDevice } from '../tensors/device.js';
import { Random } from '../tensors/random.js';
import { frechetDistance, gaussianOf } from './frechet.js';
import { meanLaplacian } from './sharpness.js';
import { meanSimilarities } from './variety.js';

export async function run(context: StageContext<QualitySettings>): Promise<void> {
  const { flip, frechetImages } = context.settings as Required<QualitySettings>;
  const made = openMade(context);
  const { set } = made;
  const reference = ImageSet.open(context.input('reference').path);
  if (set.width !== reference.width || set.height !== reference.height)
    throw new StageError(
      `the dataset is ${set.width}x${set.height}, the reference ${reference.width}x${reference.height}`,
      'Compare images of one size.',
    );
  if (reference.count < 4)
    throw new StageError(`the reference holds ${reference.count} images; four are needed at least`);
  const device = await openDevice(context.device, { threads: context.threads });
  const judge = await openRecogniser(context.input('judge').path, device, [
    set.info.provenance,
    reference.info.provenance,
  ]);
  warnOfPartiality(context, judge, set);

  const metrics: Record<string, number> = {};
  const sets = { dataset: set, reference, ...(made.inquiry ? { inquiry: made.inquiry } : {}) };
  using embedded = await embedAll<'dataset' | 'reference' | 'inquiry'>(judge, sets as Required<typeof sets>, {
    flip,
    ...embedOptionsOf(context, device),
  });
  const { dataset: embeddings, reference: others, inquiry } = embedded;
  if (made.inquiry) {
    const similarity = similaritiesTo(inquiry, embeddings, set.labels);
    const { mean, std } = momentsOf(similarity);
    metrics['similarity/mean'] = mean;
    metrics['similarity/std'] = std;
    writeNpy(join(context.output('result'), 'similarity.npy'), similarity, [set.count]);
  } else context.log('no similarity to inquiry images: the set has none, and no input inquiry is given');

  const { intra, inter } = meanSimilarities(embeddings, set.labels, set.identities);
  if (Number.isFinite(intra)) metrics['intra/mean'] = intra;
  if (Number.isFinite(inter)) metrics['inter/mean'] = inter;
  Object.assign(metrics, frechet(context, { embeddings, others, most: frechetImages }));
  metrics['sharpness'] = sharpnessOf(set) / sharpnessOf(reference);
  judge.dispose();

  for (const [name, value] of Object.entries(metrics)) context.metric(name, value);
  const result = {
    metrics,
    images: set.count,
    identities: set.identities,
    reference: reference.count,
    judge: judge.config.provenance ?? null,
  };
  writeFileSync(join(context.output('result'), 'result.json'), JSON.stringify(result, null, 1));
}

/** The cosine of each image and the inquiry image of its identity, [N]. */
function similaritiesTo(inquiry: Embeddings, embeddings: Embeddings, labels: Int32Array): Float32Array {
  const { dimension } = inquiry;
  const similarity = new Float32Array(labels.length);
  const own = new Float32Array(dimension);
  let of = -1;
  for (const { first, count, rows } of piecesOf(embeddings))
    for (let i = 0; i < count; i++) {
      const label = labels[first + i]!;
      // Images of a person mostly follow each other.
      if (label !== of) inquiry.read((of = label), own);
      similarity[first + i] = cosineOf(rows, i, own, 0, dimension);
    }
  return similarity;
}

interface Made {
  /** The images to measure. */
  set: FaceDataset;
  /** The inquiry image of each identity, where there are such. */
  inquiry?: ImageRows;
}

/** Of a set from generate (generated.npy and inquiry.npy beside it), the generated images: copies of the inquiry image would flatter it. */
function openMade(context: StageContext<QualitySettings>): Made {
  const { path } = context.input('dataset');
  const all = ImageSet.open(path);
  if (all.count === 0) throw new StageError('the dataset holds no images', 'Give it some.');
  const marks = join(path, 'generated.npy');
  if (!existsSync(marks))
    return context.has('inquiry') ? { set: all, inquiry: inquiryOf(context, all) } : { set: all };
  const generated = readNpyAs(marks, 'uint8').data;
  const rows = rowsWhere(generated.length, (row) => generated[row] === 1);
  if (rows.length === 0)
    throw new StageError('the dataset holds copies of inquiry images only', 'Generate some images.');
  const set = subset(all, rows);
  const inquiry = context.has('inquiry')
    ? inquiryOf(context, all)
    : new NpyImages(join(path, 'inquiry.npy'), all.width, all.height);
  return { set, inquiry };
}

/** The first image of each label of the input `inquiry`. */
function inquiryOf(context: StageContext<QualitySettings>, set: FaceDataset): ImageRows {
  const inquiry = ImageSet.open(context.input('inquiry').path);
  if (inquiry.identities !== set.identities)
    throw new StageError(
      `the input inquiry has ${inquiry.identities} identities, the dataset ${set.identities}`,
      'Give one inquiry image an identity, with the labels of the dataset. (A set from generate brings its own.)',
    );
  if (inquiry.width !== set.width || inquiry.height !== set.height)
    throw new StageError(
      `the inquiry images are ${inquiry.width}x${inquiry.height}, the dataset ${set.width}x${set.height}`,
      'Give inquiry images of the same size.',
    );
  const first = new Int32Array(set.identities).fill(-1);
  for (let row = inquiry.count - 1; row >= 0; row--) first[inquiry.labels[row]!] = row;
  const missing = first.indexOf(-1);
  if (missing >= 0) throw new StageError(`the input inquiry has no image of identity ${missing}`);
  return subset(inquiry, first);
}

/** A judge that made the set, or learnt from its E_id's weights, is none. */
function warnOfPartiality(context: Pick<StageContext, 'warn'>, judge: Recogniser, set: FaceDataset): void {
  const { recogniser } = set.info.provenance;
  if (recogniser && recogniser.weights === judge.config.provenance?.weights)
    context.warn('the judge is the very E_id that the set was made with: its similarities prove nothing');
}

/**
 * frechet: mean of the distances to two halves of the reference; frechet_floor: distance of the halves. All with equally many
 * images a side, because the distance of small samples is biased upwards by their number.
 */
function frechet(
  context: Pick<StageContext, 'log'>,
  given: { embeddings: Embeddings; others: Embeddings; most: number },
): { frechet: number; frechet_floor: number } | object {
  const { embeddings, others, most } = given;
  const { count: made, dimension } = embeddings;
  const real = others.count;
  const side = Math.min(made, Math.floor(real / 2), most);
  if (side < 2) {
    context.log(`no Frechet distance: there are ${made} images`);
    return {};
  }
  if (side <= dimension)
    context.log(
      `Frechet distance from ${side} images a side in ${dimension} dimensions: far above its large-sample value; compare it with frechet_floor only`,
    );
  const draw = (count: number, purpose: string) => new Random(0, 'frechet', purpose).permutation(count);
  const order = draw(real, 'reference');
  const halves = [order.subarray(0, side), order.subarray(side, 2 * side)].map((rows) =>
    gaussianOf(others, rows),
  ) as [ReturnType<typeof gaussianOf>, ReturnType<typeof gaussianOf>];
  const set = gaussianOf(embeddings, draw(made, 'dataset').subarray(0, side));
  return {
    frechet: (frechetDistance(halves[0], set) + frechetDistance(halves[1], set)) / 2,
    frechet_floor: frechetDistance(...halves),
  };
}

/** Of up to 4,096 images spread over the set. */
function sharpnessOf(set: FaceDataset): number {
  const count = Math.min(4096, set.count);
  let sum = 0;
  for (let i = 0; i < count; i++)
    sum += meanLaplacian(set.read([Math.floor((i * set.count) / count)]), set.width, set.height);
  return sum / count;
}
