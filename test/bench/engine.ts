/** What the engine itself costs, in whole processes as a user waits for them: start-up, planning, running trivial commands. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Benchmark, Measured, Row } from './benchmark.js';
import { type Engine, execute, jobs, type Line, type Project, resultOf } from './engine/contest.js';
import { changeLeaf, type Graph, makeGraph, type Shape, shapes, writeSources } from './engine/graph.js';
import { makers } from './engine/makers.js';
import { npmRunners } from './engine/npm-runners.js';
import { ours, program } from './engine/ours.js';
import { findTools } from './engine/tools.js';
import { type Contestant, type Patience, race } from './measure.js';
import { makeScratch, removeScratch } from './scratch.js';

const node = (...words: string[]) => execute({ program: process.execPath, words, cwd: process.cwd() });

export const engineStart: Benchmark = {
  name: 'engine-start',
  title: '`cemiflow --version`, start to end',
  async run() {
    const [version, bare] = await race(
      [{ run: () => node(program, '--version') }, { run: () => node('-e', '0') }],
      { rounds: 7, seconds: 8, warmUp: true },
    );
    return {
      rows: [{ what: '--version', seconds: version!, peer: { name: 'bare node', seconds: bare! } }],
      notes: [],
    };
  },
};

export const enginePlan: Benchmark = {
  name: 'engine-plan',
  title: '`cemiflow plan`: start, load and plan, with nothing cached',
  run: () =>
    besideMake(
      (['chain', 'wide'] as const).flatMap((shape) => [100, 1000, 10_000].map((size) => ({ shape, size }))),
      [{ step: 'plan', patience: { rounds: 3, seconds: 2 } }],
    ),
};

export const engineRun: Benchmark = {
  name: 'engine-run',
  title: `\`cemiflow run -j${jobs}\` of trivial commands: cold, then again with everything there`,
  run: () =>
    besideMake(
      [
        { shape: 'chain', size: 100 },
        { shape: 'wide', size: 100 },
        { shape: 'wide', size: 1000 },
      ],
      [
        { step: 'cold', patience: { rounds: 3, seconds: 4 } },
        { step: 'no-op', patience: { rounds: 5, seconds: 4 } },
      ],
    ),
};

/** A quarter of an hour and more: not among those that run where none is named. */
export const enginePeers: Benchmark = {
  name: 'engine-peers',
  title: `plan and run -j${jobs}, beside the engines that people know`,
  onlyNamed: true,
  async run({ sizes }) {
    const { tools, missing } = findTools();
    const peers = [...makers(tools), ...npmRunners(tools)];
    const cases = sizes.flatMap((size) => shapes.map((shape) => ({ shape, size })));
    // Long ones are timed once.
    const patience: Patience = { rounds: 3, seconds: 20 };
    const measured = await onGraphs(
      cases,
      [ours, ...peers],
      steps.map((step) => ({ step, patience })),
    );
    return {
      rows: measured.rows,
      notes: [
        ...missing.map((text) => `LEFT OUT: ${text}`),
        ...measured.notes,
        ...[ours, ...peers].map(
          ({ name, decidesBy, largest }) => `${name}, up to ${largest} stages, decides by ${decidesBy}`,
        ),
      ],
    };
  },
};

const steps = ['plan', 'cold', 'no-op', 'one leaf changed', 'outputs deleted'] as const;
type Step = (typeof steps)[number];

interface Case {
  shape: Shape;
  size: number;
}

interface Turn {
  step: Step;
  patience: Patience;
}

async function besideMake(cases: readonly Case[], turns: readonly Turn[]): Promise<Measured> {
  const has = spawnSync('make', ['--version'], { stdio: 'ignore' }).status === 0;
  const measured = await onGraphs(cases, [ours, ...(has ? makers({ make: 'make' }) : [])], turns);
  const note = has
    ? 'make looks at file times only; cemiflow hashes, journals and fsyncs what each stage made.'
    : 'make is not installed, so nothing stands beside these.';
  return { rows: measured.rows, notes: [note, ...measured.notes] };
}

/** The first engine's times beside those of the others, step by step, in the same rounds. */
async function onGraphs(
  cases: readonly Case[],
  engines: readonly Engine[],
  turns: readonly Turn[],
): Promise<Measured> {
  const scratch = makeScratch();
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const { shape, size } of cases) {
    const graph = makeGraph(shape, size);
    const entered: { name: string; folder: string; project: Project }[] = [];
    for (const { name, largest, not, write } of engines) {
      if (size > largest || not?.includes(`${shape}-${size}`)) continue;
      const folder = join(scratch, `${shape}-${size}`, name);
      mkdirSync(folder, { recursive: true });
      writeSources(folder, graph);
      entered.push({ name, folder, project: write(folder, graph) });
    }
    for (const { step, patience } of turns) {
      const contestants = entered.flatMap(({ name, folder, project }) => {
        const line = step === 'plan' ? project.plan : project.run;
        return line ? [{ name, contestant: contestantOf(step, line, folder, project, graph) }] : [];
      });
      const failed = new Map<string, string>();
      const times = await race(
        contestants.map(({ name, contestant }) => guarded(contestant, (error) => failed.set(name, error))),
        patience,
      );
      for (const [name, error] of failed)
        notes.push(`${name} failed at ${shape} of ${size}, ${step}: ${error}`);
      const [mine, ...others] = contestants.map(({ name }, index) => ({ name, seconds: times[index]! }));
      if (!mine || failed.has(mine.name)) continue;
      const stages = step === 'one leaf changed' ? graph.below : size;
      rows.push({
        what: `${step}, ${shape} of ${size.toLocaleString('en')}${step === 'one leaf changed' ? `, ${stages} below` : ''}`,
        seconds: mine.seconds,
        work: { amount: stages, unit: 'stages' },
        peers: others.filter(({ name }) => !failed.has(name)),
      });
      // All must have made the same, or the times mean nothing.
      if (step === 'cold') {
        const [first, ...rest] = entered
          .filter(({ name }) => !failed.has(name))
          .map((one) => ({ ...one, made: resultOf(one.project, graph) }));
        for (const { name, made } of rest)
          if (made !== first!.made)
            notes.push(`${name} made something else than ${first!.name} at ${shape} of ${size}`);
      }
    }
    removeScratch(join(scratch, `${shape}-${size}`));
  }
  removeScratch(scratch);
  return { rows, notes };
}

function contestantOf(step: Step, line: Line, folder: string, project: Project, graph: Graph): Contestant {
  const run = () => execute(line);
  switch (step) {
    case 'plan':
    case 'cold':
      return { ready: () => project.clear(), run };
    case 'no-op':
      return { run };
    case 'one leaf changed':
      return { ready: () => changeLeaf(folder, graph), run };
    case 'outputs deleted':
      return { ready: () => project.removeOutputs(), run };
  }
}

/** One that fails is out of the race, and the others go on. */
function guarded({ ready, run }: Contestant, fail: (error: string) => void): Contestant {
  let out = false;
  const attempt = (work: () => unknown) => () => {
    if (out) return;
    try {
      work();
    } catch (error) {
      out = true;
      fail((error as Error).message.replace(/\s+/g, ' ').slice(0, 300));
    }
  };
  return { ...(ready ? { ready: attempt(ready) } : {}), run: attempt(run) };
}
