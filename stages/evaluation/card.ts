/**
 * The protocol card of an evaluation: everything behind a number that papers leave out. `compare` says where cards differ in
 * what should be equal; parts under `data` and `seeds` are meant to differ.
 */
import type { Json, JsonObject } from '../contract.js';
import { type ModelProvenance, realDataBehind, type SetProvenance } from '../data/provenance.js';
import type { VerificationInfo } from '../data/verification-set.js';
import type { RecogniserConfig } from '../recognition/model.js';

const unknown = 'not stated';

export function protocolCard(
  config: RecogniserConfig,
  verification: VerificationInfo,
  protocols: readonly string[],
  flip: boolean,
): JsonObject {
  const provenance = config.provenance as ModelProvenance | undefined;
  const training = provenance?.training ?? {};
  const trained = (name: string): Json => training[name] ?? unknown;
  const [steps, batch, images] = ['steps', 'batch', 'images'].map((name) => Number(training[name]));
  const epochs = (steps! * batch!) / images!;
  const chosen = verification.protocols.filter(({ name }) => protocols.includes(name));
  return {
    verification: {
      alignment: verification.provenance.alignment,
      size: `${verification.width}x${verification.height}`,
      pairs: Object.fromEntries(chosen.map(({ name, pairs }) => [name, pairs])),
      folds: Object.fromEntries(chosen.map(({ name, folds }) => [name, folds])),
      people_disjoint_between_folds: chosen.every(({ identitiesDisjoint }) => identitiesDisjoint),
      real_data: verification.provenance.realData,
    },
    input: {
      channels: 'RGB',
      range: config.kind === 'recognition' ? '[-1, 1]' : "the pretrained network's own",
    },
    flip,
    normalisation:
      (flip
        ? 'embeddings of image and mirror image summed, then L2-normalised'
        : 'embeddings L2-normalised') + centred(config),
    threshold: 'squared distance, 0 to 4 by 0.01, best on the other folds (insightface)',
    backbone: provenance?.architecture ?? unknown,
    loss: provenance?.loss ?? unknown,
    margin: trained('margin'),
    scale: trained('scale'),
    augmentation: trained('augmentation'),
    batch: trained('batch'),
    steps: trained('steps'),
    epochs: Number.isFinite(epochs) ? Math.round(epochs * 100) / 100 : unknown,
    lr: trained('lr'),
    schedule: trained('schedule'),
    seeds: { training: trained('seed'), data: provenance?.data?.seed ?? unknown },
    data: {
      weights: provenance?.weights ?? unknown,
      images: trained('images'),
      identities: trained('classes'),
      group: training['group'] ?? null,
      ...setCard(provenance?.data),
    },
  };
}

/** A pretrained model may have a mean embedding subtracted. */
function centred(config: RecogniserConfig): string {
  if (config.kind !== 'face-api' || !config.center) return '';
  const { share, images, identities, of } = config.center;
  return `; ${share} of the mean of ${images} faces of ${identities} people (${of.join(', ') || 'rendered'}) subtracted, L2-normalised again`;
}

function setCard(set: SetProvenance | undefined): JsonObject {
  if (!set) return { kind: unknown };
  const { kind, alignment, asked, delivered, losses, settings, recogniser, generator, inquiry } = set;
  return {
    kind,
    alignment,
    asked: { ...asked },
    delivered: { ...delivered },
    losses: losses ?? {},
    settings,
    real_data_among_ancestors: realDataBehind(set),
    e_id: recogniser ? modelCard(recogniser) : null,
    generator: generator ? modelCard(generator) : null,
    inquiry: inquiry ? { kind: inquiry.kind, delivered: { ...inquiry.delivered }, seed: inquiry.seed } : null,
  };
}

function modelCard({ architecture, loss, weights, training, data }: ModelProvenance): JsonObject {
  return {
    architecture,
    loss: loss ?? unknown,
    weights,
    steps: training?.['steps'] ?? unknown,
    seed: training?.['seed'] ?? unknown,
    trained_on: data
      ? {
          kind: data.kind,
          identities: data.delivered.identities,
          images: data.delivered.images,
          real_data: data.realData,
        }
      : unknown,
  };
}
