/**
 * What a training loses to tracking: one training that goes on, while the process that delivers it is stopped and let go in turns. What
 * another core, a clock or a neighbour does to the training lasts longer than a turn, and hits both.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eachEvent, listRuns } from '../../../engine/journal/reader.js';
import { StandIn } from '../../engine/tracking/stand-in.js';
import type { MlflowServer } from '../../mlflow/server.js';
import type { Benchmark, Measured, Row } from '../benchmark.js';
import { program } from '../engine/ours.js';
import { median, medianInterval } from '../measure.js';
import { removeScratch } from '../scratch.js';
import { withServer } from './scratch-server.js';
import { environment, train, type Training, writeTraining } from './training.js';

export const trackingOverhead: Benchmark = {
  name: 'tracking-overhead',
  title:
    'a training that logs 1,000 points a second, while they are delivered and while they are not, in turns',
  onlyNamed: true,
  run: () => withServer(inTurns, 0, 4),
};

/** Of both together. */
const seconds = 300;
/** The courier delivers in one turn what was told in two: what is found is more than a run loses. */
const turn = { milliseconds: 1000, settling: 150 };

async function inTurns(server: MlflowServer, scratch: string): Promise<Measured> {
  // So many loops that a step takes a millisecond of this processor; tried with many, beside which the telling counts little.
  const tried = { scratch, uri: undefined, points: 2000, work: 50_000, names: 50 };
  const { cpu_seconds: cpu } = await train(tried);
  const training = {
    ...tried,
    points: seconds * 500,
    work: Math.round(tried.work * (0.001 / (cpu! / tried.points))),
  };
  // Takes what MLflow takes and does next to nothing with it: as a server on another machine, it costs this one only the sending.
  const elsewhere = new StandIn();
  await elsewhere.start();
  try {
    const far = await rates({ ...training, uri: elsewhere.uri });
    const near = await rates({ ...training, uri: server.uri });
    return {
      rows: [row('the server elsewhere', far), row('MLflow on the same cores', near)],
      notes: [
        `What the training loses while its points are delivered, median of turns of ${turn.milliseconds / 1000} s and those after them: the server elsewhere, ${loss(far)}; MLflow on the same cores, ${loss(near)}.`,
        'Delivered is in one turn what was told in two. Elsewhere: in the process of this benchmark, which keeps in memory what it is told.',
        `A call of metric() takes the training ${(1e6 * far.callSeconds).toFixed(1)} us: ${(100 * far.callShare).toFixed(2)} % of its time, with tracking and without.`,
      ],
    };
  } finally {
    await elsewhere.stop();
  }
}

interface Rates {
  /** Steps a second in each turn with delivery, and in the one after it. */
  pairs: { delivered: number; not: number }[];
  /** What a call of metric() takes, and the part of the training's time that all of them take. */
  callSeconds: number;
  callShare: number;
}

interface Turn {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  delivered: boolean;
}

async function rates(training: Training): Promise<Rates> {
  const cwd = writeTraining(training);
  const runs = join(cwd, 'runs');
  removeScratch(runs);
  const engine = spawn(process.execPath, [program, 'run', 'x.yaml', '--runs-dir', 'runs'], {
    cwd,
    env: environment(training.uri),
    stdio: 'ignore',
  });
  const ended = once(engine, 'exit') as Promise<[number]>;
  let working = true;
  void ended.then(() => (working = false));
  await sleep(3000);
  const courier = courierOf(engine.pid!);
  const turns: Turn[] = [];
  for (let delivered = true; working; delivered = !delivered) {
    signal(courier, delivered ? 'SIGCONT' : 'SIGSTOP');
    const from = Date.now() + turn.settling;
    await Promise.race([sleep(turn.milliseconds), ended]);
    turns.push({ from, to: Date.now(), delivered });
    // Once the stage has ended, the engine waits for the courier.
    if (turns.length * turn.milliseconds > seconds * 500) break;
  }
  signal(courier, 'SIGCONT');
  const [code] = await ended;
  if (code !== 0) throw new Error(`the run ended with ${code}`);
  return measured(turns, listRuns(runs)[0]!.folder);
}

/** @param run its folder: the journal has the time of each step */
function measured(turns: readonly Turn[], run: string): Rates {
  const steps: number[] = [];
  const figures: Record<string, number> = {};
  for (const event of eachEvent(run)) {
    if (event.type !== 'metric') continue;
    if (event.name.startsWith('loss/')) steps.push(Date.parse(event.at));
    else figures[event.name] = event.value;
  }
  const last = steps.at(-1)!;
  const rate = ({ from, to }: Turn) =>
    (1000 * steps.filter((at) => at >= from && at < to).length) / (to - from);
  const whole = turns.filter(({ to }) => to < last);
  const pairs = whole.flatMap((one, i) => {
    const next = whole[i + 1];
    return one.delivered && next ? { delivered: rate(one), not: rate(next) } : [];
  });
  const callSeconds = figures['call_seconds']!;
  return { pairs, callSeconds, callShare: (callSeconds * steps.length) / figures['seconds']! };
}

function courierOf(engine: number): number {
  const found = spawnSync('pgrep', ['-P', String(engine), '-f', 'tracking/courier.js'], { encoding: 'utf8' });
  const pid = Number(found.stdout.trim());
  if (!(pid > 0)) throw new Error('the run has no courier');
  return pid;
}

/** It may have ended with its run. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function loss({ pairs }: Rates): string {
  const percent = pairs.map(({ delivered, not }) => 100 * (1 - delivered / not));
  const [low, high] = medianInterval(percent);
  return `${median(percent).toFixed(2)} % (95 %: ${low.toFixed(2)} to ${high.toFixed(2)}, ${pairs.length} pairs)`;
}

const row = (what: string, { pairs }: Rates): Row => ({
  what: `1,000 points, ${what}`,
  seconds: pairs.map(({ delivered }) => 1000 / delivered),
  work: { amount: 1000, unit: 'points' },
  peer: { name: 'while none are delivered', seconds: pairs.map(({ not }) => 1000 / not) },
});
