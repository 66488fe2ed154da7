/** Evaluates a recogniser on verification protocols: scores every pair, measures, writes the result with its card. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EvaluateSettings } from '../../schemas/generated/stages/evaluate.js';
import { type StageContext, StageError } from '../contract.js';
import { writeNpy } from '../data/npy.js';
import { openVerification, type VerificationProtocol } from '../data/verification-set.js';
import { Spread, tooAlike } from '../recognition/collapse.js';
import { cosineOf, openRecogniser } from '../recognition/embed.js';
import { embedAll, embedOptionsOf, type Embeddings, piecesOf } from '../recognition/embeddings.js';
import { openDevice } from '../tensors/device.js';
import { collapsed } from '../training/collapse.js';
import { protocolCard } from './card.js';
import { equalErrorRate, type KFold, kFoldAccuracy, type RocPoint, rocOf, tarAtFar } from './verification.js';

const remedy = 'Look at the loss and the accuracy of its training, and at the images it was trained on.';

interface ProtocolResult extends Omit<KFold, 'folds'> {
  pairs: number;
  same: number;
  images: number;
  eer: number;
  /** By false accept rate as written ("1e-3"); null with too few pairs of different people to tell. */
  tarAtFar: Record<string, number | null>;
  folds: KFold['folds'];
}

export async function run(context: StageContext<EvaluateSettings>): Promise<void> {
  const { flip, far, protocols, onCollapse } = context.settings as Required<
    Omit<EvaluateSettings, 'protocols'>
  > &
    EvaluateSettings;
  const verification = openVerification(context.input('verification').path);
  const { info } = verification;
  const names = chosen(
    info.protocols.map(({ name }) => name),
    protocols,
  );
  const device = await openDevice(context.device, { threads: context.threads });
  const recogniser = await openRecogniser(context.input('model').path, device, [info.provenance]);
  const folder = context.output('result');

  const chosenOnes = names.map((name) => verification.protocol(name));
  chosenOnes.forEach(checkProtocol);
  using embedded = await embedAll(
    recogniser,
    Object.fromEntries(chosenOnes.map(({ name, images }) => [name, images])),
    {
      flip,
      ...embedOptionsOf(context, device),
      progress: (done, total, name) => context.progress(done, total, name),
    },
  );
  recogniser.dispose();

  const results: Record<string, ProtocolResult> = {};
  const roc: string[] = ['protocol,far,tar,threshold'];
  for (const protocol of chosenOnes) {
    const { name, images } = protocol;
    const embeddings = embedded[name]!;
    const spread = new Spread(embeddings.dimension);
    for (const { rows } of piecesOf(embeddings)) spread.add(rows);
    if (!Number.isFinite(spread.value))
      throw new StageError(
        `${name}: the model gives embeddings that are no finite numbers`,
        'Train it again.',
      );
    const alike = tooAlike(spread);
    if (alike) collapsed(context, onCollapse, `${name}: ${alike}`, remedy);
    const scores = scorePairs(embeddings, protocol);
    const points = rocOf(scores, protocol.same);
    results[name] = { images: images.count, ...measure(context, protocol, scores, points, far) };
    for (const point of points) roc.push(`${name},${point.far},${point.tar},${point.threshold}`);
    mkdirSync(join(folder, name));
    writeNpy(join(folder, name, 'scores.npy'), scores, [scores.length]);
  }

  const all = Object.values(results);
  const accuracy = all.reduce((sum, one) => sum + one.accuracy, 0) / all.length;
  const error = Math.sqrt(all.reduce((sum, one) => sum + one.binomialError ** 2, 0)) / all.length;
  context.metric('avg/accuracy', accuracy);
  context.metric('avg/accuracy_se', error);
  if (atChance(all))
    collapsed(
      context,
      onCollapse,
      `the model verifies no better than guessing: ${(100 * accuracy).toFixed(2)} % of ${all.reduce((sum, { pairs }) => sum + pairs, 0)} pairs`,
      remedy,
    );
  writeFileSync(join(folder, 'roc.csv'), `${roc.join('\n')}\n`);
  const card = protocolCard(recogniser.config, info, names, flip);
  const result = { protocols: results, avg: { accuracy, standardError: error }, card };
  writeFileSync(join(folder, 'result.json'), JSON.stringify(result, null, 1));
}

function chosen(known: readonly string[], wanted: readonly string[] | undefined): string[] {
  const strange = wanted?.find((name) => !known.includes(name));
  if (strange !== undefined)
    throw new StageError(
      `the verification set has no protocol '${strange}'`,
      `It has ${known.join(', ') || 'none'}: set with.protocols to some of them.`,
    );
  const names = wanted ? [...wanted] : [...known];
  if (names.length === 0)
    throw new StageError(
      'the verification set has no protocols',
      'Ask for some where it is made: with.verification.identities of faces-render, split.verification of faces-import, or use verification-pairs.',
    );
  return names;
}

function checkProtocol({ name, same, folds, pairs }: VerificationProtocol): void {
  if (same.length === 0) throw new StageError(`${name}: there are no pairs`);
  if (pairs.length !== 2 * same.length || folds.length !== same.length)
    throw new StageError(`${name}: pairs.npy, same.npy and folds.npy are of different lengths`);
  const alike = same.reduce((sum, one) => sum + one, 0);
  if (alike === 0 || alike === same.length)
    throw new StageError(
      `${name}: all ${same.length} pairs are of ${alike === 0 ? 'different people' : 'the same person'}`,
      'Verification needs pairs of both kinds.',
    );
  const used = new Set(folds);
  if (used.size < 2) throw new StageError(`${name}: k-fold accuracy needs two folds at least; there is one`);
  for (let fold = 0; fold < used.size; fold++)
    if (!used.has(fold))
      throw new StageError(`${name}: folds are not numbered 0 to ${used.size - 1}: ${fold} is missing`);
}

/** The cosine of each pair; images are embedded once, however many pairs they are in. */
function scorePairs(embeddings: Embeddings, { pairs, same }: VerificationProtocol): Float32Array {
  const { dimension } = embeddings;
  const [one, other] = [new Float32Array(dimension), new Float32Array(dimension)];
  const scores = new Float32Array(same.length);
  for (let pair = 0; pair < scores.length; pair++) {
    embeddings.read(pairs[2 * pair]!, one);
    embeddings.read(pairs[2 * pair + 1]!, other);
    scores[pair] = cosineOf(one, 0, other, 0, dimension);
  }
  return scores;
}

/** Whether the mean accuracy is what one answer to all pairs would give, by three standard errors. Some hundred pairs tell nothing. */
export function atChance(protocols: readonly Pick<ProtocolResult, 'accuracy' | 'pairs' | 'same'>[]): boolean {
  const pairs = protocols.reduce((sum, one) => sum + one.pairs, 0);
  if (pairs < 1000) return false;
  let accuracy = 0;
  let chance = 0;
  let variance = 0;
  for (const { accuracy: found, pairs: count, same } of protocols) {
    const guess = Math.max(same, count - same) / count;
    accuracy += found;
    chance += guess;
    variance += (guess * (1 - guess)) / count;
  }
  return accuracy <= chance + 3 * Math.sqrt(variance);
}

function measure(
  context: Pick<StageContext, 'metric' | 'log'>,
  { name, same, folds }: VerificationProtocol,
  scores: Float32Array,
  roc: readonly RocPoint[],
  rates: readonly number[],
): Omit<ProtocolResult, 'images'> {
  const fold = kFoldAccuracy(scores, same, folds);
  const eer = equalErrorRate(roc);
  const positives = same.reduce((sum, one) => sum + one, 0);
  const negatives = same.length - positives;
  context.metric(`${name}/accuracy`, fold.accuracy);
  context.metric(`${name}/accuracy_std`, fold.std);
  context.metric(`${name}/accuracy_se`, fold.binomialError);
  context.metric(`${name}/eer`, eer);
  const tars: Record<string, number | null> = {};
  for (const rate of rates) {
    const text = rate.toExponential();
    // With fewer pairs than 1 / rate, not one false accept is allowed: that would be another measure under the same name.
    const enough = negatives * rate >= 1 - 1e-9;
    tars[text] = enough ? tarAtFar(roc, rate) : null;
    if (enough) context.metric(`${name}/tar_at_far_${text}`, tarAtFar(roc, rate));
    else
      context.log(
        `${name}: no TAR at FAR ${text}: that takes ${Math.ceil(1 / rate)} pairs of different people, there are ${negatives}`,
      );
  }
  context.log(
    `${name}: ${(100 * fold.accuracy).toFixed(2)} % +- ${(100 * fold.binomialError).toFixed(2)} (standard error) of ${same.length} pairs, EER ${(100 * eer).toFixed(2)} %`,
  );
  return { ...fold, pairs: same.length, same: positives, eer, tarAtFar: tars };
}
