/**
 * What the report is made from: a run, its comparison, and files found in artifacts by name, so that any stage can add some:
 *   sample.png  a sheet worth showing (sample.json { caption });   strip.png  one column of a grid over the matrix, with
 *   inquiry.png as the grid's first column;   roc.csv  protocol,far,tar;   result.json { card, ledger }.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../stages/contract.js';
import { isMissing } from '../cache/trouble.js';
import type { Digest } from '../digest.js';
import type { Comparison } from './compare.js';
import type { RocPoint } from './plots.js';
import type { RunRecord } from './run.js';

/** Where the artifact with that digest lies; undefined where the cache no longer has it. */
export type ArtifactFolder = (digest: Digest) => string | undefined;

/** A folder in which files are looked for by name. */
export interface Folder {
  path: string;
  has(name: string): boolean;
}

export interface Material {
  run: RunRecord;
  comparison: Comparison;
  /** The folder of an instance's output, the primary one without a name; undefined where the cache no longer has it. */
  folder(stage: string, output?: string): Folder | undefined;
  /** The end of an instance's log, where it is at hand. */
  lastWords?(stage: string): string[];
}

/** Lists each artifact once, however many names it is asked for. */
export function folderOf(run: RunRecord, artifact: ArtifactFolder): Material['folder'] {
  const known = new Map<Digest, Folder | undefined>();
  return (stage, output) => {
    const outputs = run.results.get(stage)?.outputs ?? {};
    const record =
      output === undefined
        ? outputs[Object.keys(run.planned.get(stage)?.outputs ?? outputs)[0] ?? '']
        : outputs[output];
    if (!record) return undefined;
    const { digest } = record;
    if (!known.has(digest)) known.set(digest, listed(artifact(digest)));
    return known.get(digest);
  };
}

function listed(path: string | undefined): Folder | undefined {
  if (path === undefined) return undefined;
  try {
    const names = new Set(readdirSync(path));
    return { path, has: (name) => names.has(name) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** One that is not listed: it may hold a million photographs. undefined where it is none. */
export function outsideFolder(path: string): Folder | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  return { path, has: (name) => existsSync(join(path, name)) };
}

export function readJson(folder: Folder | undefined, name: string): JsonObject | undefined {
  if (!folder?.has(name)) return undefined;
  return JSON.parse(readFileSync(join(folder.path, name), 'utf8')) as JsonObject;
}

export function readPicture(folder: Folder | undefined, name: string): Buffer | undefined {
  return folder?.has(name) ? readFileSync(join(folder.path, name)) : undefined;
}

/** roc.csv: protocol,far,tar with a header line. */
export function readRoc(folder: Folder | undefined): Map<string, RocPoint[]> {
  const curves = new Map<string, RocPoint[]>();
  if (!folder?.has('roc.csv')) return curves;
  for (const line of readFileSync(join(folder.path, 'roc.csv'), 'utf8').trim().split('\n').slice(1)) {
    const [protocol, far, tar] = line.split(',');
    const points = curves.get(protocol!) ?? [];
    curves.set(protocol!, points);
    points.push({ far: Number(far), tar: Number(tar) });
  }
  return curves;
}
