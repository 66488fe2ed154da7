/**
 * The comparison of evaluated models, within a run and across runs: accuracy per protocol, AVG (the mean of the protocols),
 * GtR (AVG of the baseline minus AVG; CemiFace, Table 6), similarity to the inquiry image. All computed here from what
 * stages measured; nothing is typed in. Replicas over seeds are one row with mean, standard deviation and count.
 */
import { mean, sampleStandardDeviation } from 'simple-statistics';
import type { JsonObject } from '../../stages/contract.js';
import type { Scalar } from '../experiment/experiment.js';
import type { PlannedStage } from '../journal/events.js';
import { ancestors, type RunRecord } from './run.js';

export interface ComparisonRow {
  label: string;
  run: string;
  /** The evaluate instance, or the first of its replicas. */
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
  /** The protocol card of the first replica, where it could be read. */
  card: JsonObject | null;
  /** Names of all replicas. */
  members: string[];
}

export interface Comparison {
  baseline: string | null;
  /** In the order in which the first row names them. */
  protocols: string[];
  rows: ComparisonRow[];
  /** What a reader must know before believing the table: unlike protocols, single seeds, missing rows. */
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
}

/** Parts of a card in which rows of a comparison are meant to differ; everything else should be equal. */
const meantToDiffer = /^(data|seeds?)(\.|$)/;

export function compareRuns(sources: readonly CompareSource[], options: CompareOptions = {}): Comparison {
  const notices: string[] = [];
  const several = sources.length > 1;
  const rows = sources.flatMap((source) => rowsOf(source, several, notices));
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
  notices.push(...unlikeCards(rows));
  if (rows.length > 0 && rows.every((row) => row.n === 1))
    notices.push(
      'Each row is one seed: differences smaller than the error shown may be chance. Add `seeds: [1, 2, 3]` to the FR stage for replicas.',
    );
  return { baseline: baseline?.label ?? null, protocols: protocolsOf(rows), rows, notices };
}

const isRow = (row: ComparisonRow, name: string) => row.label === name || row.members.includes(name);

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

/** Evaluate instances that the report asks for, in its order; all of them where it asks for none. */
function wantedStages(run: RunRecord): PlannedStage[] {
  const evaluated = run.started.stages.filter((stage) => stage.kind === 'evaluate');
  const asked = run.started.report.rows;
  if (!asked) return evaluated;
  return asked.flatMap((name) =>
    run.started.stages.filter((stage) => stage.name === name || stage.stage === name),
  );
}

function rowsOf(source: CompareSource, several: boolean, notices: string[]): ComparisonRow[] {
  const { run } = source;
  const groups = new Map<string, PlannedStage[]>();
  for (const stage of wantedStages(run)) {
    const status = run.results.get(stage.name)?.status;
    if (status !== 'ok' && status !== 'cached') {
      notices.push(
        `${stage.name} has no result in run ${run.started.run} (${status ?? 'not reached'}): it has no row.`,
      );
      continue;
    }
    const { seed: _, ...rest } = stage.point;
    const key = JSON.stringify([stage.stage, rest]);
    groups.set(key, [...(groups.get(key) ?? []), stage]);
  }
  return [...groups.values()].map((replicas) => {
    const first = replicas[0]!;
    const { seed: _, ...params } = first.point;
    const point = Object.entries(params).map(([name, value]) => `${name}=${value}`);
    const label = first.stage + (point.length > 0 ? `@${point.join(',')}` : '');
    const measured = replicas.map((stage) => metricsOf(run, stage));
    const averages = measured.flatMap((metrics) => metrics['avg/accuracy'] ?? []);
    return {
      label: several ? `${run.started.run}:${label}` : label,
      run: run.started.run,
      stage: first.name,
      params,
      metrics: meanOf(measured),
      gtr: null,
      n: replicas.length,
      std: averages.length > 1 ? sampleStandardDeviation(averages) : null,
      card: source.card(first.name),
      members: replicas.map((stage) => stage.name),
    };
  });
}

function meanOf(measured: readonly Record<string, number>[]): Record<string, number> {
  const names = new Set(measured.flatMap((metrics) => Object.keys(metrics)));
  const means = [...names].map(
    (name) => [name, mean(measured.flatMap((metrics) => metrics[name] ?? []))] as const,
  );
  return Object.fromEntries(means);
}

/** A row's own metrics, and those of the data its model was trained on: from the set itself, and from a judge of the set. */
function metricsOf(run: RunRecord, stage: PlannedStage): Record<string, number> {
  const metrics = { ...run.results.get(stage.name)?.metrics };
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

/** One sentence for each part of the cards that should be equal and is not. */
function unlikeCards(rows: readonly ComparisonRow[]): string[] {
  const cards = rows.flatMap((row) =>
    row.card ? [{ label: row.label, leaves: new Map(leavesOf(row.card, '')) }] : [],
  );
  const paths = new Set(cards.flatMap((card) => [...card.leaves.keys()]));
  const sentences: string[] = [];
  for (const path of [...paths].filter((name) => !meantToDiffer.test(name)).sort()) {
    const byValue = new Map<string, string[]>();
    for (const card of cards) {
      const value = card.leaves.get(path) ?? 'not stated';
      byValue.set(value, [...(byValue.get(value) ?? []), card.label]);
    }
    if (byValue.size > 1)
      sentences.push(
        `Rows differ in ${path}: ${[...byValue].map(([value, labels]) => `${value} (${labels.join(', ')})`).join('; ')}.`,
      );
  }
  return sentences;
}

function leavesOf(value: unknown, path: string): [string, string][] {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, path ? `${path}.${name}` : name));
}
