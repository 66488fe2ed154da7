/** An experiment of one training, training.js, that tells points as fast as it is asked to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../engine/cli/invocation.js';
import type { RunSummary } from '../../../engine/run/summary.js';
import { program } from '../engine/ours.js';
import { removeScratch } from '../scratch.js';

export interface Training {
  scratch: string;
  uri: string | undefined;
  points: number;
  work: number;
  names: number;
}

export function writeTraining({ scratch, points, work, names }: Training): string {
  const folder = join(scratch, 'project');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(packageRoot, 'test/bench/tracking/training.js'), join(folder, 'training.js'));
  const settings = JSON.stringify({ points, work, names });
  writeFileSync(
    join(folder, 'x.yaml'),
    `name: bench\nstages:\n  train: { uses: ./training.js, with: ${settings} }\n`,
  );
  return folder;
}

export function environment(uri: string | undefined): NodeJS.ProcessEnv {
  const { MLFLOW_TRACKING_URI: _, ...rest } = process.env;
  return { ...rest, ...(uri === undefined ? {} : { MLFLOW_TRACKING_URI: uri }) };
}

/** One run from nothing. @returns what the training measured of itself */
export async function train(training: Training): Promise<Record<string, number>> {
  const cwd = writeTraining(training);
  removeScratch(join(cwd, 'runs'));
  const child = spawn(process.execPath, [program, 'run', 'x.yaml', '--json', '--runs-dir', 'runs'], {
    cwd,
    env: environment(training.uri),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece: Buffer) => (said.stdout += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (said.stderr += piece.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(said.stderr);
  return (JSON.parse(said.stdout) as RunSummary).stages[0]!.metrics;
}
