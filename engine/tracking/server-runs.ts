/** Runs read back from a server, in the form that `list` and `compare` know from journals. */
import PQueue from 'p-queue';
import type { Json, JsonObject } from '../../stages/contract.js';
import type { PlannedStage, StageStatus } from '../journal/events.js';
import type { RunHead, RunState } from '../journal/reader.js';
import type { CompareSource } from '../report/compare.js';
import { type KeyValue, mlflow, type Run, type RunStatus } from './mlflow-api.js';
import { type MlflowClient, TrackingError } from './mlflow-client.js';
import type { EventOf } from './run-facts.js';
import { readRecord, recordPath, type StoredRecord } from './run-record.js';

/** Before anything is read of it but its parent run. */
export interface FoundRun {
  run: string;
  parent: Run;
}

export interface ServerRun {
  head: RunHead;
  source: CompareSource;
  /** What is not on the server, in words. */
  missing?: string;
}

/** Runs and experiments in one answer. */
const page = 1000;
/** Requests at a time. */
const atOnce = 8;

/**
 * All runs that cemiflow has delivered there, newest first.
 * @param experiment only those of the experiment of that name
 * @throws TrackingError
 */
export async function findServerRuns(client: MlflowClient, experiment?: string): Promise<FoundRun[]> {
  const experiments =
    experiment === undefined
      ? await allExperiments(client)
      : [(await client.call(mlflow.experimentByName, { experiment_name: experiment })).experiment];
  const parents = await searched(
    client,
    experiments.map(({ experiment_id }) => experiment_id),
    "tags.`cemiflow.stage` = ''",
  );
  const found = new Map<string, FoundRun>();
  for (const parent of parents.sort((a, b) => b.info.start_time - a.info.start_time)) {
    const run = tagsOf(parent)['cemiflow.run'];
    // One that was delivered to two experiments is one run.
    if (run !== undefined && !found.has(run)) found.set(run, { run, parent });
  }
  return [...found.values()];
}

/** @throws TrackingError */
export async function readServerRuns(client: MlflowClient, found: readonly FoundRun[]): Promise<ServerRun[]> {
  const queue = new PQueue({ concurrency: atOnce });
  return queue.addAll(found.map((one) => () => readServerRun(client, one)));
}

async function readServerRun(client: MlflowClient, { run, parent }: FoundRun): Promise<ServerRun> {
  const { record: stored, because } = await readStored(client, parent);
  const nested = stored?.results
    ? []
    : (await searched(client, [parent.info.experiment_id], `tags.\`cemiflow.run\` = '${run}'`)).filter(
        ({ info }) => info.run_id !== parent.info.run_id,
      );
  const started = stored?.started ?? startedOf(run, parent, nested);
  const results = stored?.results ?? nested.flatMap((child) => endOf(child) ?? []);
  const ended = stored?.ended ?? runEndOf(parent);
  const { status } = parent.info;
  return {
    head: { run, folder: '', state: stateOf[status], started, ended },
    source: {
      run: {
        started,
        ended,
        planned: new Map(started.stages.map((stage) => [stage.name, stage])),
        results: new Map(results.map((end) => [end.stage, end])),
        series: new Map(),
      },
      card: (stage) => stored?.cards?.[stage] ?? null,
    },
    ...(stored
      ? {}
      : {
          missing: `${run}: ${recordPath} is not on the server (${because}), so only its tags, parameters and metrics are known: no baseline, protocol cards, sizes of sets, similarity, and replicas stay apart`,
        }),
  };
}

async function readStored(
  client: MlflowClient,
  { info }: Run,
): Promise<{ record?: StoredRecord; because: string }> {
  try {
    const record = readRecord(await client.download(info.artifact_uri, recordPath));
    return record ? { record, because: '' } : { because: 'it is of another version of cemiflow' };
  } catch (error) {
    if (error instanceof TrackingError && (error.kind === 'not-found' || error.kind === 'no-endpoint'))
      return { because: error.message };
    throw error;
  }
}

async function allExperiments(client: MlflowClient) {
  const all = [];
  for (let token: string | undefined = ''; token !== undefined;) {
    const {
      experiments = [],
      next_page_token,
    }: { experiments?: { experiment_id: string }[]; next_page_token?: string } = await client.call(
      mlflow.searchExperiments,
      {
        max_results: page,
        ...(token === '' ? {} : { page_token: token }),
      },
    );
    all.push(...experiments);
    token = next_page_token || undefined;
  }
  return all;
}

async function searched(client: MlflowClient, experiments: string[], filter: string): Promise<Run[]> {
  const all: Run[] = [];
  for (let token: string | undefined = ''; token !== undefined && experiments.length > 0;) {
    const { runs = [], next_page_token }: { runs?: Run[]; next_page_token?: string } = await client.call(
      mlflow.searchRuns,
      {
        experiment_ids: experiments,
        filter,
        max_results: page,
        ...(token === '' ? {} : { page_token: token }),
      },
    );
    all.push(...runs);
    token = next_page_token || undefined;
  }
  return all;
}

// What MLflow's own fields tell

const stateOf: Record<RunStatus, RunState> = {
  RUNNING: 'running',
  SCHEDULED: 'running',
  FINISHED: 'ok',
  FAILED: 'failed',
  KILLED: 'interrupted',
};

const record = (values: readonly KeyValue[] = []): Record<string, string> =>
  Object.fromEntries(values.map(({ key, value }) => [key, value]));
const tagsOf = ({ data }: Run) => record(data.tags);
const at = (time: number): string => new Date(time).toISOString();

/** Of a run without a record. Parameters are text there: what looks like a number is taken for one. */
function startedOf(run: string, parent: Run, nested: readonly Run[]): EventOf<'run-started'> {
  const tags = tagsOf(parent);
  const { seed, params } = withoutSeed(record(parent.data.params), 'params.seed');
  const commit = tags['mlflow.source.git.commit'];
  return {
    at: at(parent.info.start_time),
    type: 'run-started',
    run,
    name: tags['cemiflow.name'] ?? parent.info.run_name ?? run,
    file: tags['mlflow.source.name'] ?? '',
    command: (tags['cemiflow.command'] ?? '').replace(/^cemiflow /, '').split(' '),
    pid: 0,
    version: tags['cemiflow.version'] ?? '',
    device: tags['cemiflow.device'] ?? '',
    host: tags['cemiflow.host'] ?? '',
    ...(commit === undefined ? {} : { git: { commit, dirty: tags['cemiflow.git_dirty'] === 'true' } }),
    seed: Number(seed ?? 0),
    params: typed(params),
    report: {},
    stages: nested.map(stageOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function stageOf(child: Run): PlannedStage {
  const tags = tagsOf(child);
  const { seed, params } = withoutSeed(record(child.data.params), 'with.seed');
  const name = tags['cemiflow.stage'] ?? '';
  const isPoint = (key: string) => key.startsWith('matrix.');
  const entries = Object.entries(params);
  return {
    name,
    stage: name.split('@')[0]!,
    kind: tags['cemiflow.kind'] ?? '',
    point: typed(
      Object.fromEntries(
        entries.filter(([key]) => isPoint(key)).map(([key, value]) => [key.slice(7), value]),
      ),
    ) as PlannedStage['point'],
    settings: typed(Object.fromEntries(entries.filter(([key]) => !isPoint(key)))),
    // A recipe of its own for each run and stage: whether two are replicas nobody knows here.
    inputs: { unknown: [{ from: 'path', path: `${child.info.run_id}` }] },
    outputs: {},
    seed: Number(seed ?? 0),
  };
}

/** @param own what a parameter or setting is called there that is itself named seed */
function withoutSeed(values: Record<string, string>, own: string) {
  const { seed, [own]: named, ...params } = values;
  return { seed, params: named === undefined ? params : { ...params, seed: named } };
}

const typed = (values: Record<string, string>): JsonObject =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, scalar(value)]));

function scalar(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** undefined where the stage has not ended. */
function endOf({ info, data }: Run): EventOf<'stage-ended'> | undefined {
  const tags = record(data.tags);
  const status = tags['cemiflow.status'];
  if (status === undefined || status === 'killed') return undefined;
  const metrics = (data.metrics ?? []).map(({ key, value }) => [key, Number(value)] as const);
  const figures = Object.fromEntries(metrics);
  return {
    at: at(info.end_time ?? info.start_time),
    type: 'stage-ended',
    stage: tags['cemiflow.stage'] ?? '',
    status: status as StageStatus,
    ...(tags['cemiflow.key'] === undefined ? {} : { key: tags['cemiflow.key'] }),
    seconds: figures['stage/seconds'] ?? 0,
    peakRssBytes: figures['stage/peak_rss_bytes'] ?? 0,
    ...(tags['cemiflow.device'] === undefined ? {} : { device: tags['cemiflow.device'] }),
    outputs: {},
    metrics: Object.fromEntries(metrics.filter(([key]) => !/^(stage|system)\//.test(key))),
    warnings: [],
    ...(tags['cemiflow.error'] === undefined ? {} : { error: tags['cemiflow.error'] }),
  };
}

function runEndOf({ info, data }: Run): EventOf<'run-ended'> | undefined {
  const status = stateOf[info.status];
  if (status === 'running' || record(data.tags)['cemiflow.status'] === 'killed') return undefined;
  const seconds = data.metrics?.find(({ key }) => key === 'run/seconds')?.value;
  return {
    at: at(info.end_time ?? info.start_time),
    type: 'run-ended',
    status,
    seconds: Number(seconds ?? ((info.end_time ?? info.start_time) - info.start_time) / 1000),
  };
}
