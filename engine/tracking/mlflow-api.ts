/**
 * The part of MLflow's REST interface that cemiflow uses: of each endpoint the path, what is sent and what comes back, side by side.
 * Names and limits are the server's own (mlflow/protos/service.proto, mlflow/utils/validation.py, MLflow 3).
 */

/** Limits of one `runs/log-batch`. */
export const batchLimits = { metrics: 1000, params: 100, tags: 100, items: 1000, bytes: 1_000_000 } as const;

/** Longest texts, in characters. Older servers take less of a parameter's value: `shorterParam`, then `shortestParam`. */
export const lengths = {
  key: 250,
  param: 6000,
  shorterParam: 500,
  shortestParam: 250,
  tag: 5000,
  datasetName: 500,
  datasetDigest: 36,
  runName: 250,
} as const;

export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

export interface KeyValue {
  key: string;
  value: string;
}

export interface Metric {
  key: string;
  /** JSON has no NaN and no infinity: these go as 'NaN', 'Infinity', '-Infinity'. The server keeps infinities as the largest double. */
  value: number | 'NaN' | 'Infinity' | '-Infinity';
  /** Milliseconds since 1970. */
  timestamp: number;
  step: number;
}

export interface RunInfo {
  run_id: string;
  run_name?: string;
  experiment_id: string;
  status: RunStatus;
  start_time: number;
  end_time?: number;
  artifact_uri: string;
  lifecycle_stage: 'active' | 'deleted';
}

export interface Run {
  info: RunInfo;
  data: { metrics?: Metric[]; params?: KeyValue[]; tags?: KeyValue[] };
}

export interface Experiment {
  experiment_id: string;
  name: string;
  lifecycle_stage: 'active' | 'deleted';
}

export interface DatasetInput {
  tags: KeyValue[];
  dataset: {
    name: string;
    digest: string;
    source_type: string;
    source: string;
    profile?: string;
    schema?: string;
  };
}

export interface LoggedModel {
  info: { model_id: string; name: string; artifact_uri: string; status: string };
}

/** One call. The types are only for the compiler: nothing of them is there when it runs. */
export interface Endpoint<Request, Response> {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Below /api/2.0/mlflow/. `{name}` is filled in from the request. */
  readonly path: string;
  readonly types?: { request: Request; response: Response };
}

const endpoint = <Request, Response>(
  method: Endpoint<Request, Response>['method'],
  path: string,
): Endpoint<Request, Response> => ({ method, path });

type Nothing = Record<string, never>;

export const mlflow = {
  createExperiment: endpoint<{ name: string }, { experiment_id: string }>('POST', 'experiments/create'),
  experimentByName: endpoint<{ experiment_name: string }, { experiment: Experiment }>(
    'GET',
    'experiments/get-by-name',
  ),
  searchExperiments: endpoint<
    { max_results: number; page_token?: string },
    { experiments?: Experiment[]; next_page_token?: string }
  >('POST', 'experiments/search'),
  createRun: endpoint<
    { experiment_id: string; start_time: number; run_name: string; tags: KeyValue[]; user_id?: string },
    { run: Run }
  >('POST', 'runs/create'),
  getRun: endpoint<{ run_id: string }, { run: Run }>('GET', 'runs/get'),
  updateRun: endpoint<{ run_id: string; status: RunStatus; end_time?: number }, Nothing>(
    'POST',
    'runs/update',
  ),
  searchRuns: endpoint<
    {
      experiment_ids: string[];
      filter?: string;
      max_results?: number;
      order_by?: string[];
      page_token?: string;
    },
    { runs?: Run[]; next_page_token?: string }
  >('POST', 'runs/search'),
  /** Appends metrics: the same point sent again may be there twice. A batch that fails may have been written in part. */
  logBatch: endpoint<{ run_id: string; metrics?: Metric[]; params?: KeyValue[]; tags?: KeyValue[] }, Nothing>(
    'POST',
    'runs/log-batch',
  ),
  metricHistory: endpoint<
    { run_id: string; metric_key: string; max_results: number; page_token?: string },
    { metrics?: Metric[]; next_page_token?: string }
  >('GET', 'metrics/get-history'),
  /** Data sets and models that a run has used. One that is there already is left as it is. */
  logInputs: endpoint<
    {
      run_id: string;
      datasets?: DatasetInput[];
      models?: { model_id: string }[];
    },
    Nothing
  >('POST', 'runs/log-inputs'),
  logOutputs: endpoint<{ run_id: string; models: { model_id: string; step: number }[] }, Nothing>(
    'POST',
    'runs/outputs',
  ),
  createModel: endpoint<
    {
      experiment_id: string;
      name: string;
      model_type?: string;
      source_run_id: string;
      params?: KeyValue[];
      tags?: KeyValue[];
    },
    { model: LoggedModel }
  >('POST', 'logged-models'),
  searchModels: endpoint<
    { experiment_ids: string[]; filter: string; max_results: number },
    { models?: LoggedModel[] }
  >('POST', 'logged-models/search'),
  finishModel: endpoint<
    { model_id: string; status: 'LOGGED_MODEL_READY' | 'LOGGED_MODEL_UPLOAD_FAILED' },
    Nothing
  >('PATCH', 'logged-models/{model_id}'),
} as const;
