/**
 * The comparison of evaluated models, within a run and across runs: accuracy per protocol, AVG (the mean of the protocols),
 * GtR (AVG of the baseline minus AVG; CemiFace, Table 6), similarity to the inquiry image. All computed here from what
 * stages measured; nothing is typed in. Replicas over seeds, of one run or of several, are one row with mean, standard
 * deviation and count.
 */
import { mean, sampleStandardDeviation } from 'simple-statistics';
import type { JsonObject } from '../../stages/contract.js';
import type { Scalar } from '../experiment/experiment.js';
import type { PlannedStage } from '../journal/events.js';
import { noticesOf } from './notices.js';
import { type Recipe, recipesOf } from './recipe.js';
import { ancestors, type RunRecord } from './run.js';
import { type TrainingData, trainingDataOf } from './training-data.js';

export interface ComparisonRow {
  /** The stage and its point. Where several runs are compared, with the run before it, unless it has replicas in several. */
  label: string;
  /** The run of its first replica. */
  run: string;
  /** The evaluate instance of its first replica. */
  stage: string;
  /** The matrix point, without the seed where replicas are merged. */
  params: Record<string, Scalar>;
  /** Means over replicas: `<protocol>/accuracy`, `avg/accuracy`, ..., and `eid_similarity/mean`, `judge_*` of the data behind. */
  metrics: Record<string, number>;
  /** In the unit of accuracy, [-1, 1]; null without a baseline. */
  gtr: number | null;
  /** How many replicas. */
  n: number;
  /** Sample standard deviation of avg/accuracy over replicas; null for one. */
  std: number | null;
  /** What the model was trained on, as the first replica's card has it. */
  data: TrainingData | null;
  /** The protocol card of the first replica, where it could be read; its `seeds` are lists of all replicas' where they differ. */
  card: JsonObject | null;
  /** All replicas. */
  members: Member[];
}

export interface Member {
  run: string;
  stage: string;
}

export interface Comparison {
  baseline: string | null;
  /** In the order in which the first row names them. */
  protocols: string[];
  rows: ComparisonRow[];
  /** What a reader must know before believing the table: unlike protocols and sizes, single seeds, missing rows. */
  notices: string[];
}

export interface CompareSource {
  run: RunRecord;
  /** Reads the protocol card of an evaluate instance's result; null where the artifact is gone. */
  card(stage: string): JsonObject | null;
}

export interface CompareOptions {
  /** A row's instance or stage name; the first run's report.baseline otherwise. */
  baseline?: string | undefined;
  /** Rows of different runs stay apart, although they differ in nothing but the seed. */
  apart?: boolean | undefined;
  /** Which rows are shown; the baseline need not be one of them. */
  select?: ((rows: ComparisonRow[]) => ComparisonRow[]) | undefined;
}

export function compareRuns(sources: readonly CompareSource[], options: CompareOptions = {}): Comparison {
  const notices: string[] = [];
  const evaluated = sources.flatMap((source) => evaluatedIn(source, notices));
  const buckets = replicasOf(evaluated, options.apart === true, notices);
  const several = new Set(sources.map(({ run }) => run.started.run)).size > 1;
  const rows = buckets.map((bucket) => rowOf(bucket, several));
  const wanted = options.baseline ?? sources[0]?.run.started.report.baseline;
  const baseline = wanted === undefined ? undefined : rows.find((row) => isRow(row, wanted));
  if (wanted !== undefined && !baseline)
    notices.push(
      `The baseline '${wanted}' has no result, so no GtR is given. Rows: ${rows.map((row) => row.label).join(', ') || 'none'}.`,
    );
  const baselineAvg = baseline?.metrics['avg/accuracy'];
  for (const row of rows) {
    const avg = row.metrics['avg/accuracy'];
    row.gtr = baselineAvg === undefined || avg === undefined ? null : baselineAvg - avg;
  }
  const label = baseline?.label ?? null;
  const shown = options.select?.(rows) ?? rows;
  if (shown.length < rows.length)
    notices.push(
      `${rows.length - shown.length} of ${rows.length} rows are not shown: the filter does not hold.`,
    );
  return {
    baseline: label,
    protocols: protocolsOf(shown),
    rows: shown,
    notices: [...notices, ...noticesOf(shown, label)],
  };
}

const isRow = (row: ComparisonRow, name: string) =>
  row.label === name || row.members.some(({ stage }) => stage === name);

function protocolsOf(rows: readonly ComparisonRow[]): string[] {
  const names = new Set<string>();
  for (const row of rows) {
    for (const metric of Object.keys(row.metrics)) {
      const protocol = /^(.+)\/accuracy$/.exec(metric)?.[1];
      if (protocol && protocol !== 'avg') names.add(protocol);
    }
  }
  return [...names];
}

/** One evaluate instance that ended well. */
interface Evaluated {
  source: CompareSource;
  stage: PlannedStage;
  /** `score@m=0`: without the seed. */
  label: string;
  params: Record<string, Scalar>;
  recipe: Recipe;
  /** Equal where two runs show one and the same result. */
  identity: string;
}

function evaluatedIn(source: CompareSource, notices: string[]): Evaluated[] {
  const { run } = source;
  const wanted = wantedStages(run);
  if (wanted.length === 0) return [];
  const recipes = recipesOf(run);
  const missing: string[] = [];
  const found = wanted.flatMap((stage) => {
    const end = run.results.get(stage.name);
    if (end?.status !== 'ok' && end?.status !== 'cached') {
      missing.push(`${stage.name} has no result in run ${run.started.run} (${end?.status ?? 'not reached'})`);
      return [];
    }
    const { seed: _, ...params } = stage.point;
    const point = Object.entries(params).map(([name, value]) => `${name}=${value}`);
    const label = stage.stage + (point.length > 0 ? `@${point.join(',')}` : '');
    const identity = end.key ?? `${run.started.run}:${stage.name}`;
    return [{ source, stage, label, params, recipe: recipes.get(stage.name)!, identity }];
  });
  if (missing.length <= 3) notices.push(...missing.map((words) => `${words}: it has no row.`));
  else notices.push(`${missing[0]}, as ${missing.length - 1} more of its stages: they have no rows.`);
  return found;
}

/** Evaluate instances that the report asks for, in its order; all of them where it asks for none. */
function wantedStages(run: RunRecord): PlannedStage[] {
  const evaluated = run.started.stages.filter((stage) => stage.kind === 'evaluate');
  const asked = run.started.report.rows;
  if (!asked) return evaluated;
  return asked.flatMap((name) =>
    run.started.stages.filter((stage) => stage.name === name || stage.stage === name),
  );
}

/** What becomes a row. */
interface Bucket {
  replicas: [Evaluated, ...Evaluated[]];
  /** Also those that merely show a replica's result again. */
  runs: Set<string>;
}

/**
 * Within a run: the points that differ in the seed alone. Across runs: the same recipe with other seeds. The same recipe with
 * the same seeds and another result was made by other code or on another device, and stays apart.
 */
function replicasOf(all: readonly Evaluated[], apart: boolean, notices: string[]): Bucket[] {
  const byLabel = new Map<string, Bucket[]>();
  const repeated = new Map<string, number>();
  for (const one of all) {
    const { source, label, recipe, identity } = one;
    const run = source.run.started.run;
    const others = byLabel.get(label) ?? [];
    byLabel.set(label, others);
    const takes = ({ replicas: [first, ...rest] }: Bucket) => {
      if (first.source === source) return true;
      if (apart || first.recipe.made !== recipe.made) return false;
      return [first, ...rest].every(
        (other) => other.recipe.seeds !== recipe.seeds || other.identity === identity,
      );
    };
    const bucket = others.find(takes);
    if (!bucket) others.push({ replicas: [one], runs: new Set([run]) });
    else {
      bucket.runs.add(run);
      if (bucket.replicas.some((other) => other.identity === identity))
        repeated.set(run, (repeated.get(run) ?? 0) + 1);
      else bucket.replicas.push(one);
    }
  }
  for (const [run, count] of repeated)
    notices.push(
      `${count} ${count === 1 ? 'result' : 'results'} of run ${run} came from the cache, the same as another run's, and ${count === 1 ? 'counts' : 'count'} once.`,
    );
  const buckets = [...byLabel.values()].flat();
  for (const { replicas } of buckets) {
    const commits = new Set(replicas.map(({ source }) => commitOf(source.run)));
    if (commits.size > 1)
      notices.push(
        `The replicas of ${replicas[0].label} were made by different code: ${[...commits].join('; ')}.`,
      );
  }
  return buckets;
}

function commitOf({ started }: RunRecord): string {
  if (!started.git) return `cemiflow ${started.version} in run ${started.run}`;
  // What the changes were nobody knows, so two runs with changes are not the same code.
  return started.git.dirty
    ? `${started.git.commit.slice(0, 10)} with changes in run ${started.run}`
    : started.git.commit.slice(0, 10);
}

function rowOf({ replicas, runs }: Bucket, several: boolean): ComparisonRow {
  const { source, stage, label, params } = replicas[0];
  const run = source.run.started.run;
  const measured = replicas.map((one) => metricsOf(one.source.run, one.stage));
  const averages = measured.flatMap((metrics) => metrics['avg/accuracy'] ?? []);
  const card = cardOf(replicas);
  return {
    label: several && runs.size === 1 ? `${run}:${label}` : label,
    run,
    stage: stage.name,
    params,
    metrics: meanOf(measured),
    gtr: null,
    n: replicas.length,
    std: averages.length > 1 ? sampleStandardDeviation(averages) : null,
    data: trainingDataOf(card),
    card,
    members: replicas.map((one) => ({ run: one.source.run.started.run, stage: one.stage.name })),
  };
}

function cardOf([first, ...others]: Bucket['replicas']): JsonObject | null {
  const card = first.source.card(first.stage.name);
  if (!card || others.length === 0) return card;
  const seedsOf = (one: JsonObject) => (one['seeds'] ?? {}) as JsonObject;
  const cards = [card, ...others.map((one) => one.source.card(one.stage.name)).filter((one) => one !== null)];
  const seeds = Object.keys(seedsOf(card)).map((name) => {
    const values = [...new Set(cards.map((one) => seedsOf(one)[name] ?? null))];
    return [name, values.length === 1 ? values[0]! : values] as const;
  });
  return { ...card, seeds: Object.fromEntries(seeds) };
}

function meanOf(measured: readonly Record<string, number>[]): Record<string, number> {
  const names = new Set(measured.flatMap((metrics) => Object.keys(metrics)));
  const means = [...names].map(
    (name) => [name, mean(measured.flatMap((metrics) => metrics[name] ?? []))] as const,
  );
  return Object.fromEntries(means);
}

/** Says how a stage ran, not what came of it. */
const ofTheRun = 'data_wait';

/** A row's own metrics, and those of the data its model was trained on: from the set itself, and from a judge of the set. */
function metricsOf(run: RunRecord, stage: PlannedStage): Record<string, number> {
  const { [ofTheRun]: _, ...metrics } = run.results.get(stage.name)?.metrics ?? {};
  const behind = ancestors(run, stage.name);
  const generated = behind.find((ancestor) => ancestor.kind === 'generate');
  if (generated) copy(run.results.get(generated.name)?.metrics, /^similarity\//, 'eid_');
  const data = generated ?? trainingData(run, behind);
  const judge =
    data && run.started.stages.find((other) => other.kind === 'quality' && usesDataset(other, data.name));
  if (judge)
    copy(
      run.results.get(judge.name)?.metrics,
      /^(similarity|intra|inter)\/|^(frechet|frechet_floor|sharpness)$/,
      'judge_',
    );
  return metrics;

  function copy(from: Record<string, number> | undefined, which: RegExp, prefix: string): void {
    for (const [name, value] of Object.entries(from ?? {}))
      if (which.test(name)) metrics[prefix + name] = value;
  }
}

function trainingData(run: RunRecord, behind: readonly PlannedStage[]): PlannedStage | undefined {
  const trained = behind.find((ancestor) => ancestor.kind === 'fr-train');
  const source = trained?.inputs['dataset']?.[0];
  return source?.from === 'stage' ? run.planned.get(source.stage) : undefined;
}

const usesDataset = (stage: PlannedStage, dataset: string) =>
  (stage.inputs['dataset'] ?? []).some((source) => source.from === 'stage' && source.stage === dataset);
