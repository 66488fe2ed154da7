/**
 * Whether what a stage read is still what its key says. An outside file may change while a stage reads it; then the result belongs to
 * neither content, and must not be kept.
 */
import { dirname, resolve } from 'node:path';
import type { AttemptEnd } from './messages.js';
import type { StageWork } from './stage-run.js';

/** The failure, or undefined where all is as it was. Throws a CacheError where an input cannot be read any more. */
export async function changedInput({
  instance,
  decision,
  cache,
  experiment,
}: Pick<StageWork, 'instance' | 'decision' | 'cache' | 'experiment'>): Promise<
  Extract<AttemptEnd, { ok: false }> | undefined
> {
  const outside = Object.entries(instance.inputs).flatMap(([name, sources]) =>
    sources.flatMap((source, index) => (source.from === 'path' ? { name, index, path: source.path } : [])),
  );
  const code = Object.keys(decision.components.inputs)
    .filter((name) => name.startsWith('code:'))
    .map((name) => ({ name, index: 0, path: resolve(dirname(experiment.file), name.slice('code:'.length)) }));
  for (const { name, index, path } of [...outside, ...code]) {
    if ((await cache.digestPath(path)) === decision.components.inputs[name]?.[index]) continue;
    return {
      ok: false,
      peakRssBytes: 0,
      message: `${path} changed while the stage ran`,
      remedy: 'Run it again when nobody writes there any more.',
      class: 'error',
      final: true,
    };
  }
  return undefined;
}
