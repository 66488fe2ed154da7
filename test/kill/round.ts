/** One experiment, from an empty cache to its end, killed on the way again and again, and gone on with `run` each time. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheRoot } from '../../engine/journal/run-folder.js';
import type { RunSummary } from '../../engine/run/summary.js';
import type { Random } from '../../stages/tensors/random.js';
import { type Attempt, readAttempts } from './attempts.js';
import { inspect } from './inspection.js';
import {
  attemptsOf,
  commandOf,
  type Ended,
  type Engine,
  kill,
  processesOf,
  startCemiflow,
} from './processes.js';

export type Target = 'engine' | 'stage' | 'both' | 'groups';
const targets: readonly Target[] = ['engine', 'stage', 'both', 'groups'];

export interface Kill {
  at: number;
  target: Target;
  /** Attempts that died of it: pids. */
  victims: number[];
}

export interface Round {
  kills: Kill[];
  attempts: Attempt[];
  /** What is wrong; [] where all is well. */
  wrong: string[];
  /** Longest time that a process outlived its engine, seconds. */
  outlived: number;
}

export interface RoundOptions {
  folder: string;
  file: string;
  random: Random;
  /** Kills at most. */
  kills: number;
  /** Longest life of an engine, seconds. */
  life: number;
  reference: RunSummary;
  /** How often attempts of each stage kind were killed so far; counted on here. */
  hits: Map<string, number>;
  /** performance.now() after which nothing is killed any more. */
  until: number;
  tell(line: string): void;
}

export const runWords = (file: string, runsDir: string): string[] => [
  'run',
  file,
  '--json',
  '--runs-dir',
  runsDir,
];

export async function playRound(options: RoundOptions): Promise<Round> {
  const { folder, file, random, life, hits, tell } = options;
  const [runsDir, logs] = [join(folder, 'runs'), join(folder, 'spy')];
  mkdirSync(logs, { recursive: true });
  const start = () => startCemiflow(runWords(file, runsDir), logs);
  const kills: Kill[] = [];
  const orphans: Promise<string | number>[] = [];
  let engine: Engine | undefined;
  let end: Ended | undefined;
  while (end === undefined) {
    engine ??= start();
    const living = engine;
    if (kills.length >= options.kills || performance.now() > options.until) {
      end = await finished(living);
    } else {
      const ended = await Promise.race([
        living.ended,
        momentOf(living, random, { life, logs, hits, results: join(cacheRoot(runsDir), 'results') }),
      ]);
      if (ended === undefined) {
        const those = processesOf(logs).filter((pid) => pid !== living.pid);
        const done = strike(living, targets[random.int(targets.length)]!, random);
        kills.push(done);
        const kinds = atWork(logs, done.victims).map(({ kind }) => kind);
        for (const kind of kinds) hits.set(kind, (hits.get(kind) ?? 0) + 1);
        tell(
          `kill ${kills.length}: ${done.target}, ${((done.at - living.startedAt) / 1000).toFixed(1)} s into its run`,
        );
        if (done.target === 'stage') continue;
        orphans.push(ends(those, done.at));
        // As impatient as a user: half of the time the next engine meets what the dead one has left alive.
        if (random.uniform() < 0.5) await orphans.at(-1);
        await living.ended;
        engine = undefined;
        continue;
      }
      end = checked(ended);
    }
    if (end === undefined) engine = undefined; // a stage was killed, and the run failed: it is gone on with
  }
  orphans.push(ends(processesOf(logs), Date.now()));
  // Before the inspection, which reads all artifacts in one go: nobody would look meanwhile.
  const lives = await Promise.all(orphans);
  const attempts = readAttempts(logs);
  const summary = JSON.parse(end.stdout) as RunSummary;
  const wrong = await inspect(runsDir, { summary, reference: options.reference }, attempts);
  wrong.push(...lives.filter((life) => typeof life === 'string'));
  return { kills, attempts, wrong, outlived: Math.max(...lives.filter((life) => typeof life === 'number')) };
}

/** Undefined where it failed because a stage of it was killed. @throws where it failed for any other reason */
function checked(ended: Ended): Ended | undefined {
  if (ended.code === 0) return ended;
  const stages =
    ended.code === 1 && ended.stdout !== '' ? (JSON.parse(ended.stdout) as RunSummary).stages : [];
  const failed = stages.filter(({ status }) => status === 'failed');
  if (failed.length > 0 && failed.every(({ error }) => /SIGKILL/.test(error ?? ''))) return undefined;
  throw new Error(`a run ended with exit code ${ended.code} and no kill to blame:\n${ended.stderr}`);
}

async function finished(engine: Engine): Promise<Ended | undefined> {
  return checked(await engine.ended);
}

/**
 * Resolves when it is time to kill: some time of an engine's life; or just after a stage has done its work, when the engine
 * commits it; or when the result is just written, and its checkpoint and its lock are still there; or some time after a stage has
 * begun whose kind was killed less often than the others.
 */
async function momentOf(
  engine: Engine,
  random: Random,
  {
    life,
    logs,
    hits,
    results,
  }: { life: number; logs: string; hits: ReadonlyMap<string, number>; results: string },
): Promise<undefined> {
  const patience = performance.now() + 1000 * life;
  const until = async (ready: () => boolean, milliseconds: number) => {
    while (!ready() && performance.now() < patience) await sleep(milliseconds);
  };
  const delay = random.uniform();
  switch (random.int(4)) {
    case 0:
      await sleep(1000 * life * delay);
      break;
    case 1: {
      const done = () => readdirSync(logs).filter((name) => name.endsWith('.done')).length;
      const before = done();
      await until(() => done() > before, 2);
      await sleep(80 * delay);
      break;
    }
    case 2: {
      const written = () => filesIn(results);
      const before = written();
      await until(() => written() > before, 1);
      await sleep(10 * delay);
      break;
    }
    default: {
      const usual = [...hits.values()].reduce((a, b) => a + b, 0) / Math.max(1, hits.size);
      await until(
        () => atWork(logs, attemptsOf(engine.pid)).some(({ kind }) => (hits.get(kind) ?? 0) <= usual),
        50,
      );
      // Squared: some stages take a moment only.
      await sleep(1500 * delay ** 2);
    }
  }
  return undefined;
}

/** 0 where the folder is not there yet. */
function filesIn(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.json')).length;
  } catch {
    return 0;
  }
}

const atWork = (logs: string, pids: readonly number[]): Attempt[] =>
  readAttempts(logs, pids).filter(({ end }) => end === undefined);

/** An attempt whose engine is killed ends by itself. */
function strike(engine: Engine, wanted: Target, random: Random): Kill {
  const working = attemptsOf(engine.pid);
  const target = working.length === 0 && wanted === 'stage' ? 'engine' : wanted;
  const victims = target === 'stage' ? [working[random.int(working.length)]!] : working;
  const engineFirst = random.uniform() < 0.5;
  const at = Date.now();
  if (target !== 'stage' && engineFirst) kill(engine.pid, target === 'groups');
  if (target !== 'engine') for (const pid of victims) kill(pid, target === 'groups');
  if (target !== 'stage' && !engineFirst) kill(engine.pid, target === 'groups');
  return { at, target, victims };
}

const longestOrphan = 10;

/**
 * Waits until processes whose engine is gone have ended.
 * @returns how long that took, seconds; or, after too long, what is still there, in words
 */
async function ends(pids: readonly number[], since: number): Promise<number | string> {
  const living = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
  for (;;) {
    const seconds = (Date.now() - since) / 1000;
    const left = living();
    if (left.length === 0) return seconds;
    if (seconds > longestOrphan)
      return `left over ${longestOrphan} s after its engine's end: ${left.map((pid) => `process ${pid}, ${commandOf(pid)}`).join('; ')}`;
    await sleep(20);
  }
}
