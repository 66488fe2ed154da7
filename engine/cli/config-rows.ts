/** The values of an experiment and where each came from, a row each: `show --config`. Pure. */
import type { Json, JsonObject } from '../../stages/contract.js';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import type { Writings, Written } from '../experiment/written.js';

export interface ConfigRow {
  /** `stages.samples.with.m` */
  path: string;
  /** As it is written; what a default is. */
  value: Json;
  /** What its expressions come to, where it has any: one value, or each different one of the points. */
  computed?: Json[];
  /** Absent where it is a default. */
  written?: Written;
  /** Whose default it is. */
  defaultOf?: string;
}

/**
 * @param only a stage or an instance: its rows alone, an instance's with the values at its point
 * @returns undefined where there is no stage of that name
 */
export function configRows(
  experiment: Experiment,
  writings: Writings,
  only?: string,
): ConfigRow[] | undefined {
  const instances = experiment.stages.filter(
    ({ name, stage }) => only === undefined || name === only || stage === only,
  );
  if (instances.length === 0 && only !== undefined) return undefined;
  const byStage = new Map<string, StageInstance[]>();
  for (const instance of instances)
    byStage.set(instance.stage, [...(byStage.get(instance.stage) ?? []), instance]);
  const rows: ConfigRow[] = [];
  for (const { path, written } of writings.leaves()) {
    const [top, stage, part, ...rest] = path.map(String);
    if (top === 'stages' && stage !== undefined) {
      const points = byStage.get(stage);
      if (!points) continue;
      const before = rows.length;
      const exact = part === 'with' ? (writings.setting(points[0]!, rest) ?? written) : written;
      rows.push({ path: path.join('.'), value: written.value, written: exact });
      if (part === 'with') Object.assign(rows[before]!, computedAt(points, rest, written.value));
    } else if (only === undefined) {
      const computed = top === 'params' ? valueAt(experiment.params, path.slice(1).map(String)) : undefined;
      rows.push({
        path: path.join('.'),
        value: written.value,
        written,
        ...(computed === undefined || same(computed, written.value) ? {} : { computed: [computed] }),
      });
    }
  }
  if (only === undefined && !writings.ofFile(['seed']))
    rows.push({ path: 'seed', value: experiment.seed, defaultOf: 'an experiment' });
  return withDefaults(rows, byStage, writings);
}

/** The defaults of a stage come behind what the file says of it. */
function withDefaults(
  rows: readonly ConfigRow[],
  byStage: ReadonlyMap<string, readonly StageInstance[]>,
  writings: Writings,
): ConfigRow[] {
  const all = [...rows];
  for (const [stage, [first]] of byStage) {
    const prefix = `stages.${stage}.`;
    const defaults = [...leavesOf(first!.settings, [])]
      .filter(([path]) => !writings.setting(first!, path))
      .map(([path, value]): ConfigRow => ({
        path: `${prefix}with.${path.join('.')}`,
        value,
        defaultOf: first!.kind,
      }));
    const last = all.findLastIndex(({ path }) => path.startsWith(prefix));
    all.splice(last + 1, 0, ...defaults);
  }
  return all;
}

function computedAt(points: readonly StageInstance[], path: readonly string[], value: Json) {
  const values = points.map(({ settings }) => valueAt(settings, path));
  const different = values.filter(
    (one, index) => one !== undefined && values.findIndex((other) => same(other, one)) === index,
  ) as Json[];
  return different.length === 0 || (different.length === 1 && same(different[0], value))
    ? {}
    : { computed: different };
}

function* leavesOf(value: Json, path: string[]): Generator<[string[], Json]> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0)
    for (const [key, inner] of Object.entries(value)) yield* leavesOf(inner, [...path, key]);
  else yield [path, value];
}

function valueAt(value: Json, path: readonly string[]): Json | undefined {
  let at: Json | undefined = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as JsonObject)[step];
  }
  return at;
}

const same = (a: Json | undefined, b: Json | undefined) => JSON.stringify(a) === JSON.stringify(b);
