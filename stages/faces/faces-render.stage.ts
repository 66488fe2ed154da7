/** Declares the stage kind `faces-render`: the built-in data set of invented people. */
import { type FacesRenderSettings, schema } from '../../schemas/generated/stages/faces-render.js';
import type { StageDeclaration } from '../contract.js';
import { pairsThatFit, PROTOCOLS } from './render/protocols.js';

export const stage: StageDeclaration<FacesRenderSettings> = {
  kind: 'faces-render',
  summary:
    'Renders faces of invented people, aligned as ArcFace crops, with inquiry images and five verification protocols',
  schema,
  inputs: {},
  outputs: {
    images: { type: 'images', description: 'The training set, labels 0 .. identities - 1.' },
    inquiry: { type: 'images', description: 'One image each of people of their own.' },
    verification: {
      type: 'verification',
      description: 'general, frontal_profile, age_gap, cross_age, cross_pose.',
    },
  },
  seeded: true,
  device: false,
  check({ size = 112, verification }) {
    const { identities = 0, perIdentity = 8, pairs = 6000, folds = 10 } = verification ?? {};
    if (identities === 0) return [];
    const problems: { path: string; message: string }[] = [];
    if (pairs % (2 * folds) !== 0)
      problems.push({
        path: 'verification.pairs',
        message: `${pairs} pairs do not split into ${folds} folds with as many same as different pairs; take a multiple of ${2 * folds}`,
      });
    if (perIdentity % 2 !== 0)
      problems.push({
        path: 'verification.perIdentity',
        message: `${perIdentity} is odd, but half of a person's pictures are young (or frontal) and half old (or turned)`,
      });
    if (identities < 4 * folds)
      problems.push({
        path: 'verification.identities',
        message: `${identities} people are too few for ${folds} folds of people of their own; take ${4 * folds} or more`,
      });
    const gigabytes = (PROTOCOLS.length * identities * perIdentity * size * size * 3) / 1e9;
    if (gigabytes > 4)
      problems.push({
        path: 'verification.identities',
        message: `${identities} people with ${perIdentity} pictures of ${size} px each take ${gigabytes.toFixed(1)} GB of memory in ${PROTOCOLS.length} protocols; take fewer people or pictures, 4 GB at most`,
      });
    if (problems.length > 0) return problems;
    const fit = pairsThatFit(identities, perIdentity, folds);
    if (pairs > fit)
      problems.push({
        path: 'verification.pairs',
        message: `${identities} people with ${perIdentity} pictures each have only ${fit} pairs without repetition; take more people or pictures`,
      });
    return problems;
  },
  load: () => import('./faces-render.js'),
};
