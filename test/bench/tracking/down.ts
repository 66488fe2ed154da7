/** What a run holds in memory that has much to tell and nobody to tell it to. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { journalFile } from '../../../engine/journal/run-folder.js';
import { freePort } from '../../mlflow/server.js';
import type { Benchmark, Measured } from '../benchmark.js';
import { program } from '../engine/ours.js';
import { inScratch } from './scratch-server.js';
import { environment, writeTraining } from './training.js';

export const trackingDown: Benchmark = {
  name: 'tracking-down',
  title: '1,000,000 points with the server down: memory of engine and courier',
  onlyNamed: true,
  run: () => inScratch(withoutServer),
};

async function withoutServer(scratch: string): Promise<Measured> {
  const training = {
    scratch,
    uri: `http://127.0.0.1:${await freePort()}`,
    points: 1_000_000,
    work: 0,
    names: 100,
  };
  const cwd = writeTraining(training);
  const engine = spawn(process.execPath, [program, 'run', 'x.yaml', '--runs-dir', 'runs'], {
    cwd,
    env: environment(training.uri),
    stdio: 'ignore',
  });
  const ended = once(engine, 'exit');
  let working = true;
  void ended.then(() => (working = false));
  const begun = performance.now();
  const samples: { points: number; engine: number; courier: number }[] = [];
  while (working) {
    await sleep(100);
    const courier = spawnSync('pgrep', ['-P', String(engine.pid), '-f', 'tracking/courier.js'], {
      encoding: 'utf8',
    });
    const sample = {
      points: pointsIn(join(cwd, 'runs')),
      engine: megabytes(engine.pid),
      courier: megabytes(Number(courier.stdout.trim())),
    };
    if (sample.engine > 0 && sample.courier > 0) samples.push(sample);
  }
  const [code] = (await ended) as [number];
  if (code !== 0) throw new Error(`the run ended with ${code}`);
  const seconds = (performance.now() - begun) / 1000;
  const until = (part: number) => samples.filter(({ points }) => points <= training.points * part);
  const most = (of: typeof samples, who: 'engine' | 'courier') =>
    Math.max(...of.map((sample) => sample[who]));
  const words = (who: 'engine' | 'courier') =>
    `${who}: at most ${most(until(0.1), who)} MB in the first tenth, ${most(until(0.99), who)} MB until the last point, ${most(samples, who)} MB with the report`;
  return {
    rows: [{ what: 'the run', seconds: [seconds], work: { amount: training.points, unit: 'points' } }],
    notes: [`Memory (resident), ${samples.length} samples: ${words('engine')}; ${words('courier')}.`],
  };
}

/** Of the newest run, by the size of its journal: a line has some 110 bytes. */
function pointsIn(runs: string): number {
  const run = existsSync(runs) ? readdirSync(runs).find((name) => /^\d{8}-/.test(name)) : undefined;
  if (run === undefined || !existsSync(journalFile(join(runs, run)))) return 0;
  return statSync(journalFile(join(runs, run))).size / bytesOfLine;
}

const bytesOfLine = JSON.stringify({
  at: new Date(0).toISOString(),
  type: 'metric',
  stage: 'train',
  name: 'loss/10',
  value: 0.9999999,
  step: 10_000,
}).length;

/** 0 where there is no such process. */
function megabytes(pid: number | undefined): number {
  const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(pid ?? 0)], { encoding: 'utf8' });
  return Math.round(Number(stdout.trim()) / 1000);
}
