/**
 * How much work the settings of a stage ask for, by kind: what the forecast scales an earlier run's time and disk by. Kept
 * apart from the declarations, whose code is part of every key: a better forecast must not run anything again.
 */
import type { JsonObject } from './contract.js';

/** Two amounts compare only if they are of the same thing. */
export interface Work {
  amount: number;
  of: string;
}

export interface WorkMeasure {
  /** Settings that the measure accounts for, and those that time and memory do not depend on. */
  settings: readonly string[];
  /** The same for inputs; of the others it matters how large they are. */
  inputs: readonly string[];
  /** Proportional to the time; undefined where nothing is known. */
  time?(settings: JsonObject, bytesOf: (input: string) => number | undefined): Work | undefined;
  /** Proportional to the bytes of all outputs. */
  disk?(settings: JsonObject): Work | undefined;
}

const margins = ['loss', 'margin', 'scale', 'h', 'tAlpha'];
const rates = ['lr', 'weightDecay', 'schedule', 'warmup', 'clip'];
const reporting = ['onCollapse', 'metricsEvery'];

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
const map = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/** Steps times batch; where epochs are asked for, these times the size of the data, if it is a whole image set. */
const training: WorkMeasure['time'] = ({ steps, batch, epochs, group }, bytesOf) => {
  if (typeof steps === 'number') return { amount: steps * number(batch), of: 'images' };
  const bytes = group === undefined ? bytesOf('dataset') : undefined;
  return bytes === undefined ? undefined : { amount: number(epochs) * bytes, of: 'bytes of images' };
};

/** Embedding a set, one pass. */
const onePass =
  (...inputs: string[]): WorkMeasure['time'] =>
  (_, bytesOf) => {
    const bytes = inputs.map(bytesOf);
    return bytes.every((size) => size !== undefined)
      ? { amount: bytes.reduce((sum, size) => sum + size, 0), of: 'bytes' }
      : undefined;
  };

/** Pixels that faces-render draws: of the set, the inquiry images and the verification images. */
const rendered: WorkMeasure['disk'] = ({ identities, perIdentity, size, inquiry, verification }) => {
  const { identities: people, perIdentity: each = 8 } = map(verification);
  const images =
    number(identities) * number(perIdentity) +
    number(map(inquiry)['identities']) +
    number(people) * number(each);
  return { amount: images * number(size) ** 2, of: 'pixels' };
};

const measures: Readonly<Record<string, WorkMeasure>> = {
  'faces-render': {
    settings: ['identities', 'perIdentity', 'size', 'population', 'vary', 'inquiry', 'verification'],
    inputs: [],
    time: rendered,
    disk: rendered,
  },
  'fr-train': {
    settings: ['steps', 'batch', 'epochs', 'momentum', 'milestones', ...margins, ...rates, ...reporting],
    inputs: ['dataset'],
    time: training,
  },
  'diffusion-train': {
    settings: [
      ...['steps', 'batch', 'epochs', 'lambda', 'm', 'similarity', 'prediction', 'T', 'betaStart', 'betaEnd'],
      ...['lrFinal', 'ema', 'emaPower', 'flip', ...rates, ...reporting],
    ],
    inputs: ['dataset', 'init'],
    time: training,
  },
  generate: {
    settings: ['identities', 'perIdentity', 'steps', 'm', 'oversample', 'inquiryFilter', 'eta', 'spacing'],
    inputs: ['inquiry', 'style'],
    // Without `identities` it is as many as the filter leaves.
    time: ({ identities, perIdentity, steps }) =>
      typeof identities === 'number'
        ? { amount: identities * number(perIdentity) * number(steps), of: 'denoised images' }
        : undefined,
    disk: ({ identities, perIdentity, oversample }) =>
      typeof identities === 'number'
        ? { amount: identities * (number(perIdentity) + number(oversample)), of: 'images' }
        : undefined,
  },
  evaluate: { settings: ['far', 'onCollapse'], inputs: ['verification'], time: onePass('verification') },
  quality: { settings: [], inputs: ['dataset', 'reference'], time: onePass('dataset', 'reference') },
  'center-compute': { settings: [], inputs: ['dataset'], time: onePass('dataset') },
  'similarity-bucketing': { settings: ['groups', 'sample'], inputs: ['dataset'], time: onePass('dataset') },
};

/** undefined for kinds whose work the settings do not tell: programs, photographs. */
export const workOf = (kind: string): WorkMeasure | undefined => measures[kind];
