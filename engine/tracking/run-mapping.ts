/** How a cemiflow run looks in MLflow: a parent run, a nested run for each stage that ran or was cached, their tags, parameters and data sets. Pure. */
import { basename } from 'node:path';
import type { InputSource } from '../experiment/experiment.js';
import type { PlannedStage, StageStatus } from '../journal/events.js';
import { fittingKey, flattened, shortened } from './fitting.js';
import { type DatasetInput, type KeyValue, lengths, type RunStatus } from './mlflow-api.js';
import type { RunComparison } from './run-extras.js';
import type { EventOf, RunFacts } from './run-facts.js';

export const milliseconds = (at: string): number => Date.parse(at);

export const statusOf: Record<StageStatus | 'interrupted', RunStatus> = {
  ok: 'FINISHED',
  cached: 'FINISHED',
  failed: 'FAILED',
  interrupted: 'KILLED',
  cancelled: 'KILLED',
  skipped: 'KILLED',
};

export const tags = (values: Readonly<Record<string, string | number | boolean | undefined>>): KeyValue[] =>
  Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key: fittingKey(key), value: shortened(String(value), lengths.tag) }],
  );

/** By these a run is found again whose creation was not answered. */
export const identity = (run: string, stage: string): KeyValue[] =>
  tags({ 'cemiflow.run': run, 'cemiflow.stage': stage });

export function parentTags(started: EventOf<'run-started'>): KeyValue[] {
  const { git } = started;
  return tags({
    'cemiflow.name': started.name,
    'cemiflow.version': started.version,
    'cemiflow.device': started.device,
    'cemiflow.host': started.host,
    'cemiflow.seed': started.seed,
    'cemiflow.command': ['cemiflow', ...started.command].join(' '),
    'cemiflow.git_dirty': git?.dirty,
    'mlflow.source.name': started.file,
    'mlflow.source.type': 'LOCAL',
    'mlflow.source.git.commit': git?.commit,
  });
}

export function stageTags(started: EventOf<'run-started'>, stage: PlannedStage): KeyValue[] {
  return tags({
    'cemiflow.kind': stage.kind,
    'cemiflow.version': started.version,
    'cemiflow.host': started.host,
    'cemiflow.seed': stage.seed,
    'cemiflow.git_dirty': started.git?.dirty,
    'mlflow.source.name': started.file,
    'mlflow.source.type': 'LOCAL',
    'mlflow.source.git.commit': started.git?.commit,
  });
}

/** What is known of a stage once it has ended. */
export function endTags(ended: EventOf<'stage-ended'>): KeyValue[] {
  const cached = ended.status === 'cached';
  return tags({
    'cemiflow.status': ended.status,
    'cemiflow.key': ended.key,
    'cemiflow.device': ended.device,
    'cemiflow.attempt': ended.attempt,
    'cemiflow.cached': cached,
    'cemiflow.cached_from': ended.from?.run,
    'cemiflow.error': ended.error,
    ...Object.fromEntries(
      Object.entries(ended.outputs).map(([name, { digest }]) => [`cemiflow.output.${name}`, digest]),
    ),
    'mlflow.note.content': stageNote(ended),
  });
}

function stageNote(ended: EventOf<'stage-ended'>): string {
  const how = {
    ok: `Ran in ${ended.seconds.toFixed(1)} s on ${ended.device ?? 'cpu'}.`,
    cached: `From the cache: made by run \`${ended.from?.run ?? '?'}\` in ${(ended.from?.seconds ?? 0).toFixed(1)} s.`,
    failed: `**Failed** after ${ended.seconds.toFixed(1)} s: ${ended.error ?? ''}`,
    cancelled: `Cancelled after ${ended.seconds.toFixed(1)} s: ${ended.error ?? ''}`,
    skipped: `Not started: ${ended.error ?? ''}`,
  }[ended.status];
  return [how, ...ended.warnings.map((text) => `- ${text}`)].join('\n');
}

export const parentParams = (started: EventOf<'run-started'>): KeyValue[] =>
  apart([{ key: 'seed', value: String(started.seed) }], 'params', flattened(started.params));

/** The point of the matrix goes first, as `matrix.m`: it is what a table of runs is sorted by. */
export const stageParams = (stage: PlannedStage): KeyValue[] =>
  apart(
    [...flattened({ ...stage.point }, 'matrix.'), { key: 'seed', value: String(stage.seed) }],
    'with',
    flattened(stage.settings),
  );

/**
 * Both lists, no name twice: a parameter that is sent again with another value is refused, and with it its batch. So a name of the second
 * list that is taken goes under the one it has in the experiment file: `params.seed`.
 */
function apart(first: readonly KeyValue[], place: string, second: readonly KeyValue[]): KeyValue[] {
  const taken = new Set(first.map(({ key }) => key));
  return [
    ...first,
    ...second.map(({ key, value }) => {
      let free = key;
      while (taken.has(free)) free = `${place}.${free}`;
      taken.add(free);
      return { key: free, value };
    }),
  ];
}

const contexts: Record<string, string> = {
  'fr-train': 'training',
  'diffusion-train': 'training',
  evaluate: 'evaluation',
  quality: 'evaluation',
};

/**
 * The images and pairs that a stage used, and what it used from outside, as MLflow's data sets; their digests are the first 36 characters
 * of ours. The stage has ended.
 */
export function datasetsOf(stage: PlannedStage, facts: RunFacts): DatasetInput[] {
  const { outside } = facts.results.get(stage.name) ?? {};
  return Object.entries(stage.inputs).flatMap(([input, sources]) =>
    sources.flatMap((source) => {
      const dataset = source.from === 'path' ? fromOutside(source.path, outside) : made(source, facts);
      const context = contexts[stage.kind] ?? 'input';
      const tags = [
        { key: 'mlflow.data.context', value: context },
        { key: 'cemiflow.input', value: input },
      ];
      return dataset ? [{ tags, dataset }] : [];
    }),
  );
}

type Dataset = DatasetInput['dataset'];

function made(source: Extract<InputSource, { from: 'stage' }>, { results }: RunFacts): Dataset | undefined {
  const { stage, output, type } = source;
  const record = results.get(stage)?.outputs[output];
  if (!record || !['images', 'verification', 'groups'].includes(type)) return undefined;
  return {
    name: shortened(`${stage}.${output}`, lengths.datasetName),
    digest: record.digest.slice(0, lengths.datasetDigest),
    source_type: 'cemiflow',
    source: JSON.stringify({ stage, output, sha256: record.digest }),
    profile: JSON.stringify({ files: record.files, bytes: record.bytes }),
  };
}

/** As MLflow's own clients name what is on the disk. */
function fromOutside(path: string, outside: Readonly<Record<string, string>> = {}): Dataset | undefined {
  const digest = outside[path];
  if (digest === undefined) return undefined;
  return {
    name: shortened(basename(path), lengths.datasetName),
    digest: digest.slice(0, lengths.datasetDigest),
    source_type: 'local',
    source: JSON.stringify({ uri: path, sha256: digest }),
  };
}

/** Metrics that say what the stage cost. */
export const costs = (ended: EventOf<'stage-ended'>): Record<string, number> => ({
  'stage/seconds': ended.status === 'cached' ? (ended.from?.seconds ?? 0) : ended.seconds,
  ...(ended.peakRssBytes > 0 ? { 'stage/peak_rss_bytes': ended.peakRssBytes } : {}),
});

export interface Figure {
  key: string;
  value: number;
  step: number;
}

/**
 * The parent run's own metrics: what it took, how its stages ended, and for each evaluated stage accuracy and GtR over its points, in
 * the order of the comparison, so that the chart page draws them as a curve over the matrix, under a heading each (it groups by what
 * stands before the last slash).
 */
export function runFigures(facts: RunFacts, rows: RunComparison['rows']): Figure[] {
  const counts = new Map<StageStatus, number>();
  for (const { status } of facts.results.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
  const steps = new Map<string, number>();
  return [
    ...(facts.ended ? [{ key: 'run/seconds', value: facts.ended.seconds, step: 0 }] : []),
    ...[...counts].map(([status, value]) => ({ key: `run/stages_${status}`, value, step: 0 })),
    ...rows.flatMap(({ stage, metrics, gtr }) => {
      const name = facts.planned.get(stage)?.stage ?? stage;
      const step = steps.get(name) ?? 0;
      steps.set(name, step + 1);
      const accuracy = metrics['avg/accuracy'];
      return [
        ...(accuracy === undefined ? [] : [{ key: `accuracy/${name}`, value: accuracy, step }]),
        ...(gtr === null ? [] : [{ key: `gtr/${name}`, value: gtr, step }]),
      ];
    }),
  ];
}

/** What the parent run's page shows above all: how it ended, every stage, and the comparison where there is one. */
export function runNote(facts: RunFacts, comparison: string | undefined): string {
  const { started, ended } = facts;
  const how =
    ended === undefined
      ? 'at work, or ended without a word'
      : `${ended.status} after ${ended.seconds.toFixed(0)} s${ended.error ? `: ${ended.error}` : ''}`;
  const rows = [...facts.results.values()].map(
    ({ stage, status, seconds, error }) =>
      `| ${stage} | ${status} | ${status === 'ok' ? `${seconds.toFixed(1)} s` : (error ?? '').replaceAll('|', '\\|').slice(0, 200)} |`,
  );
  const head = `cemiflow run \`${started?.run ?? ''}\` of **${started?.name ?? ''}**: ${how}.`;
  const table = ['| stage | status | |', '|---|---|---|', ...rows];
  const parts = [head, ...(comparison ? [comparison] : []), table.join('\n')];
  // The stages go first where the text is too long: the comparison is what a reader wants.
  const whole = parts.join('\n\n');
  return shortened(whole.length <= lengths.tag ? whole : parts.slice(0, -1).join('\n\n'), lengths.tag);
}
