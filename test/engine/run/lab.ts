/** A place to run the real command in: a temporary folder, its own runs and cache, stages steered by files. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { listRuns, readJournal } from '../../../engine/journal/reader.js';
import type { JournalEvent } from '../../../engine/journal/events.js';
import type { RunSummary } from '../../../engine/run/summary.js';

const here = dirname(fileURLToPath(import.meta.url));
export const program = join(here, '../../../dist/engine/cli/main.js');
/** Long enough for any machine: a test that waits so long has failed. */
const patience = 60_000;

export interface Said {
  exitCode: number | undefined;
  stdout: string;
  stderr: string;
}

export class Lab implements AsyncDisposable {
  private readonly alive = new Set<PromiseLike<unknown> & { kill(signal: NodeJS.Signals): boolean }>();
  readonly environment: Record<string, string>;

  private constructor(readonly folder: string) {
    this.environment = { STEER: this.path('steer'), TMPDIR: this.path('tmp'), NO_COLOR: '1' };
    for (const name of ['steer', 'tmp']) mkdirSync(this.path(name));
    copyFileSync(join(here, 'fixtures/fake.js'), this.path('fake.js'));
  }

  static create(): Lab {
    return new Lab(mkdtempSync(join(tmpdir(), 'cemiflow-test-')));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Writes x.yaml: the stages as YAML, two spaces in. */
  write(stages: string, file = 'x.yaml'): void {
    writeFileSync(this.path(file), `name: test\nstages:\n${stages}`);
  }

  start(...words: string[]) {
    const child = execa(process.execPath, [program, ...words], {
      cwd: this.folder,
      env: this.environment,
      reject: false,
      stdin: 'ignore',
    });
    const heard = { stderr: '' };
    child.stderr.on('data', (piece: Buffer) => (heard.stderr += piece.toString()));
    this.alive.add(child);
    void child.finally(() => this.alive.delete(child));
    return Object.assign(child, {
      /** Waits until it has said that on stderr. */
      says: (text: string) => until(() => heard.stderr.includes(text), `stderr says '${text}'`),
    });
  }

  async cemiflow(...words: string[]): Promise<Said> {
    const { exitCode, stdout, stderr } = await this.start(...words);
    return { exitCode, stdout, stderr };
  }

  /** `run x.yaml --json`, its answer. */
  async run(...words: string[]): Promise<RunSummary & { status: Record<string, string> }> {
    return summaryOf(await this.cemiflow('run', 'x.yaml', '--json', ...words));
  }

  /** The packages whose code a command loads, those of the bundle too, sorted. */
  async packagesLoadedBy(...words: string[]): Promise<string[]> {
    const file = this.path('loaded');
    const hooks = `import { appendFileSync, readFileSync } from 'node:fs';
    export async function resolve(name, context, next) {
      const found = await next(name, context);
      // Of a part of the bundle, what it was made of.
      const text = found.url + (found.url.startsWith('file:') ? '\\n' + readFileSync(new URL(found.url), 'utf8') : '');
      for (const [, name] of text.matchAll(/^(?:file:|\\/\\/ ).*node_modules\\/((?:@[^/]+\\/)?[^/\\n]+)/gm))
        appendFileSync(${JSON.stringify(file)}, name + '\\n');
      return found;
    }`;
    const url = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
    const register = `import { register } from 'node:module'; register(${JSON.stringify(url(hooks))});`;
    writeFileSync(file, '');
    await execa(process.execPath, ['--import', url(register), program, ...words], { cwd: this.folder });
    return [...new Set(readFileSync(file, 'utf8').split('\n').filter(Boolean))].sort();
  }

  /** Waits until the stage that holds there has begun. @returns its pid */
  async started(hold: string): Promise<number> {
    const file = this.path('steer', `${hold}.started`);
    await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '', `${hold} has started`);
    return Number(readFileSync(file, 'utf8'));
  }

  hasStarted = (hold: string): boolean => existsSync(this.path('steer', `${hold}.started`));

  go(hold: string): void {
    writeFileSync(this.path('steer', `${hold}.go`), '');
  }

  /** The journal of the newest run: `type stage`, in order. */
  journal(): Promise<{ events: JournalEvent[]; order: string[] }> {
    // By their first lines' time: two runs of one second differ in their names by chance.
    const events = readJournal(listRuns(this.path('runs'))[0]!.folder);
    return Promise.resolve({
      events,
      order: events.flatMap((event) => ('stage' in event ? `${event.type} ${event.stage}` : [])),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.alive) child.kill('SIGKILL');
    await Promise.all(this.alive);
    // Artifacts are read-only folders.
    await execa('chmod', ['-R', 'u+w', this.folder], { reject: false });
    await chmod(this.folder, 0o755);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function summaryOf({
  stdout,
  stderr,
}: {
  stdout?: unknown;
  stderr?: unknown;
}): RunSummary & { status: Record<string, string> } {
  if (typeof stdout !== 'string' || stdout === '')
    throw new Error(`no JSON on stdout; stderr:\n${String(stderr)}`);
  const summary = JSON.parse(stdout) as RunSummary;
  return { ...summary, status: Object.fromEntries(summary.stages.map(({ name, status }) => [name, status])) };
}

export async function until(happened: () => boolean, what: string): Promise<void> {
  for (const since = performance.now(); !happened(); await sleep(10)) {
    if (performance.now() - since > patience) throw new Error(`waited in vain until ${what}`);
  }
}

/** Whether that process is there, and no zombie. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    // Without /proc the signal's answer is all there is.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync('/proc/self');
  }
}
