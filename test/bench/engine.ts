/** What the engine itself costs, in whole processes as a user waits for them: start-up, planning, running trivial commands. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../engine/cli/invocation.js';
import type { Benchmark, Measured, Row } from './benchmark.js';
import { type Graph, type Shape, writeGraph } from './graphs.js';
import { type Contestant, type Patience, race } from './measure.js';
import { makeScratch, removeScratch } from './scratch.js';

const program = join(packageRoot, 'dist/engine/cli/main.js');
const shapes: readonly Shape[] = ['chain', 'wide'];
/** Stages at a time, in both. */
const jobs = 2;

function execute(command: string, words: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: Infinity,
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0)
    throw new Error(`${command} ${words.slice(0, 3).join(' ')}: exit ${status}\n${stderr.slice(0, 1000)}`);
}

const node = (...words: string[]) => execute(process.execPath, words);
const hasMake = () => spawnSync('make', ['--version'], { stdio: 'ignore' }).status === 0;

export const engineStart: Benchmark = {
  name: 'engine-start',
  title: '`cemiflow --version`, start to end',
  async run() {
    const [ours, bare] = await race(
      [{ run: () => node(program, '--version') }, { run: () => node('-e', '0') }],
      {
        rounds: 7,
        seconds: 8,
        warmUp: true,
      },
    );
    return {
      rows: [{ what: '--version', seconds: ours!, peer: { name: 'bare node', seconds: bare! } }],
      notes: [],
    };
  },
};

export const enginePlan: Benchmark = {
  name: 'engine-plan',
  title: '`cemiflow plan`: start, load and plan, with nothing cached',
  run: () =>
    onGraphs(
      shapes.flatMap((shape) => [100, 1000, 10_000].map((stages) => ({ shape, stages }))),
      async ({ ours, theirs }) => [
        {
          what: 'plan',
          peer: 'make -n',
          times: await raceMake(
            { run: () => node(program, 'plan', ...ours) },
            { run: () => execute('make', ['-n', ...theirs]) },
            { rounds: 3, seconds: 2 },
          ),
        },
      ],
    ),
};

export const engineRun: Benchmark = {
  name: 'engine-run',
  title: `\`cemiflow run -j${jobs}\` of trivial commands: cold, then again with everything there`,
  run: () =>
    onGraphs(
      [
        { shape: 'chain', stages: 100 },
        { shape: 'wide', stages: 100 },
        { shape: 'wide', stages: 1000 },
      ],
      async (graph) => {
        const ours = { run: () => node(program, 'run', ...graph.ours, `-j${jobs}`) };
        const theirs = { run: () => execute('make', [`-j${jobs}`, ...graph.theirs]) };
        const peer = `make -j${jobs}`;
        return [
          {
            what: 'cold run',
            peer,
            times: await raceMake(
              { ...ours, ready: () => graph.clearOurs() },
              { ...theirs, ready: () => graph.clearTheirs() },
              { rounds: 3, seconds: 4 },
            ),
          },
          { what: 'no-op run', peer, times: await raceMake(ours, theirs, { rounds: 5, seconds: 4 }) },
        ];
      },
    ),
};

interface Result {
  what: string;
  peer: string;
  /** Ours, and make's where it is installed. */
  times: number[][];
}

const raceMake = (ours: Contestant, make: Contestant, patience: Patience) =>
  race(hasMake() ? [ours, make] : [ours], patience);

async function onGraphs(
  cases: readonly { shape: Shape; stages: number }[],
  measure: (graph: Graph) => Promise<Result[]>,
): Promise<Measured> {
  const scratch = makeScratch();
  const rows: Row[] = [];
  for (const { shape, stages } of cases) {
    for (const { what, peer, times } of await measure(writeGraph(scratch, shape, stages))) {
      const [ours, make] = times;
      rows.push({
        what: `${what}, ${shape} of ${stages.toLocaleString('en')}`,
        seconds: ours!,
        work: { amount: stages, unit: 'stages' },
        ...(make ? { peer: { name: peer, seconds: make } } : {}),
      });
    }
  }
  removeScratch(scratch);
  const note = hasMake()
    ? 'make looks at file times only; cemiflow hashes, journals and fsyncs what each stage made.'
    : 'make is not installed, so nothing stands beside these.';
  return { rows, notes: [note] };
}
