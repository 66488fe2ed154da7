/** Declares the stage kind `evaluate`: 1:1 verification of a recogniser. */
import { type EvaluateSettings, schema } from '../../schemas/generated/stages/evaluate.js';
import type { StageDeclaration } from '../contract.js';

export const stage: StageDeclaration<EvaluateSettings> = {
  kind: 'evaluate',
  summary: 'Verifies pairs of faces by k-fold protocol: accuracy, ROC, TAR at FAR, EER, with a protocol card',
  schema,
  inputs: {
    model: { types: ['model'], description: 'A recogniser.' },
    verification: { types: ['verification'], description: 'Pairs with folds, one or several protocols.' },
  },
  outputs: {
    result: { type: 'result', description: 'result.json, roc.csv, and the scores of each protocol.' },
  },
  seeded: false,
  device: true,
  load: () => import('./evaluate.js'),
};
