/** An engine in the benchmarks: how it is told a graph, and the lines that plan and run it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Graph } from './graph.js';

/** Stages at a time, in all engines. */
export const jobs = 2;

export interface Line {
  program: string;
  words: readonly string[];
  cwd: string;
  env?: Readonly<Record<string, string>>;
}

/** One graph, written for one engine. */
export interface Project {
  run: Line;
  /** Absent where it has nothing like it. */
  plan?: Line;
  /** Back to nothing made and nothing remembered. */
  clear(): void;
  /** Removes what was made, and leaves what the engine remembers. */
  removeOutputs(): void;
  /** The file that a stage made, after a run. */
  output(stage: string): string;
}

export interface Engine {
  name: string;
  /** What it looks at to decide, for readers. */
  decidesBy: string;
  /** It takes minutes for more stages than that. */
  largest: number;
  /** Shapes it cannot do. */
  not?: readonly string[];
  /** Writes the graph into an empty folder that has src/ already. */
  write(folder: string, graph: Graph): Project;
}

/** Runs a line to its end. @throws an Error with what it said, where it fails */
export function execute({ program, words, cwd, env }: Line): string {
  const { status, error, stdout, stderr } = spawnSync(program, words, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: Infinity,
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0)
    throw new Error(
      `${program} ${words.slice(0, 3).join(' ')}: exit ${status}\n${`${stdout}${stderr}`.slice(-1000)}`,
    );
  return stdout;
}

/**
 * Moves these out of a project's folder, to beside it, instead of removing them: where thousands of files have just been removed, a disk may
 * be slow to make others (ext4 without a journal looks at all that it removed in the last minutes), and that would be timed.
 */
export function moveAway(folder: string, names: readonly string[]): void {
  mkdirSync(`${folder}.old`, { recursive: true });
  const old = mkdtempSync(join(`${folder}.old`, 'turn-'));
  for (const name of names)
    if (existsSync(join(folder, name))) renameSync(join(folder, name), join(old, name));
}

/** What all stages made, put together: two engines that did the same work have the same. */
export function resultOf(project: Project, { stages }: Graph): string {
  return stages.map(({ name }) => readFileSync(project.output(name), 'utf8')).join('');
}
