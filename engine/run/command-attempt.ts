/**
 * Runs a `command` stage: any program, spawned directly, in the experiment file's folder. Its output goes to the log;
 * lines `metric NAME VALUE [STEP]` on its stdout are metrics. It has failed when its exit code is not 0 or a declared output
 * was not made.
 */
import { readdirSync, statSync } from 'node:fs';
import { execa } from 'execa';
import { renderSettings } from '../experiment/render-command.js';
import type { AttemptEnd, Executor, Job } from './messages.js';
import { eachLine, wordsForDeath } from './node-attempt.js';
import { peakOfTree, signalGroup } from './process-group.js';

/** How often the memory of the program and its children is looked at. */
const sampleMilliseconds = 500;

/**
 * $1 is the user's script; descriptor 3 is a pipe whose other end only the engine has. The watcher reads it to its end, which
 * comes when the engine is gone, killed even, and then ends the whole group: the program would compute for nobody.
 * SIGTERM asks the program to stop, and must not take its watcher away. The shell is GitHub's choice: bash where there is
 * one, and -e, so that a failed line is a failed stage.
 */
const script = `
(trap '' TERM INT; read -r _ <&3; kill -s KILL -- -$$) >/dev/null 2>&1 &
exec 3<&-
shell=$(command -v bash || command -v sh)
exec "$shell" -e -c "$1"
`;

export const runCommand: Executor = (job, environment, listener) => {
  const settings = renderSettings(job.settings, {
    inputs: Object.fromEntries(
      Object.entries(job.inputs).map(([name, artifacts]) => {
        const paths = artifacts.map((artifact) => artifact.path);
        return [name, paths.length === 1 ? paths[0]! : paths];
      }),
    ),
    outputs: job.outputs,
  }) as { run: string; env?: Record<string, string> };
  listener.log(`$ ${settings.run.trimEnd()}`);
  const child = execa('sh', ['-c', script, 'cemiflow', settings.run], {
    buffer: false,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    cwd: job.experimentFolder,
    env: {
      // Python keeps its lines to itself otherwise, and progress comes when all is over.
      PYTHONUNBUFFERED: '1',
      CEMIFLOW_SEED: String(job.seed),
      CEMIFLOW_CHECKPOINT: job.checkpoint,
      ...environment,
      ...settings.env,
    },
    detached: true,
    cleanup: false,
    reject: false,
  });
  let peak = 0;
  const sample = () => {
    if (child.pid !== undefined) peak = Math.max(peak, peakOfTree(child.pid));
  };
  const sampler = setInterval(sample, sampleMilliseconds);
  const firstSample = setTimeout(sample, sampleMilliseconds / 10);
  // Also the watcher, whose pipe would keep `await child` waiting.
  child.once('exit', () => signalGroup(child.pid, 'SIGKILL'));
  return {
    pid: child.pid,
    cancel: () => signalGroup(child.pid, 'SIGTERM'),
    kill: () => signalGroup(child.pid, 'SIGKILL'),
    ended: end(),
  };

  async function end(): Promise<AttemptEnd> {
    const lines = [
      eachLine(child.stdout, (line) => {
        const metric = asMetric(line);
        if (metric) listener.metric(metric.name, metric.value, metric.step);
        listener.log(line);
      }),
      eachLine(child.stderr, (line) => listener.log(line)),
    ];
    const result = await child;
    clearInterval(sampler);
    clearTimeout(firstSample);
    await Promise.all(lines);
    const failed = (message: string, remedy?: string): AttemptEnd => ({
      ok: false,
      message,
      peakRssBytes: peak,
      final: false,
      ...(remedy === undefined ? {} : { remedy }),
    });
    if (result.exitCode !== 0) {
      if (result.exitCode === undefined || result.exitCode > 128) {
        const { message, remedy } = wordsForDeath(result);
        return failed(message, remedy);
      }
      return failed(`the command ended with exit code ${result.exitCode}`, forExitCode(result.exitCode));
    }
    const missing = unmade(job);
    if (missing.length > 0)
      return failed(
        `the command ended well, but did not make ${missing.join(' and ')}`,
        missing.map((name) => `Let it write into \${{ outputs.${name} }}, a folder that exists.`).join(' '),
      );
    return { ok: true, peakRssBytes: peak };
  }
};

function forExitCode(code: number): string | undefined {
  if (code === 127) return 'The program was not found: install it, or give its path.';
  if (code === 126) return 'The program may not be executed: chmod +x it, or name its interpreter.';
  return undefined;
}

/** `metric NAME VALUE [STEP]`, where NAME is what MLflow accepts, without spaces. */
function asMetric(line: string): { name: string; value: number; step?: number } | undefined {
  const match = /^metric\s+([\w\-./:]+)\s+(\S+)(?:\s+(\d+))?\s*$/.exec(line);
  const value = Number(match?.[2]);
  if (!match || !Number.isFinite(value)) return undefined;
  return { name: match[1]!, value, ...(match[3] === undefined ? {} : { step: Number(match[3]) }) };
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
