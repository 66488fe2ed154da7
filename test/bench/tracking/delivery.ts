/** How fast a run is delivered, beside MLflow's own Python client. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../engine/cli/invocation.js';
import type { JournalEvent } from '../../../engine/journal/events.js';
import { journalFile } from '../../../engine/journal/run-folder.js';
import { deliverRun } from '../../../engine/tracking/deliver-run.js';
import { mlflowClient } from '../../../engine/tracking/mlflow-client.js';
import { type MlflowServer, python } from '../../mlflow/server.js';
import type { Benchmark, Measured } from '../benchmark.js';
import { median, minimum, race } from '../measure.js';
import { withServer } from './scratch-server.js';

/** As many processes as `mlflow server` starts by itself, and one. */
export const [trackingDelivery, trackingDeliveryOne] = [4, 1].map((workers): Benchmark => ({
  name: workers === 4 ? 'tracking-delivery' : 'tracking-delivery-one',
  title: `100,000 points delivered, beside MLflow's own Python client on the same points; server of ${workers} ${workers === 1 ? 'process' : 'processes'}`,
  onlyNamed: true,
  run: () => withServer(besidePython, 0, workers),
})) as [Benchmark, Benchmark];

const points = 100_000;
/** MLflow's client sends each of these by itself, which takes too long for all. */
const oneByOne = 1000;
const asynchronous = 2000;

async function besidePython(server: MlflowServer, scratch: string): Promise<Measured> {
  const told = Array.from({ length: points }, (_, i) => ({
    key: `loss/${'abcd'[i % 4]}`,
    value: Math.exp(-i / 40_000),
    timestamp: 1_790_000_000_000 + i,
    step: Math.floor(i / 4),
  }));
  const lines = told
    .map(({ key, value, timestamp, step }) => `${key} ${value} ${timestamp} ${step}\n`)
    .join('');
  const calls: number[] = [];
  let turn = 0;
  const ours = {
    ready: () => writeJournal(scratch, turn++, told),
    run: () => deliver(server.uri, scratch, turn - 1, calls),
  };
  const peer = (way: string, count: number) => {
    const answer = spawnSync(
      python(),
      [join(packageRoot, 'test/bench/tracking/mlflow_peer.py'), server.uri, way, String(count)],
      {
        input: lines,
        encoding: 'utf8',
        maxBuffer: 1 << 26,
      },
    );
    if (answer.status !== 0) throw new Error(answer.stderr);
    return JSON.parse(answer.stdout.trim().split('\n').at(-1)!) as { seconds: number; call: number };
  };
  const batches: { seconds: number; call: number }[] = [];
  const [seconds] = await race([ours, { run: () => batches.push(peer('log_batch', points)) }], {
    rounds: 3,
    seconds: 35,
    // Each of the server's processes loads what it needs at its first call.
    warmUp: true,
  });
  const single = peer('log_metric', oneByOne);
  const later = peer('async', asynchronous);
  const scaled = ({ seconds }: { seconds: number }, count: number) => [(seconds * points) / count];
  const ms = (value: number) => `${(1000 * value).toPrecision(3)} ms`;
  return {
    rows: [
      {
        what: '100,000 points, all on the server',
        seconds: seconds!,
        work: { amount: points, unit: 'points' },
        peers: [
          { name: 'log_batch of 1,000', seconds: batches.slice(1).map((one) => one.seconds) },
          { name: `log_metric (from ${oneByOne} of them)`, seconds: scaled(single, oneByOne) },
          {
            name: `log_metric, synchronous=False (from ${asynchronous})`,
            seconds: scaled(later, asynchronous),
          },
        ],
      },
    ],
    notes: [
      `A log-batch of 1,000 points, median: ${ms(median(calls) / 1000)} here, ${ms(minimum(batches.slice(1).map(({ call }) => call)))} from Python; most of it is the server's own work.`,
      `A call in the training, median: log_metric ${ms(single.call)}, with synchronous=False ${ms(later.call)}; here see tracking-overhead.`,
    ],
  };
}

const runFolder = (scratch: string, turn: number) =>
  join(scratch, `20261124-120000-${turn.toString(16).padStart(4, '0')}`);

/** The journal of a run that has ended, with these points. */
function writeJournal(
  scratch: string,
  turn: number,
  told: readonly { key: string; value: number; timestamp: number; step: number }[],
): void {
  const folder = runFolder(scratch, turn);
  mkdirSync(folder);
  const at = new Date(told[0]!.timestamp).toISOString();
  const stage = {
    name: 'train',
    stage: 'train',
    kind: 'training',
    point: {},
    settings: {},
    inputs: {},
    outputs: {},
    seed: 0,
  };
  const events: JournalEvent[] = [
    {
      at,
      type: 'run-started',
      run: folder.slice(-20),
      ...{
        name: 'bench',
        file: 'x.yaml',
        command: ['run'],
        pid: 1,
        host: 'bench',
        device: 'cpu',
        version: '0',
      },
      ...{ seed: 0, params: {}, report: {}, stages: [stage] },
    },
    { at, type: 'stage-started', stage: 'train', key: '0', attempt: 1, device: 'cpu', log: '' },
    ...told.map(({ key, value, timestamp, step }): JournalEvent => ({
      at: new Date(timestamp).toISOString(),
      type: 'metric',
      stage: 'train',
      name: key,
      value,
      step,
    })),
    {
      at,
      type: 'stage-ended',
      ...{
        stage: 'train',
        status: 'ok',
        seconds: 1,
        peakRssBytes: 1,
        outputs: {},
        metrics: {},
        warnings: [],
      },
    },
    { at, type: 'run-ended', status: 'ok', seconds: 1 },
  ];
  writeFileSync(journalFile(folder), events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

/** @param calls takes the milliseconds of each call that carries as many points as one may */
async function deliver(uri: string, scratch: string, turn: number, calls: number[]): Promise<void> {
  const client = mlflowClient(uri, { verify: true, timeoutSeconds: 120 });
  const { call } = client;
  client.call = async (endpoint, request, how) => {
    const begun = performance.now();
    const answer = await call(endpoint, request, how);
    if ((request as { metrics?: unknown[] }).metrics?.length === 1000) calls.push(performance.now() - begun);
    return answer;
  };
  const nothing = { folder: () => undefined, comparison: () => Promise.resolve(undefined) };
  const delivered = await deliverRun({
    client,
    folder: runFolder(scratch, turn),
    target: { uri, experiment: 'bench-cemiflow' },
    extras: { ...nothing, plots: () => Promise.resolve([]), cards: () => Promise.resolve({}) },
    say: () => undefined,
    hurry: AbortSignal.abort(),
  });
  client.close();
  if (!delivered.complete) throw delivered.trouble ?? new Error('not everything was delivered');
}
