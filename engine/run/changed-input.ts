/**
 * Whether what a stage read is still what its key says. An outside file may change while a stage reads it; then the result belongs to
 * neither content, and must not be kept. Artifacts are read-only, which holds for everyone but root: there they are looked at again.
 */
import { dirname, resolve } from 'node:path';
import type { AttemptEnd } from './messages.js';
import type { StageWork } from './stage-run.js';

type Parts = Pick<StageWork, 'instance' | 'decision' | 'cache' | 'experiment'>;
type Failed = Extract<AttemptEnd, { ok: false }>;

/** The failure, or undefined where all is as it was. Throws a CacheError where an input cannot be read any more. */
export async function changedInput({
  instance,
  decision,
  cache,
  experiment,
}: Parts): Promise<Failed | undefined> {
  const inputs = decision.components.inputs;
  const outside = Object.entries(instance.inputs).flatMap(([name, sources]) =>
    sources.flatMap((source, index) => (source.from === 'path' ? { name, index, path: source.path } : [])),
  );
  const code = Object.keys(inputs)
    .filter((name) => name.startsWith('code:'))
    .map((name) => ({ name, index: 0, path: resolve(dirname(experiment.file), name.slice('code:'.length)) }));
  for (const { name, index, path } of [...outside, ...code]) {
    if ((await cache.digestPath(path)) === inputs[name]?.[index]) continue;
    return failed(`${path} changed while the stage ran`, 'Run it again when nobody writes there any more.');
  }
  if (process.getuid?.() !== 0) return undefined;
  for (const [name, sources] of Object.entries(instance.inputs)) {
    for (const [index, source] of sources.entries()) {
      if (source.from === 'path' || !(await cache.trouble(inputs[name]![index]!))) continue;
      return failed(
        `the stage wrote into its input ${name}, the result of ${source.stage}, which is made again by the next run`,
        'Let it write into its outputs only. To work in place, copy the input first.',
      );
    }
  }
  return undefined;
}

const failed = (message: string, remedy: string): Failed => ({
  ok: false,
  peakRssBytes: 0,
  message,
  remedy,
  class: 'error',
  final: true,
});
