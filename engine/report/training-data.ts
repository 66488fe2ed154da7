/** The size of the set that a row's model was trained on, from its protocol card: what a fair comparison holds equal. */
import type { Json, JsonObject } from '../../stages/contract.js';

export interface SetSize {
  identities: number;
  images: number;
}

export interface TrainingData {
  /** What the model saw: the whole set, or a group of it. */
  used: SetSize;
  /** Of the whole set; null where the card does not say. */
  asked: SetSize | null;
  delivered: SetSize | null;
  steps: number | null;
  epochs: number | null;
}

/** null where the card states no size: a pretrained model, a program of somebody's own. */
export function trainingDataOf(card: JsonObject | null): TrainingData | null {
  const data = card?.['data'];
  const used = sizeOf(data);
  if (!card || !used) return null;
  return {
    used,
    asked: sizeOf((data as JsonObject)['asked']),
    delivered: sizeOf((data as JsonObject)['delivered']),
    steps: numberOf(card['steps']),
    epochs: numberOf(card['epochs']),
  };
}

function sizeOf(value: Json | undefined): SetSize | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { identities, images } = value;
  return typeof identities === 'number' && typeof images === 'number' ? { identities, images } : null;
}

const numberOf = (value: Json | undefined) => (typeof value === 'number' ? value : null);

/** "80 × 10"; where identities differ in images, their mean: "78 × 9.6". */
export function sizeInWords({ identities, images }: SetSize): string {
  const each = images / Math.max(1, identities);
  return `${identities} × ${Number.isInteger(each) ? each : each.toFixed(1)}`;
}

export const sameSize = (a: SetSize, b: SetSize) => a.identities === b.identities && a.images === b.images;
