/** What a run made beside figures: pictures in the form that MLflow's image view shows, the files of a model, plots, the comparison. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import type { Digest } from '../digest.js';
import type { PlannedStage } from '../journal/events.js';
import type { ComparisonRow } from '../report/compare.js';
import { milliseconds } from './run-mapping.js';
import type { EventOf } from './run-facts.js';

export interface RunExtras {
  /** Where an artifact of the cache lies, if it is still there. */
  folder(digest: Digest): string | undefined;
  /** undefined where nothing was evaluated. */
  comparison(): Promise<RunComparison | undefined>;
  plots(): Promise<File[]>;
  /** Protocol cards by evaluate instance, of those whose artifact is still there. */
  cards(): Promise<Record<string, JsonObject>>;
}

export interface RunComparison {
  /** In Markdown. */
  table: string;
  rows: Pick<ComparisonRow, 'stage' | 'metrics' | 'gtr'>[];
}

export interface File {
  path: string;
  content: Buffer;
}

/** Larger models stay where they are; their digest and settings are on the server all the same. */
const largestModelBytes = 500 * 2 ** 20;

const sheets = [
  ['sample.png', ''],
  ['strip.png', ' strip'],
] as const;

/** Longer side of the thumbnails that the image view shows, pixels, as MLflow's own client makes them. */
const thumbnail = 256;

/**
 * The sheets of faces that a stage left, as `images/<key>+step+<n>+timestamp+<t>+<id>.png`, each with the WebP thumbnail beside it without
 * which MLflow's image view stays empty.
 */
export async function pictures(
  stage: PlannedStage,
  ended: EventOf<'stage-ended'>,
  { folder }: Pick<RunExtras, 'folder'>,
  step = 0,
): Promise<File[]> {
  const files: File[] = [];
  for (const { digest } of Object.values(ended.outputs)) {
    const inside = folder(digest as Digest);
    for (const [name, suffix] of inside === undefined ? [] : sheets) {
      const path = join(inside!, name);
      if (!existsSync(path)) continue;
      const key = `${stage.stage}${suffix}`.replace(/[^\w .-]/g, '_');
      // The same picture gets the same name when it is sent again.
      const id = uuid(`${stage.name} ${step} ${digest} ${name}`);
      const stem = `images/${key}+step+${step}+timestamp+${milliseconds(ended.at)}+${id}`;
      const { default: sharp } = await import('sharp');
      const small = sharp(path).resize(thumbnail, thumbnail, { fit: 'inside', withoutEnlargement: true });
      files.push(
        { path: `${stem}.png`, content: readFileSync(path) },
        { path: `${stem}+compressed.webp`, content: await small.webp().toBuffer() },
      );
    }
  }
  return files;
}

/** [] where the artifact is gone or too large. */
export function modelFiles(
  digest: string,
  { folder }: Pick<RunExtras, 'folder'>,
): { path: string; file: string }[] {
  const inside = folder(digest as Digest);
  if (inside === undefined) return [];
  const files = readdirSync(inside, { recursive: true, encoding: 'utf8' })
    .map((path) => ({ path, file: join(inside, path) }))
    .filter(({ file }) => statSync(file).isFile());
  const bytes = files.reduce((sum, { file }) => sum + statSync(file).size, 0);
  return bytes > largestModelBytes ? [] : files;
}

function uuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}
