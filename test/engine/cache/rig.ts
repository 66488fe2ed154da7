/** A cache in a temporary folder, and stages whose results are made by hand. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Cache, type LocalCache, openCache } from '../../../engine/cache/cache.js';
import { removeTree } from '../../../engine/cache/session.js';
import type { Digest, StageKey } from '../../../engine/digest.js';
import { keyOf } from '../../../engine/plan/key.js';
import type { KeyComponents, StageResult } from '../../../engine/plan/plan.js';

export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cemiflow-cache-')));
  onTestFinished(() => removeTree(folder));
  return folder;
}

export async function temporaryCache(): Promise<LocalCache> {
  const cache = await openCache(join(temporaryFolder(), 'cache'));
  onTestFinished(() => cache.close());
  return cache;
}

export function write(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

export const components = (change: Partial<KeyComponents> = {}): KeyComponents => ({
  kind: 'fr-train',
  code: 'c0de'.repeat(16) as Digest,
  codeParts: { 'stages/recognition/fr-train.js': 'aa'.repeat(32) },
  settings: { m: 0.4, s: 64 },
  inputs: { dataset: ['da7a'.repeat(16) as Digest] },
  seed: 1,
  cpus: 2,
  ...change,
});

export const by = (change: Partial<StageResult['by']> = {}): StageResult['by'] => ({
  run: 'r1',
  stage: 'oracle',
  at: '2026-01-02T03:04:05.000Z',
  seconds: 72,
  peakRssBytes: 1,
  device: 'cpu',
  attempt: 1,
  ...change,
});

/** The names in a cache's index, which must be whole. */
export function namesInIndex(root: string): string[] {
  const [head, saved, ...lines] = readFileSync(join(root, 'index'), 'utf8').split('\n');
  const sum = createHash('sha256')
    .update([saved, ...lines].join('\n'))
    .digest('hex');
  if (head !== `cemiflow-index/1\t${sum}`) throw new Error(`the index is torn: ${head}`);
  return lines.slice(0, -1).map((line) => JSON.parse(line.split('\t')[0]!) as string);
}

/** Changes what the index says, and signs it as an engine does: no disk would. */
export function forgeIndex(root: string, change: (text: string) => string): void {
  const [, ...lines] = readFileSync(join(root, 'index'), 'utf8').split('\n');
  const text = change(lines.join('\n'));
  const sum = createHash('sha256').update(text).digest('hex');
  writeFileSync(join(root, 'index'), `cemiflow-index/1\t${sum}\n${text}`);
}

export interface Made {
  components?: Partial<KeyComponents>;
  by?: Partial<StageResult['by']>;
  /** By output name, the files in it. */
  outputs?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Folders that outputs may refer to, by digest. */
  outside?: ReadonlyMap<string, string>;
  force?: boolean;
}

/** Runs a stage by hand: takes its key, writes its outputs, commits. */
export async function make(cache: Cache, made: Made = {}): Promise<StageResult> {
  const outputs = made.outputs ?? { model: { 'config.json': '{}', 'weights/a.bin': 'weights' } };
  const all = components(made.components);
  const { attempt } = await cache.beginAttempt(keyOf(all), { force: made.force ?? false });
  if (!attempt) throw new Error('already made');
  for (const [name, files] of Object.entries(outputs)) write(await attempt.outputFolder(name), files);
  return attempt.commit({
    components: all,
    outputs: Object.fromEntries(Object.keys(outputs).map((name) => [name, 'files'])),
    ...(made.outside ? { outside: made.outside } : {}),
    metrics: { loss: 0.5 },
    warnings: [],
    by: by(made.by),
  });
}

export const someKey = (components_: Partial<KeyComponents> = {}): StageKey => keyOf(components(components_));

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

/** Another engine process, running one of the fixtures against the compiled engine. */
export function start(name: string, args: readonly string[]) {
  const child = execFile(process.execPath, [fixture(name), ...args]);
  let output = '';
  let errors = '';
  child.stdout!.on('data', (text: string) => (output += text));
  child.stderr!.on('data', (text: string) => (errors += text));
  const ended = new Promise<string>((resolve) => child.on('close', () => resolve(output)));
  return {
    pid: child.pid!,
    kill: () => child.kill('SIGKILL'),
    ended,
    /** Waits for the child to say that word. */
    async says(word: string): Promise<void> {
      while (!output.includes(word)) {
        if (child.exitCode !== null) throw new Error(`ended without '${word}': ${output}${errors}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}

/** Mounts a small disk at `folder`, or says why not: then the test must be skipped, loudly. */
export function mountDisk(folder: string, options: string): boolean {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    console.warn(`SKIPPED: a small disk cannot be mounted here (${String(error).split('\n')[0]})`);
    return false;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', folder]));
  return true;
}
