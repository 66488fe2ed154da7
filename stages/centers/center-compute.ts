/**
 * The identity center of each person (CemiFace, Sec. 3.1): the person's row of the classification layer of an FR network
 * trained on the data set, or the normalised mean of the person's unit embeddings. Similarity to it is the cosine.
 */
import type { CenterComputeSettings } from '../../schemas/generated/stages/center-compute.js';
import { type StageContext, StageError } from '../contract.js';
import { openDataset } from '../data/dataset.js';
import type { FaceDataset } from '../data/image-set.js';
import { cosineOf, normaliseRows, openRecogniser, type Recogniser } from '../recognition/embed.js';
import { embedAll, embedOptionsOf, type Embeddings, piecesOf } from '../recognition/embeddings.js';
import { momentsOf } from '../similarity/moments.js';
import { openDevice } from '../tensors/device.js';
import { writeCenters } from './centers.js';

export async function run(context: StageContext<CenterComputeSettings>): Promise<void> {
  const { from, flip } = context.settings as Required<CenterComputeSettings>;
  const dataset = openDataset(context, 'dataset');
  if (dataset.count === 0) throw new StageError('the dataset holds no images', 'Give it some.');
  const device = await openDevice(context.device, { threads: context.threads });
  const recogniser = await openRecogniser(context.input('model').path, device, [dataset.info.provenance]);
  const { dimension } = recogniser;
  // Before the work, so that a wrong model is told at once.
  const rows = from === 'classifier' ? classifierRows(recogniser, dataset) : undefined;

  using embedded = await embedAll(
    recogniser,
    { dataset },
    {
      flip,
      ...embedOptionsOf(context, device),
    },
  );
  const embeddings = embedded.dataset;
  recogniser.dispose();
  const centers = rows ?? meanCenters(embeddings, dataset.labels, dataset.identities);

  const { labels, count, identities } = dataset;
  const similarity = new Float32Array(count);
  for (const { first, rows: piece, count: n } of piecesOf(embeddings))
    for (let i = 0; i < n; i++)
      similarity[first + i] = cosineOf(piece, i, centers, labels[first + i]!, dimension);
  const { mean, std } = momentsOf(similarity);
  context.metric('similarity/mean', mean);
  context.metric('similarity/std', std);
  warnOfStrangers(context, embeddings, labels, centers, mean);

  const { provenance } = recogniser.config;
  writeCenters(context.output('centers'), {
    info: {
      format: 'cemiflow-centers/1',
      identities,
      images: count,
      dimension,
      from,
      dataset: context.input('dataset').digest,
      ...(provenance ? { recogniser: provenance } : {}),
      similarity: { mean, std },
    },
    centers,
    similarity,
    labels,
  });
}

function classifierRows({ classifier, dimension }: Recogniser, { identities }: FaceDataset): Float32Array {
  const remedy = 'Give a model that fr-train made on this dataset, or set with.from to mean.';
  if (!classifier) throw new StageError('the model has no classifier rows to take centers from', remedy);
  const rows = classifier.length / dimension;
  if (rows !== identities)
    throw new StageError(`the model tells ${rows} identities apart, the dataset has ${identities}`, remedy);
  return classifier;
}

/**
 * Normalised means of unit embeddings, by label. An identity without images keeps a row of zeros.
 * @param labels [N]
 * @returns      [identities, D]
 */
export function meanCenters(embeddings: Embeddings, labels: Int32Array, identities: number): Float32Array {
  const { dimension } = embeddings;
  const sums = new Float32Array(identities * dimension);
  for (const { first, count, rows } of piecesOf(embeddings))
    for (let i = 0; i < count; i++) {
      const own = labels[first + i]! * dimension;
      for (let k = 0; k < dimension; k++) sums[own + k] = sums[own + k]! + rows[i * dimension + k]!;
    }
  return normaliseRows(sums, dimension);
}

/** Classifier rows of another data set with as many identities would give centers that mean nothing: their images would be no nearer than strangers'. */
function warnOfStrangers(
  context: Pick<StageContext, 'warn'>,
  embeddings: Embeddings,
  labels: Int32Array,
  centers: Float32Array,
  own: number,
): void {
  const { dimension } = embeddings;
  const identities = centers.length / dimension;
  if (identities < 2) return;
  let sum = 0;
  for (const { first, count, rows } of piecesOf(embeddings))
    for (let i = 0; i < count; i++)
      sum += cosineOf(rows, i, centers, (labels[first + i]! + 1) % identities, dimension);
  const others = sum / embeddings.count;
  if (own - others < 0.05)
    context.warn(
      `images are hardly nearer to their own center (mean similarity ${own.toFixed(3)}) than to another's (${others.toFixed(3)}): was the model trained on this dataset?`,
    );
}
