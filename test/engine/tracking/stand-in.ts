/**
 * A tracking server in this process, with the endpoints of MLflow that cemiflow uses, that can be told to misbehave. What a real one
 * makes of the same is tested in test/mlflow, where Python is at hand.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metric } from '../../../engine/tracking/mlflow-api.js';

export interface StoredRun {
  id: string;
  experiment: string;
  name: string;
  /** Milliseconds since 1970. */
  start: number;
  end?: number;
  status: string;
  deleted: boolean;
  tags: Record<string, string>;
  params: Record<string, string>;
  metrics: Metric[];
  datasets: { dataset: { name: string; digest: string } }[];
}

export interface Call {
  method: string;
  path: string;
  body: Record<string, unknown>;
  headers: IncomingMessage['headers'];
}

/** What to do instead of answering; 'after': do the work, then lose the answer. */
export type Mischief =
  | { status: number; body?: unknown; headers?: Record<string, string>; after?: true }
  | { cut: 'before' | 'after' }
  /** Answers as it should, so many milliseconds later. */
  | { slow: number }
  | undefined;

export class StandIn {
  readonly runs = new Map<string, StoredRun>();
  readonly experiments = new Map<string, string>();
  readonly artifacts = new Map<string, Buffer>();
  readonly calls: Call[] = [];
  /** Calls that were worked on at the same time, at most. */
  mostAtOnce = 0;
  private atOnce = 0;
  mischief: (call: Call) => Mischief = () => undefined;
  /** Longest value of a parameter. */
  longestParam = 6000;
  /** What it did not take because of its names, lengths and sizes. */
  readonly refused: string[] = [];
  private server: Server | undefined;
  port = 0;

  /** @param tls serves https with these */
  constructor(private readonly tls?: ServerOptions) {}

  get uri(): string {
    return `${this.tls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** Starts, or comes back at the same address. */
  async start(): Promise<void> {
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
      void this.answer(request, response).finally(() => this.atOnce--);
    };
    this.server = this.tls ? createSecureServer(this.tls, answer) : createServer(answer);
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  /** Its store is lost. */
  forget(): void {
    for (const store of [this.runs, this.experiments, this.artifacts]) store.clear();
  }

  byName(name: string): StoredRun {
    const found = [...this.runs.values()].filter((run) => run.name === name);
    if (found.length !== 1) throw new Error(`${found.length} runs are named ${name}`);
    return found[0]!;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const url = new URL(request.url!, this.uri);
    const content = Buffer.concat(pieces);
    const path = decodeURIComponent(url.pathname).replace('/api/2.0/', '');
    const body = (
      request.method === 'GET'
        ? Object.fromEntries(url.searchParams)
        : path.startsWith('mlflow-artifacts')
          ? {}
          : JSON.parse(content.toString() || '{}')
    ) as Record<string, unknown>;
    const call = { method: request.method!, path, body, headers: request.headers };
    this.calls.push(call);
    const mischief = this.mischief(call);
    if (mischief && 'slow' in mischief) await sleep(mischief.slow);
    if (mischief && 'cut' in mischief) {
      if (mischief.cut === 'after') this.work(call, content);
      request.socket.destroy();
      return;
    }
    if (mischief && 'status' in mischief) {
      if (mischief.after) this.work(call, content);
      response.writeHead(mischief.status, { 'content-type': 'application/json', ...mischief.headers });
      response.end(typeof mischief.body === 'string' ? mischief.body : JSON.stringify(mischief.body ?? {}));
      return;
    }
    const worked = this.work(call, content);
    if (Buffer.isBuffer(worked)) return void response.end(worked);
    const { status = 200, ...answer } = worked;
    response.writeHead(status as number, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }

  private work({ method, path, body }: Call, content: Buffer): Buffer | Record<string, unknown> {
    const run = this.runs.get(body['run_id'] as string)!;
    if ('run_id' in body && !run)
      return { status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no such run' };
    switch (path.replace(/^mlflow\//, '')) {
      case 'experiments/get-by-name': {
        const id = this.experiments.get(body['experiment_name'] as string);
        return id === undefined
          ? { status: 404, error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no such experiment' }
          : { experiment: { experiment_id: id, lifecycle_stage: 'active' } };
      }
      case 'experiments/create': {
        const id = String(this.experiments.size + 1);
        this.experiments.set(body['name'] as string, id);
        return { experiment_id: id };
      }
      case 'experiments/search': {
        const all = [...this.experiments].map(([name, id]) => ({ name, experiment_id: id }));
        return paged('experiments', all, body);
      }
      case 'runs/create': {
        const id = `run${this.runs.size}`;
        this.runs.set(id, {
          id,
          experiment: body['experiment_id'] as string,
          name: body['run_name'] as string,
          start: body['start_time'] as number,
          status: 'RUNNING',
          deleted: false,
          tags: pairs(body['tags']),
          params: {},
          metrics: [],
          datasets: [],
        });
        return { run: this.shown(id) };
      }
      case 'runs/get':
        return { run: this.shown(run.id) };
      case 'runs/search': {
        const wanted = [...(body['filter'] as string).matchAll(/`([^`]+)` = '([^']*)'/g)];
        const found = [...this.runs.values()].filter(
          ({ tags, deleted }) => !deleted && wanted.every(([, key, value]) => tags[key!] === value),
        );
        return paged(
          'runs',
          found
            .filter(({ experiment }) => (body['experiment_ids'] as string[]).includes(experiment))
            .map(({ id }) => this.shown(id)),
          body,
        );
      }
      case 'runs/update':
        if (run.deleted) return invalid(`${run.id} must be in the 'active' state`);
        run.status = body['status'] as string;
        run.end = body['end_time'] as number;
        return {};
      case 'runs/log-batch': {
        const wrong = run.deleted
          ? `${run.id} must be in the 'active' state`
          : misfit(body, content, this.longestParam);
        if (wrong !== undefined) {
          this.refused.push(wrong);
          return invalid(wrong);
        }
        const params = (body['params'] as { key: string; value: string }[] | undefined) ?? [];
        const given = new Map(Object.entries(run.params));
        for (const { key, value } of params)
          if ((given.get(key) ?? value) === value) given.set(key, value);
          else return invalid(`${key} has changed`);
        run.metrics.push(...((body['metrics'] as Metric[] | undefined) ?? []));
        Object.assign(run.params, pairs(params));
        Object.assign(run.tags, pairs(body['tags']));
        return {};
      }
      case 'metrics/get-history': {
        const all = run.metrics.filter(({ key }) => key === body['metric_key']);
        return paged('metrics', all, body, 100);
      }
      case 'runs/log-inputs':
        run.datasets.push(...((body['datasets'] as StoredRun['datasets'] | undefined) ?? []));
        return {};
      case 'logged-models/search':
        return { models: [] };
    }
    if (path.startsWith('mlflow-artifacts/artifacts/')) {
      if (method === 'GET')
        return (
          this.artifacts.get(path.replace('mlflow-artifacts/artifacts/', '')) ?? {
            status: 404,
            error_code: 'RESOURCE_DOES_NOT_EXIST',
            message: 'No such artifact',
          }
        );
      this.artifacts.set(path.replace('mlflow-artifacts/artifacts/', ''), content);
      return {};
    }
    return { status: 404 };
  }

  private shown(id: string) {
    const { experiment, status, name, start, end, deleted, tags, params, metrics } = this.runs.get(id)!;
    const latest = new Map<string, Metric>();
    for (const metric of metrics)
      if (!latest.has(metric.key) || latest.get(metric.key)!.step <= metric.step)
        latest.set(metric.key, metric);
    return {
      info: {
        run_id: id,
        run_name: name,
        experiment_id: experiment,
        status,
        lifecycle_stage: deleted ? 'deleted' : 'active',
        start_time: start,
        ...(end === undefined ? {} : { end_time: end }),
        artifact_uri: `mlflow-artifacts:/${id}`,
      },
      data: { tags: listed(tags), params: listed(params), metrics: [...latest.values()] },
    };
  }
}

const invalid = (message: string) => ({ status: 400, error_code: 'INVALID_PARAMETER_VALUE', message });

/** What MLflow's own checks (mlflow/utils/validation.py) have against a batch. */
function misfit(body: Record<string, unknown>, content: Buffer, longestParam: number): string | undefined {
  if (content.length > 1_000_000) return `a request of ${content.length} bytes`;
  for (const [part, most, longest] of [
    ['metrics', 1000, Infinity],
    ['params', 100, longestParam],
    ['tags', 100, 8000],
  ] as const) {
    const items = (body[part] as { key: string; value: string | number }[] | undefined) ?? [];
    if (items.length > most) return `${items.length} ${part}`;
    for (const { key, value } of items) {
      if (!/^[\w.\-/ ]{1,250}$/.test(key) || key !== posix.normalize(key) || /^(\/|\.\.|\.$)|\/$/.test(key))
        return `the name '${key}'`;
      if (typeof value === 'string' && (value.length > longest || /\p{Surrogate}/u.test(value)))
        return `the value of ${key}`;
    }
  }
  return undefined;
}

/** A page of that list, as small as the server likes or the caller asks for. */
function paged(name: string, all: readonly unknown[], body: Record<string, unknown>, most = 2) {
  const from = Number(body['page_token'] ?? 0);
  const to = Math.min(all.length, from + Math.min(most, Number(body['max_results'])));
  return { [name]: all.slice(from, to), ...(to < all.length ? { next_page_token: String(to) } : {}) };
}

const listed = (values: Record<string, string>) =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

const pairs = (list: unknown): Record<string, string> =>
  Object.fromEntries(
    ((list as { key: string; value: string }[] | undefined) ?? []).map(({ key, value }) => [key, value]),
  );
