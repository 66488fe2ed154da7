/** What a training loses to tracking. */
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

const steps = 3000;

async function besideNoTracking(server: MlflowServer, scratch: string): Promise<Measured> {
  // So many loops that a step takes a millisecond of this processor; tried with many, beside which the telling counts little.
  const tried = { scratch, uri: undefined, points: 2000, work: 50_000, names: 4 };
  const { cpu_seconds: cpu } = await train(tried);
  const work = Math.round(tried.work * (0.001 / (cpu! / tried.points)));
  const turns: Record<string, number>[][] = [[], []];
  const turnOf = (turn: Record<string, number>[], uri: string | undefined) => async () => {
    turn.push(await train({ scratch, uri, points: steps, work, names: 4 }));
  };
  await race([{ run: turnOf(turns[0]!, server.uri) }, { run: turnOf(turns[1]!, undefined) }], {
    rounds: 20,
    seconds: 120,
    warmUp: true,
    alternate: true,
  });
  // The warm-up is among them.
  const of = (which: number, metric: string) => turns[which]!.slice(1).map((metrics) => metrics[metric]!);
  const row = (what: string, metric: string) => ({
    what,
    seconds: of(0, metric),
    work: { amount: steps, unit: 'points' },
    peer: { name: 'without', seconds: of(1, metric) },
  });
  const pairs = (metric: string) => {
    const percent = of(0, metric).map((seconds, i) => 100 * (seconds / of(1, metric)[i]! - 1));
    const [low, high] = medianInterval(percent);
    return `${median(percent).toFixed(2)} % (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
  };
  return {
    rows: [row('the training, by the clock', 'seconds'), row('the training, processor time', 'cpu_seconds')],
    notes: [
      `Median over ${of(0, 'seconds').length} pairs, their order in turns: ${pairs('seconds')} by the clock, ${pairs('cpu_seconds')} of processor time.`,
      'The server shares the machine and gives way to the training (nice 19): its own work is not what is measured.',
      `A call of metric() takes the training ${(1e6 * minimum(of(0, 'call_seconds'))).toFixed(1)} us.`,
    ],
  };
}
