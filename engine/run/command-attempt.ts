/**
 * Runs a `command` stage: any program, spawned directly, in the experiment file's folder. Its output goes to the log;
 * lines `metric NAME VALUE [STEP]` on its stdout are metrics. It has failed when its exit code is not 0 or a declared output
 * was not made.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { execa } from 'execa';
import { renderSettings } from '../experiment/render-command.js';
import { asChild, type Child, watchAttempt } from './attempt-process.js';
import { type Failure, failureOfDeath } from './failure.js';
import { LastLines } from './last-lines.js';
import { launch, type Launched, quoted } from './launcher.js';
import type { AttemptEnd, Executor, Job } from './messages.js';
import { watchMemory } from './memory-watch.js';
import { notFinite } from './metric-flow.js';
import { isPlain } from './plain-script.js';
import { MARK } from './process-group.js';

/**
 * $1 is the user's script, $2 is bash where it is known; descriptor 3 is a pipe whose other end only the engine has. The watcher reads it to its end, which
 * comes when the engine is gone, killed even, and then ends the whole group: the program would compute for nobody.
 * SIGTERM asks the program to stop, and must not take its watcher away. The shell is bash where there is one, with -e, so that a
 * failed line is a failed stage, and pipefail, so that a failed program is one also where its output goes through tee.
 */
const script = `
(trap '' TERM INT; read -r _ <&3; kill -s KILL -- -$$) >/dev/null 2>&1 &
exec 3<&-
if [ -n "$2" ]; then exec "$2" -eo pipefail -c "$1"; fi
if command -v bash >/dev/null; then exec bash -eo pipefail -c "$1"; fi
exec sh -e -c "$1"
`;

/** Where PATH has bash; looked for once, as each look of a shell costs as many calls as PATH has folders. '' where it has none. */
let bash: string | undefined;
function bashInPath(): string {
  bash ??=
    (process.env['PATH'] ?? '')
      .split(delimiter)
      .map((folder) => join(folder, 'bash'))
      .find((file) => isAbsolute(file) && isExecutable(file)) ?? '';
  return bash;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

export const runCommand: Executor = async (job, environment, mark, listener) => {
  const settings = renderSettings(job.settings, {
    inputs: Object.fromEntries(
      Object.entries(job.inputs).map(([name, artifacts]) => {
        const paths = artifacts.map((artifact) => artifact.path);
        return [name, paths.length === 1 ? paths[0]! : paths];
      }),
    ),
    outputs: job.outputs,
  }) as { run: string; env?: Record<string, string | number | boolean> };
  const command = { run: settings.run, env: asTexts(settings.env ?? {}) };
  listener.log(`$ ${settings.run.trimEnd()}`);
  const ours = {
    // Python keeps its lines to itself otherwise, and progress comes when all is over.
    PYTHONUNBUFFERED: '1',
    CEMIFLOW_SEED: String(job.seed),
    CEMIFLOW_CHECKPOINT: job.checkpoint,
    ...environment,
  };
  const launched = await launchedByShell(command, { ...ours, [MARK]: mark }, job.experimentFolder);
  const child = launched ?? spawned(command, { ...ours, ...command.env, [MARK]: mark }, job.experimentFolder);
  const memory = watchMemory(child.pid);
  const words = new LastLines();
  const hear = (lines: string) => {
    words.add(lines);
    listener.log(lines);
  };
  const attempt = watchAttempt(child, {
    mark,
    stdout(lines) {
      if (lines.includes('metric')) for (const line of lines.split('\n')) tellMetric(line);
      hear(lines);
    },
    stderr: hear,
    ours: launched ? 0 : 1,
  });
  return {
    pid: child.pid,
    cancel: () => attempt.stop(),
    kill: () => attempt.kill(),
    ended: end(),
  };

  function tellMetric(line: string): void {
    const metric = asMetric(line);
    if (!metric) return;
    if (Number.isFinite(metric.value)) listener.metric({ ...metric, at: Date.now() });
    else listener.warning(notFinite(metric));
  }

  async function end(): Promise<AttemptEnd> {
    const death = await attempt.ended;
    launched?.done();
    const taken = memory.stop();
    const peakRssBytes = taken.peakBytes;
    const failed = (failure: Failure): AttemptEnd => ({
      ok: false,
      peakRssBytes,
      final: false,
      ...failure,
    });
    if (death.exitCode !== 0) {
      const failure = failureOfDeath(death, words.text, taken);
      if (death.exitCode === undefined || death.exitCode > 128) return failed(failure);
      const remedy = forExitCode(death.exitCode);
      return failed({
        ...failure,
        message: `the command ended with exit code ${death.exitCode}`,
        ...(remedy === undefined ? {} : { remedy }),
      });
    }
    // Programs that save what they have on SIGTERM end well, with half of the work done.
    if (attempt.stopped) return failed({ message: 'the command was stopped', class: 'error' });
    const missing = unmade(job);
    if (missing.length > 0)
      return failed({
        message: `the command ended well, but did not make ${missing.join(' and ')}`,
        remedy: missing
          .map((name) => `Let it write into \${{ outputs.${name} }}, a folder that exists.`)
          .join(' '),
        class: 'error',
      });
    return { ok: true, peakRssBytes };
  }
};

const asTexts = (values: Readonly<Record<string, string | number | boolean>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));

function forExitCode(code: number): string | undefined {
  if (code === 127) return 'The program was not found: install it, or give its path.';
  if (code === 126) return 'The program may not be executed: chmod +x it, or name its interpreter.';
  return undefined;
}

interface Command {
  run: string;
  /** The stage's own variables. */
  env: Record<string, string>;
}

/** Through a launcher; undefined where there is none, or no bash, or the stage has a PATH of its own, on which it finds its own bash. */
async function launchedByShell(
  { run, env }: Command,
  environment: Record<string, string>,
  cwd: string,
): Promise<Launched | undefined> {
  if (env['PATH'] !== undefined || bashInPath() === '') return undefined;
  const names = (variables: Record<string, string>) =>
    Object.entries(variables).map(([name, value]) => quoted(`${name}=${value}`));
  // A user's variable may have a name that bash does not take, or keeps for itself.
  const outer = Object.keys(env).length > 0 ? ['env', ...names({ ...env, [MARK]: environment[MARK]! })] : [];
  const inner = [bashInPath(), '-eo', 'pipefail', '-c', run].map(quoted);
  const plain = outer.length === 0 && isPlain(run);
  const lines = [
    `export ${names(environment).join(' ')}`,
    plain ? `set -eo pipefail\n${run}` : `exec ${[...outer, ...inner].join(' ')}`,
  ];
  return launch(lines.join('\n'), bashInPath(), cwd);
}

/** Where it cannot go through a launcher. */
function spawned({ run, env }: Command, environment: Record<string, string>, cwd: string): Child {
  const known = env['PATH'] === undefined ? bashInPath() : '';
  const child = execa('/bin/sh', ['-c', script, 'cemiflow', run, known], {
    buffer: false,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    cwd,
    env: environment,
    detached: true,
    cleanup: false,
    reject: false,
  });
  return asChild(child);
}

/** `metric NAME VALUE [STEP]`, where NAME is what MLflow accepts, without spaces. A value that is no number may be one as Python prints it. */
function asMetric(line: string): { name: string; value: number; step?: number } | undefined {
  const match = /^metric\s+([\w\-./:]+)\s+(\S+)(?:\s+(-?\d+)(?:\.0*)?)?\s*$/.exec(line);
  const value = asNumber(match?.[2] ?? '');
  if (!match || value === undefined) return undefined;
  return { name: match[1]!, value, ...(match[3] === undefined ? {} : { step: Number(match[3]) }) };
}

function asNumber(text: string): number | undefined {
  if (/^[+-]?nan$/i.test(text)) return NaN;
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** Declared outputs whose folder is still empty. */
function unmade(job: Job): string[] {
  return Object.entries(job.outputs)
    .filter(([, folder]) => {
      const found = statSync(folder, { throwIfNoEntry: false });
      return !found || (found.isDirectory() && readdirSync(folder).length === 0);
    })
    .map(([name]) => name);
}
