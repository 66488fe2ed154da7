/** What a training loses to tracking. */
import { StandIn } from '../../engine/tracking/stand-in.js';
import type { MlflowServer } from '../../mlflow/server.js';
import type { Benchmark, Measured } from '../benchmark.js';
import { median, medianInterval, minimum, race } from '../measure.js';
import { withServer } from './scratch-server.js';
import { train } from './training.js';

export const trackingOverhead: Benchmark = {
  name: 'tracking-overhead',
  title: 'a training that logs 1,000 points a second, with tracking and without, in turns',
  onlyNamed: true,
  run: () => withServer(besideNoTracking, 19),
};

// So long that the start of the courier, a third of a second on another core, is no part of it.
const steps = 5000;

async function besideNoTracking(server: MlflowServer, scratch: string): Promise<Measured> {
  // So many loops that a step takes a millisecond of this processor; tried with many, beside which the telling counts little.
  const tried = { scratch, uri: undefined, points: 2000, work: 50_000, names: 4 };
  const { cpu_seconds: cpu } = await train(tried);
  const work = Math.round(tried.work * (0.001 / (cpu! / tried.points)));
  // Takes what MLflow takes and does next to nothing with it: as a server on another machine, it costs this one only the sending.
  const elsewhere = new StandIn();
  await elsewhere.start();
  const uris = [undefined, elsewhere.uri, server.uri];
  const turns: Record<string, number>[][] = uris.map(() => []);
  const contestants = uris.map((uri, i) => ({
    ready: () => (elsewhere.calls.length = 0),
    run: async () => turns[i]!.push(await train({ scratch, uri, points: steps, work, names: 4 })),
  }));
  try {
    await race(contestants, { rounds: 12, seconds: 160, warmUp: true, alternate: true });
  } finally {
    await elsewhere.stop();
  }
  // The warm-up is among them.
  const of = (which: number, metric: string) => turns[which]!.slice(1).map((metrics) => metrics[metric]!);
  const row = (what: string, which: number, metric: string) => ({
    what,
    seconds: of(which, metric),
    work: { amount: steps, unit: 'points' },
    peer: { name: 'without tracking', seconds: of(0, metric) },
  });
  const pairs = (which: number, metric: string) => {
    const percent = of(which, metric).map((seconds, i) => 100 * (seconds / of(0, metric)[i]! - 1));
    const [low, high] = medianInterval(percent);
    return `${median(percent).toFixed(2)} % (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
  };
  const loss = (which: number) =>
    `${pairs(which, 'seconds')} by the clock, ${pairs(which, 'cpu_seconds')} of processor time`;
  return {
    rows: [
      row('by the clock, the server elsewhere', 1, 'seconds'),
      row('processor time, the server elsewhere', 1, 'cpu_seconds'),
      row('by the clock, MLflow on the same cores', 2, 'seconds'),
      row('processor time, MLflow on the same cores', 2, 'cpu_seconds'),
    ],
    notes: [
      `Median of what the training loses over ${of(0, 'seconds').length} pairs, their order in turns: the server elsewhere, ${loss(1)}; MLflow on the same cores, ${loss(2)}.`,
      'Elsewhere: a server in the process of this benchmark that takes every call and stores what it says in memory.',
      `A call of metric() takes the training ${(1e6 * minimum(of(1, 'call_seconds'))).toFixed(1)} us.`,
    ],
  };
}
