/**
 * Whether faces are framed as a model expects. A pretrained network cuts its own chip out of an aligned face, and how much frame is around
 * ArcFace's (the margin) cannot be seen in the pixels: a wrong margin costs accuracy and nothing fails. So it is read from where the faces come from.
 */
import { StageError } from '../contract.js';
import type { SetProvenance } from '../data/provenance.js';
import type { RecogniserConfig } from './model.js';

/** The frame around ArcFace's, as a fraction of its edge; undefined where it is not known (faces that were aligned elsewhere). */
export function marginOf(set: SetProvenance): number | undefined {
  switch (set.kind) {
    case 'faces-render':
      return 0;
    case 'faces-import': {
      const { align, margin } = set.settings;
      return align === 'detect' && typeof margin === 'number' ? margin : undefined;
    }
    case 'generate': {
      // A generator frames faces as those it was trained on.
      const source = set.generator?.data ?? set.inquiry;
      return source && marginOf(source);
    }
  }
}

/**
 * @param sets where the faces that the model will see come from; undefined where nothing is known of them
 * @throws StageError naming both margins
 */
export function checkFrame(config: RecogniserConfig, sets: readonly (SetProvenance | undefined)[]): void {
  // A network trained here takes faces as it was given them; a pretrained one has to be told.
  if (config.kind !== 'face-api') return;
  const { margin } = config.alignment;
  for (const set of sets) {
    const actual = set && marginOf(set);
    if (actual !== undefined && Math.abs(actual - margin) > 1e-6)
      throw new StageError(
        `the face-api model is made for faces with margin ${margin}, and these have margin ${actual} (${set!.kind})`,
        `Set margin: ${actual} in face-api-model, or margin: ${margin} in faces-import: it would look at the wrong part of each picture.`,
      );
  }
}
