/** An experiment file -> Experiment, or everything that is wrong with it. Reads files; runs nothing but a user's own declarations. */
import { basename, dirname, extname, resolve } from 'node:path';
import { compose } from './compose.js';
import type {
  Diagnostic,
  Experiment,
  Loaded,
  LoadOptions,
  ReportSettings,
  SourcePlace,
} from './experiment.js';
import { makeInstances } from './instances.js';
import { kindsOf } from './kinds.js';
import { printYaml } from './print-yaml.js';
import { Problems } from './problems.js';
import type { StageRegistry } from './registry-type.js';
import { checkReport } from './report-settings.js';
import { Scope } from './scope.js';
import { placeOf, Source } from './source.js';
import { readStructure } from './structure.js';
import { checkTracking } from './tracking-settings.js';
import { entryOf, isMap, type MapNode, type Node, toPlain } from './tree.js';

/**
 * @param file     path of the experiment file, relative to `options.cwd`
 * @param registry the kinds that `uses` can name
 * @returns the experiment, or every problem found, file by file and line by line
 */
export async function loadExperiment(
  file: string,
  options: LoadOptions,
  registry: StageRegistry,
): Promise<Loaded> {
  const problems = new Problems();
  const path = resolve(options.cwd ?? process.cwd(), file);
  const composed = await compose(file, options, problems);
  if (!composed) return failure(problems, path);
  const params = entryOf(composed, 'params')?.value;
  const scope = new Scope(
    isMap(params) ? params : undefined,
    environment(composed, options.env ?? process.env),
    problems,
  );
  const allParams = scope.allParams();
  const { specs, top } = readStructure(composed, scope, problems);
  const kinds = await kindsOf(specs.values(), registry, problems);
  const stagesNode = entryOf(composed, 'stages')?.value;
  const names = new Set(isMap(stagesNode) ? stagesNode.entries.keys() : []);
  const seed = (top['seed'] as number | undefined) ?? 0;
  const stages = makeInstances(
    specs,
    names,
    kinds,
    { seed, resources: (top['resources'] ?? {}) as { cpus?: number; gpus?: number } },
    scope,
    problems,
  );
  const report = checkReport(
    (top['report'] ?? {}) as ReportSettings,
    entryOf(composed, 'report')?.value,
    stages,
    names,
    scope,
    problems,
  );
  const tracking = top['tracking'] as Experiment['tracking'];
  checkTracking(composed, tracking?.uri, scope, problems);
  if (problems.any) return failure(problems, path);

  const kept: MapNode = {
    ...composed,
    entries: new Map([...composed.entries].filter(([key]) => key !== 'profiles')),
  };
  let text: string | undefined;
  let origins: Experiment['origins'] | undefined;
  const experiment: Experiment = {
    name: (top['name'] as string | undefined) ?? basename(path, extname(path)),
    file: path,
    seed,
    params: allParams,
    stages,
    report,
    ...(tracking === undefined ? {} : { tracking }),
    // Only for those who ask: a plan needs neither.
    get composed() {
      return (text ??= printYaml(toPlain(kept)));
    },
    get origins() {
      return (origins ??= originsOf(kept));
    },
  };
  return { ok: true, experiment };
}

function failure(problems: Problems, file: string): Loaded {
  const [first, ...rest] = problems.list();
  // Loading gives up only after saying why; should it not, the user must still not be told that all is well.
  const unknown: Diagnostic = {
    place: placeOf({ source: new Source(file, '', dirname(file)), start: 0, end: 0 }),
    length: 1,
    message: 'the file could not be loaded',
  };
  return { ok: false, diagnostics: [first ?? unknown, ...rest] };
}

/** The variables that `env:` lists; null where one is not set. */
function environment(
  root: MapNode,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | null> {
  const node = entryOf(root, 'env')?.value;
  const names =
    node?.type === 'list'
      ? node.items.flatMap((item) =>
          item.type === 'scalar' && typeof item.value === 'string' ? [item.value] : [],
        )
      : [];
  return Object.fromEntries(names.map((name) => [name, env[name] ?? null]));
}

function originsOf(root: MapNode): Record<string, SourcePlace> {
  const origins: Record<string, SourcePlace> = {};
  const visit = (node: Node, pointer: string): void => {
    if (node.type === 'map' && node.entries.size > 0)
      for (const [key, entry] of node.entries)
        visit(entry.value, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    else if (node.type === 'list' && node.items.length > 0)
      node.items.forEach((item, index) => visit(item, `${pointer}/${index}`));
    else origins[pointer] = placeOf(node.span);
  };
  visit(root, '');
  return origins;
}
