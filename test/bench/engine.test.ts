import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { execute, resultOf } from './engine/contest.js';
import { changeLeaf, makeGraph, shapes, writeSources } from './engine/graph.js';
import { makers } from './engine/makers.js';
import { ours } from './engine/ours.js';
import { removeScratch } from './scratch.js';

const scratch = mkdtempSync(join(tmpdir(), 'cemiflow-bench-'));
afterAll(() => removeScratch(scratch));

test('graphs have the shape they are named after', () => {
  const chain = makeGraph('chain', 10);
  expect(chain.stages[3]).toEqual({ name: 's3', needs: ['s2'], files: [] });
  expect(chain.stages[5]!.files).toEqual(['leaf']);
  // The leaf is read in the middle: half of the chain follows from it.
  expect(chain.below).toBe(5);
  expect(makeGraph('wide', 10).below).toBe(1);
  const { stages } = makeGraph('layered', 100);
  expect(stages.slice(0, 10).every(({ needs }) => needs.length === 0)).toBe(true);
  for (const [index, { needs }] of stages.slice(10).entries()) {
    const layer = Math.floor(index / 10);
    expect(new Set(needs).size).toBe(2);
    for (const need of needs) expect(Math.floor(Number(need.slice(1)) / 10)).toBe(layer);
  }
});

test.each(shapes)(
  'cemiflow and make make the same of a graph, %s, also when its leaf has changed',
  (shape) => {
    const graph = makeGraph(shape, 12);
    const made = [ours, ...makers({ make: 'make' })].map(({ name, write }) => {
      const folder = join(scratch, shape, name);
      mkdirSync(folder, { recursive: true });
      writeSources(folder, graph);
      const project = write(folder, graph);
      execute(project.run);
      const before = resultOf(project, graph);
      changeLeaf(folder, graph, 'other');
      execute(project.run);
      project.removeOutputs();
      project.clear();
      execute(project.run);
      return { before, after: resultOf(project, graph) };
    });
    expect(made[0]!.before).not.toBe(made[0]!.after);
    expect(made[1]).toEqual(made[0]);
  },
);
