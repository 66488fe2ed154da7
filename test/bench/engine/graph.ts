/**
 * Graphs of trivial commands, the same for every engine: a stage is `cat INPUTS | cksum > OUTPUT`, one shell and two short processes.
 * Its inputs are outputs of other stages and small source files.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * chain: each stage needs the one before, and the middle one also reads the leaf. wide: none needs another, each has a file of its own.
 * layered: ten layers; each stage reads two of the layer above, drawn at random.
 */
export const shapes = ['chain', 'wide', 'layered'] as const;
export type Shape = (typeof shapes)[number];

export interface Stage {
  name: string;
  /** Names of stages that come before it in the list. */
  needs: readonly string[];
  /** Names of files in src/. */
  files: readonly string[];
}

export interface Graph {
  shape: Shape;
  stages: readonly Stage[];
  /** The file in src/ that "one leaf changed" writes anew. */
  leaf: string;
  /** How many stages must run then. */
  below: number;
}

/** Deterministic, so that every engine and every run has the same graph. */
function random(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

export function makeGraph(shape: Shape, size: number): Graph {
  const roll = random(size);
  const width = Math.ceil(size / 10);
  const leaf = 'leaf';
  const reader = shape === 'chain' ? size >> 1 : 0;
  const stages = Array.from({ length: size }, (_, index): Stage => {
    const needs: string[] = [];
    if (shape === 'chain' && index > 0) needs.push(`s${index - 1}`);
    if (shape === 'layered' && index >= width) {
      const above = (Math.floor(index / width) - 1) * width;
      const first = roll(width);
      needs.push(`s${above + first}`);
      if (width > 1) needs.push(`s${above + ((first + 1 + roll(width - 1)) % width)}`);
    }
    const files = [
      ...(index === reader ? [leaf] : []),
      ...(needs.length === 0 && index !== reader ? [`f${index}`] : []),
    ];
    return { name: `s${index}`, needs, files };
  });
  return { shape, stages, leaf, below: countBelow(stages, leaf) };
}

function countBelow(stages: readonly Stage[], leaf: string): number {
  const changed = new Set<string>();
  for (const { name, needs, files } of stages)
    if (files.includes(leaf) || needs.some((need) => changed.has(need))) changed.add(name);
  return changed.size;
}

export function writeSources(folder: string, { stages }: Graph): void {
  mkdirSync(join(folder, 'src'), { recursive: true });
  for (const file of stages.flatMap(({ files }) => files))
    writeFileSync(join(folder, 'src', file), `${file}\n`);
}

let version = 0;
/** Content that was not there before: an engine that looks at times and one that looks at content both see it. */
export function changeLeaf(
  folder: string,
  { leaf }: Graph,
  content = `${process.pid} ${(version += 1)}`,
): void {
  writeFileSync(join(folder, 'src', leaf), `${leaf} ${content}\n`);
}
