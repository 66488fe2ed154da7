/** A real MLflow server on loopback, with an SQLite store in a folder of its own. MLFLOW_PYTHON names a Python that has mlflow. */
import { spawnSync } from 'node:child_process';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const here = dirname(fileURLToPath(import.meta.url));

export function python(): string {
  const path = process.env['MLFLOW_PYTHON'];
  if (path) return path;
  throw new Error(
    'MLFLOW_PYTHON must name a Python with mlflow in it: python3 -m venv V && V/bin/pip install "mlflow[auth]==3.17.2" && export MLFLOW_PYTHON=$PWD/V/bin/python',
  );
}

export interface ServerRun {
  id: string;
  name: string;
  status: string;
  params: Record<string, string>;
  tags: Record<string, string>;
  /** Step, time in milliseconds, value as Python prints it. */
  metrics: Record<string, [number, number, string][]>;
  datasets: [string, string][];
  /** SHA-256 by path below the run's artifacts. */
  files: Record<string, string>;
  /** Logged models whose source it is. */
  models: ServerModel[];
  /** Ids of models that it has read, and has made. */
  uses: string[];
  made: string[];
}

export interface ServerModel {
  id: string;
  name: string;
  type: string;
  status: string;
  params: Record<string, string>;
  tags: Record<string, string>;
  files: Record<string, string>;
}

export class MlflowServer {
  private child: ReturnType<typeof execa> | undefined;
  port = 0;

  constructor(
    private readonly folder: string,
    private readonly words: readonly string[] = [],
    private readonly environment: Record<string, string> = {},
  ) {}

  get uri(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Starts, or comes back at the same port with the same store.
   * @param niceness 19 gives way to all others
   * @param workers 4 is what `mlflow server` starts by itself
   */
  async start(niceness = 0, workers = 1): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const store = `sqlite:///${join(this.folder, 'store.db')}`;
    this.child = execa(
      'nice',
      [
        ...['-n', String(niceness), python(), '-m', 'mlflow', 'server'],
        ...['--host', '127.0.0.1', '--port', String(this.port), '--workers', String(workers)],
        ...['--backend-store-uri', store, '--artifacts-destination', join(this.folder, 'artifacts')],
        ...this.words,
      ],
      { cwd: this.folder, env: this.environment, reject: false, detached: true, stdio: 'ignore' },
    );
    for (let i = 0; ; i++) {
      const answer = await fetch(`${this.uri}/health`).catch(() => undefined);
      if (answer?.ok) return;
      if (i > 600) throw new Error('the MLflow server does not come up');
      await sleep(200);
    }
  }

  /** kill -9, its workers included. */
  async kill(): Promise<void> {
    if (this.child?.pid) {
      try {
        process.kill(-this.child.pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
    }
    await this.child;
  }

  readBack(experiment: string, environment: Record<string, string> = {}): ServerRun[] {
    const { stdout, stderr, status } = spawnSync(
      python(),
      [join(here, 'read_back.py'), this.uri, experiment],
      {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        env: { ...process.env, ...environment },
      },
    );
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as ServerRun[];
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A wire to the server that can be cut: connections end in the middle of whatever they carry, and new ones are refused. */
export class Wire {
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  port = 0;
  cuts = 0;

  constructor(private readonly to: number) {}

  get uri(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    this.server = createServer((near) => {
      const far = createConnection(this.to, '127.0.0.1');
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => this.sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async cut(): Promise<void> {
    this.cuts++;
    const closed = new Promise((resolve) => this.server?.close(resolve));
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }
}
