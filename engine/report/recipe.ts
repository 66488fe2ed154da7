/**
 * What a stage was made of, all above it included, as one digest without seeds and one of the seeds: results of two runs with
 * equal recipes and unlike seeds are replicas of each other. Pure.
 */
import { digestOf } from '../digest.js';
import type { RunRecord } from './run.js';

export interface Recipe {
  /** Kinds, settings and wiring of the stage and its ancestors. */
  made: string;
  /** Their seeds, in the same order. */
  seeds: string;
}

/** By instance name. */
export function recipesOf(run: RunRecord): Map<string, Recipe> {
  const recipes = new Map<string, Recipe>();
  // Stages come after all they depend on, so one pass does.
  for (const { name, kind, settings, inputs, seed } of run.started.stages) {
    const above = (part: keyof Recipe) =>
      Object.fromEntries(
        Object.entries(inputs).map(([input, sources]) => [
          input,
          sources.map((source) =>
            source.from === 'path'
              ? source.path
              : `${recipes.get(source.stage)?.[part] ?? source.stage}.${source.output}`,
          ),
        ]),
      );
    recipes.set(name, {
      made: digestOf('recipe/1', { kind, settings, inputs: above('made') }),
      seeds: digestOf('seeds/1', { seed, inputs: above('seeds') }),
    });
  }
  return recipes;
}
