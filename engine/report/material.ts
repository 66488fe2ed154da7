/**
 * What the report is made from: a run, its comparison, and files found in artifacts by name, so that any stage can add some:
 *   sample.png  a sheet worth showing (sample.json { caption });   strip.png  one column of a grid over the matrix, with
 *   inquiry.png as the grid's first column;   roc.csv  protocol,far,tar;   result.json { card, ledger }.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import type { Digest } from '../digest.js';
import type { Comparison } from './compare.js';
import type { RocPoint } from './plots.js';
import type { RunRecord } from './run.js';

/** Where the artifact with that digest lies; undefined where the cache no longer has it. */
export type ArtifactFolder = (digest: Digest) => string | undefined;

export interface Material {
  run: RunRecord;
  comparison: Comparison;
  /** The folder of an instance's output, the primary one without a name. */
  folder(stage: string, output?: string): string | undefined;
  /** The end of an instance's log, where it is at hand. */
  lastWords?(stage: string): string[];
}

export function folderOf(run: RunRecord, artifact: ArtifactFolder): Material['folder'] {
  return (stage, output) => {
    const outputs = run.results.get(stage)?.outputs ?? {};
    const record =
      output === undefined
        ? outputs[Object.keys(run.planned.get(stage)?.outputs ?? outputs)[0] ?? '']
        : outputs[output];
    return record && artifact(record.digest);
  };
}

export function readJson(folder: string | undefined, name: string): JsonObject | undefined {
  if (!folder || !existsSync(join(folder, name))) return undefined;
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as JsonObject;
}

export function readPicture(folder: string | undefined, name: string): Buffer | undefined {
  return folder && existsSync(join(folder, name)) ? readFileSync(join(folder, name)) : undefined;
}

/** roc.csv: protocol,far,tar with a header line. */
export function readRoc(folder: string | undefined): Map<string, RocPoint[]> {
  const curves = new Map<string, RocPoint[]>();
  if (!folder || !existsSync(join(folder, 'roc.csv'))) return curves;
  for (const line of readFileSync(join(folder, 'roc.csv'), 'utf8').trim().split('\n').slice(1)) {
    const [protocol, far, tar] = line.split(',');
    const points = curves.get(protocol!) ?? [];
    curves.set(protocol!, points);
    points.push({ far: Number(far), tar: Number(tar) });
  }
  return curves;
}
