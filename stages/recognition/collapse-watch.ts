/**
 * Notices an FR training that learns nothing: while it runs, before it has spent its time, and on the model it has written.
 */
import { type StageContext, StageError } from '../contract.js';
import type { FaceDataset } from '../data/image-set.js';
import type { Device } from '../tensors/device.js';
import { collapsed, Streak } from '../training/collapse.js';
import { chanceAccuracy, nearestClassAccuracy, Spread, tooAlike } from './collapse.js';
import { openRecogniser } from './embed.js';
import type { TrainSettings } from './settings.js';

const remedyFor = ({ scale, margin, lr }: TrainSettings): string =>
  `Look at the data set's images and labels; else lower with.scale (now ${scale}), with.margin (now ${margin}) or with.lr (now ${lr}), or train longer.`;

/** Steps before which it is too early to speak of collapse: margin losses start slowly. */
function patience({ batch }: TrainSettings, { total, count }: { total: number; count: number }): number {
  return Math.max(200, total / 4, (2 * count) / batch);
}

/** Means over the steps since the last report. */
export interface Seen {
  /** Steps done. */
  done: number;
  /** Images they are means over. */
  window: number;
  loss: number;
  accuracy: number;
  /** Cosine to the own class. */
  own: number;
}

export class CollapseWatch {
  readonly streak: Streak;
  readonly #from: number;

  /** @param bad reports in a row so far, where the training resumes */
  constructor(
    private readonly settings: TrainSettings,
    private readonly training: { total: number; classes: number; count: number },
    bad: number,
  ) {
    this.streak = new Streak(bad);
    this.#from = patience(settings, training);
  }

  /** @throws StageError where it has collapsed, and settings say so */
  see(context: Pick<StageContext, 'warn'>, { done, window, loss, accuracy, own }: Seen): void {
    const { classes, count } = this.training;
    // Few images prove nothing, and an image seen again proves nothing new.
    if (done < this.#from || window < 1000) return;
    // All embeddings zero: every class is as near, which counts as right.
    const dead = Math.abs(own) < 1e-6;
    const atChance = accuracy <= chanceAccuracy(classes, Math.min(window, count));
    if (!this.streak.see(dead || atChance)) return;
    const signs = dead
      ? `all embeddings are zero, and the loss is ${loss.toFixed(2)}`
      : `the loss is ${loss.toFixed(2)} and the accuracy ${accuracy.toPrecision(2)}, what guessing among ${classes} identities gives (ln ${classes} = ${Math.log(classes).toFixed(2)})`;
    collapsed(
      context,
      this.settings.onCollapse,
      `training has collapsed: at step ${done} ${signs}`,
      remedyFor(this.settings),
    );
  }
}

/** Looks at the model as it was written: on training images, unaugmented, up to 1,024 of them spread over the set. */
export async function examine(
  context: Pick<StageContext, 'output' | 'metric' | 'warn'>,
  settings: TrainSettings,
  device: Device,
  dataset: FaceDataset,
  steps: number,
): Promise<void> {
  const recogniser = await openRecogniser(context.output('model'), device);
  const count = Math.min(1024, dataset.count);
  const rows = Int32Array.from({ length: count }, (_, i) => Math.floor((i * dataset.count) / count));
  const embeddings = await recogniser.embed(dataset.read(rows), dataset.width, dataset.height);
  const labels = rows.map((row) => dataset.labels[row]!);
  const { dimension, classifier } = recogniser;
  recogniser.dispose();
  const accuracy = nearestClassAccuracy(embeddings, labels, classifier!, dimension);
  context.metric('accuracy', accuracy);
  if (!embeddings.every(Number.isFinite))
    throw new StageError(
      'the trained network gives embeddings that are no finite numbers',
      `Lower with.lr (now ${settings.lr}).`,
    );
  const alike = tooAlike(new Spread(dimension).add(embeddings));
  if (alike)
    return collapsed(context, settings.onCollapse, `training has collapsed: ${alike}`, remedyFor(settings));
  if (accuracy > chanceAccuracy(dataset.identities, count)) return;
  const what = `${(100 * accuracy).toFixed(2)} % of ${count} training images are nearest to their own identity, what guessing among ${dataset.identities} gives`;
  if (steps < patience(settings, { total: 0, count: dataset.count }))
    context.warn(`the network has learnt nothing yet in ${steps} steps: ${what}`);
  else collapsed(context, settings.onCollapse, `training has collapsed: ${what}`, remedyFor(settings));
}
