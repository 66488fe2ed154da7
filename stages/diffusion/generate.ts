/**
 * Generates a face set (METHOD, Algorithm 2): filters the inquiry images, denoises `perIdentity` images of each at the
 * wanted similarities, measures what came out under E_id, and writes the set.
 *
 * The noise of an image depends on (seed, identity, k) alone, so sets made with other m share it, column by column.
 */
import * as tf from '@tensorflow/tfjs';
import type { GenerateSettings } from '../../schemas/generated/stages/generate.js';
import { DataWait } from '../batches/data-wait.js';
import { Prefetch } from '../batches/prefetch.js';
import { Cadence } from '../checkpoint/cadence.js';
import { deviceFolder } from '../checkpoint/device-folder.js';
import { RowCheckpoint } from '../checkpoint/rows.js';
import { type JsonObject, type StageContext, StageError } from '../contract.js';
import { openDataset } from '../data/dataset.js';
import { type FaceDataset, ImageSet } from '../data/image-set.js';
import { realDataBehind, type SetProvenance } from '../data/provenance.js';
import { cosineOf, openRecogniser, type Recogniser } from '../recognition/embed.js';
import { embedAll } from '../recognition/embeddings.js';
import { type Device, openDevice } from '../tensors/device.js';
import { Random } from '../tensors/random.js';
import { type ConditionInputs, styleStatistics } from './conditions.js';
import { openFrozenRecogniser } from './frozen-recogniser.js';
import { writeGeneratedSet } from './generated-set.js';
import { type Generator, readGenerator } from './generator.js';
import { filterInquiries } from './inquiry.js';
import { type NoiseBatch, NoiseBatches, type NoiseRecipe, type Place, placesOf } from './noise-batches.js';
import { Sampler } from './sampler.js';
import type { SampleSettings } from './settings.js';
import { similaritiesOf } from './similarities.js';

/** For fewer arrays of noise a thread costs more than it saves. */
const worthThread = 4;

export async function run(context: StageContext<GenerateSettings>): Promise<void> {
  const settings = context.settings as SampleSettings;
  const generator = readGenerator(context.input('generator').path);
  const inquiry = ImageSet.open(context.input('inquiry').path);
  checkFit(generator, inquiry);
  const device = await openDevice(context.device, { threads: context.threads });
  const recogniser = await openRecogniser(context.input('model').path, device, [
    inquiry.info.provenance,
    generator.config.provenance.data,
  ]);
  checkRecogniser(context, generator, recogniser);
  const style = openStyleBank(context, generator, device);

  const checkpoint = deviceFolder(context, device);
  const identities = await chooseIdentities(context, settings, inquiry, recogniser, checkpoint);
  const { perIdentity } = settings;
  const total = identities.rows.length * perIdentity;
  const m = similaritiesOf(settings.m);
  const stride = inquiry.width * inquiry.height * 3;
  const images = new RowCheckpoint(checkpoint, 'generated', { pixels: stride, similarity: 4 }, context.log);
  if (images.count > 0) context.log(`resuming at image ${images.count} of ${total}`);

  const { config, layout, weights } = generator;
  const sampler = new Sampler(device, config, layout, weights, settings);
  const batch = Math.min(settings.batch, total);
  const recipe: NoiseRecipe = {
    seed: context.seed,
    stride,
    batch,
    total,
    perIdentity,
    first: images.count,
    steps: settings.eta > 0 ? settings.steps : 0,
  };
  const here = new NoiseBatches(recipe);
  await using noises = new Prefetch<NoiseBatch>(new URL('./noise-worker.js', import.meta.url), recipe, {
    threads: here.count < worthThread ? 0 : 1,
    here,
    ahead: 2,
  });
  noises.begin(0, here.count);
  const begun = { at: performance.now(), images: images.count };
  const wait = new DataWait();
  let drawn: NoiseBatch | undefined;
  const draw = async () => {
    const asked = performance.now();
    if (drawn) noises.giveBack(drawn);
    drawn = await noises.take();
    wait.add(performance.now() - asked);
    return drawn.noise;
  };
  const cadence = new Cadence();
  context.progress(images.count, total);
  try {
    while (images.count < total) {
      context.signal.throwIfAborted();
      const wanted = Math.min(batch, total - images.count);
      const places = placesOf(images.count, recipe);
      const condition: ConditionInputs = {
        identity: tf.tensor2d(gather(identities.embeddings, places, recogniser.dimension), [
          batch,
          recogniser.dimension,
        ]),
        ...(config.method === 'cemiface' ? { m: tf.tensor1d(places.map(({ k }) => m[k % m.length]!)) } : {}),
        ...(style ? { style: await style.of(places) } : {}),
      };
      const pixels = await sampler.sample(await draw(), condition, { z: draw, signal: context.signal });
      tf.dispose(Object.values(condition) as tf.Tensor[]);

      const made = pixels.subarray(0, wanted * stride);
      const rows = await recogniser.embed(made, inquiry.width, inquiry.height);
      const similarity = Float32Array.from({ length: wanted }, (_, i) =>
        cosineOf(rows, i, identities.embeddings, places[i]!.identity, recogniser.dimension),
      );
      images.append({ pixels: made, similarity });
      context.progress(images.count, total);
      if (cadence.due) await cadence.save(() => images.save());
    }
  } finally {
    if (images.count > begun.images) images.save(); // also when aborted in the middle of a batch
  }
  const seconds = (performance.now() - begun.at) / 1000;
  if (images.count > begun.images) {
    context.metric('images_per_second', (images.count - begun.images) / seconds);
    context.metric('data_wait', wait.share);
  }
  sampler.dispose();
  style?.dispose();

  const similarity = new Float32Array(images.read('similarity', 0, total).buffer);
  const { mean, std } = statistics(similarity);
  context.metric('similarity/mean', mean);
  context.metric('similarity/std', std);
  const provenance = provenanceOf(
    context,
    settings,
    generator,
    recogniser,
    inquiry.info.provenance,
    identities,
  );
  await writeGeneratedSet(context.output('images'), {
    settings,
    inquiry,
    rows: identities.rows,
    images,
    similarity,
    m,
    provenance,
  });
  images.close();
  recogniser.dispose();
}

function checkFit({ config }: Generator, inquiry: ImageSet): void {
  if (config.method === 'unconditional')
    throw new StageError(
      'the generator is unconditional: it makes no chosen identities',
      'Train one with diffusion-train, method cemiface or dcface.',
    );
  if (inquiry.width !== config.width || inquiry.height !== config.height)
    throw new StageError(
      `the generator makes ${config.width}x${config.height}, the inquiry images are ${inquiry.width}x${inquiry.height}`,
      'Use inquiry images of the size it was trained on.',
    );
  if (inquiry.count === 0) throw new StageError('there are no inquiry images');
}

/** A generator follows the E_id it was trained under; any other of the same length would condition on nonsense. */
function checkRecogniser(
  context: StageContext<GenerateSettings>,
  { config }: Generator,
  recogniser: Recogniser,
): void {
  const known = config.provenance.recogniser;
  if (recogniser.dimension !== config.condition.embedding)
    throw new StageError(
      `the generator was trained under an E_id of ${config.condition.embedding} numbers, input model gives ${recogniser.dimension}`,
      'Give the E_id that the generator was trained with.',
    );
  const given = recogniser.config.provenance;
  if (known && given && known.weights !== given.weights)
    context.warn(
      `input model (${given.architecture}) is not the E_id that the generator was trained under (${known.architecture}): its embeddings mean nothing to it`,
    );
}

interface Identities {
  /** Rows of the inquiry set that became identities. */
  rows: number[];
  /** Their embeddings, unit rows. */
  embeddings: Float32Array;
  asked: number;
  losses: Record<string, number>;
}

async function chooseIdentities(
  context: StageContext<GenerateSettings>,
  settings: SampleSettings,
  inquiry: ImageSet,
  recogniser: Recogniser,
  checkpoint: string,
): Promise<Identities> {
  const { signal, log } = context;
  using all = await embedAll(recogniser, { inquiry }, { folder: checkpoint, signal, log });
  const {
    kept: rows,
    embeddings,
    seen,
  } = filterInquiries(all.inquiry, settings.inquiryFilter, settings.identities);
  const asked = settings.identities ?? inquiry.count;
  const alike = seen - rows.length;
  context.log(
    `${rows.length} identities of ${seen} inquiry images; ${alike} are too like an earlier one (above ${settings.inquiryFilter})`,
  );
  if (settings.identities !== undefined && rows.length < settings.identities)
    context.warn(
      `${settings.identities} identities were asked for, ${rows.length} are made: of ${inquiry.count} inquiry images ${alike} are too like an earlier one. ` +
        'More inquiry images, or a higher with.inquiryFilter, would give more.',
    );
  return { rows, embeddings, asked, losses: { 'inquiry images too alike': alike } };
}

function gather(rows: Float32Array, places: readonly Place[], dimension: number): Float32Array {
  const out = new Float32Array(places.length * dimension);
  places.forEach(({ identity }, i) =>
    out.set(rows.subarray(identity * dimension, (identity + 1) * dimension), i * dimension),
  );
  return out;
}

/** DCFace's style bank: an image drawn for each generated one, as its patch-wise statistics. */
function openStyleBank(context: StageContext<GenerateSettings>, { config }: Generator, device: Device) {
  const settings = config.condition.style;
  if (!settings) return undefined;
  if (!context.has('style'))
    throw new StageError(
      'a dcface generator needs style images',
      'Add an input `style`: the images it was trained on.',
    );
  const bank: FaceDataset = openDataset(context, 'style');
  const { width, height } = config;
  if (bank.width !== width || bank.height !== height)
    throw new StageError(
      `the style images are ${bank.width}x${bank.height}, the generator makes ${width}x${height}`,
    );
  const recogniser = openFrozenRecogniser(
    context.input('model').path,
    { width, height },
    bank.info.provenance,
  );
  const statistics = device.compile(
    (frozen: typeof recogniser.tensors, images: tf.Tensor4D) =>
      styleStatistics(recogniser.bind(frozen).features(images), settings.grid),
    { donate: [1] },
  );
  // Kept from batch to batch: each would leave as much garbage.
  let pixels = new Uint8Array(0);
  let images = new Float32Array(0);
  return {
    of: (places: readonly Place[]): Promise<tf.Tensor3D> => {
      const rows = places.map(({ identity, k }) =>
        new Random(context.seed, 'style', identity, k).int(bank.count),
      );
      const size = places.length * width * height * 3;
      if (images.length !== size) [pixels, images] = [new Uint8Array(size), new Float32Array(size)];
      bank.read(rows, pixels);
      for (let i = 0; i < pixels.length; i++) images[i] = pixels[i]! / 127.5 - 1;
      return statistics(recogniser.tensors, tf.tensor4d(images, [places.length, height, width, 3]));
    },
    dispose: () => {
      statistics.dispose();
      tf.dispose([recogniser.tensors.weights, recogniser.tensors.buffers]);
    },
  };
}

function provenanceOf(
  context: StageContext<GenerateSettings>,
  settings: SampleSettings,
  generator: Generator,
  recogniser: Recogniser,
  inquiry: SetProvenance,
  { rows, asked, losses }: Identities,
): SetProvenance {
  const each = settings.perIdentity + settings.oversample;
  const provenance: SetProvenance = {
    kind: 'generate',
    asked: { identities: asked, images: asked * each },
    delivered: { identities: rows.length, images: rows.length * each },
    losses,
    alignment: inquiry.alignment,
    realData: [],
    settings: { ...(settings as unknown as JsonObject), method: generator.config.method },
    seed: context.seed,
    generator: generator.config.provenance,
    ...(recogniser.config.provenance ? { recogniser: recogniser.config.provenance } : {}),
    inquiry,
  };
  return { ...provenance, realData: realDataBehind(provenance) };
}

/** Mean and standard deviation (of the population). */
function statistics(values: Float32Array): { mean: number; std: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, std: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) };
}
