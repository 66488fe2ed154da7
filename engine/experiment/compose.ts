/**
 * Several texts -> one located tree: `extends` first, then the file, then profiles, then --set and --seed.
 * Maps merge, lists and scalars replace, null deletes. Every value keeps the place it was written at.
 */
import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import type { LoadOptions } from './experiment.js';
import { limits, parseYaml } from './parse.js';
import { listed, type Problems } from './problems.js';
import { Source, type Span } from './source.js';
import {
  entryOf,
  isMap,
  type Entry,
  type MapNode,
  type Node,
  prototypeNames,
  toPlain,
  typeName,
} from './tree.js';

/** Files within files, through `extends`. */
const maxExtends = 20;

/** @returns undefined where there is nothing to go on with; what is wrong is in `problems`. */
export async function compose(
  file: string,
  options: LoadOptions,
  problems: Problems,
): Promise<MapNode | undefined> {
  const cwd = options.cwd ?? process.cwd();
  const fromFiles = await new Files(problems).load(resolve(cwd, file));
  if (!fromFiles) return undefined;
  let root: MapNode = fromFiles;
  for (const name of options.profiles) root = applyProfile(root, name, cwd, problems);
  for (const text of options.set) root = applySet(root, text, cwd, problems);
  if (options.seed !== undefined) {
    const source = new Source('--seed', `--seed ${options.seed}`, cwd, `--seed ${options.seed}`);
    const span = { source, start: 7, end: source.text.length };
    root = merge(root, mapOf('seed', { key: span, value: { type: 'scalar', value: options.seed, span } }));
  }
  return root;
}

/** Reads files and follows their `extends`; each file is read once, however many extend it. */
class Files {
  private readonly loaded = new Map<string, MapNode | undefined>();

  constructor(private readonly problems: Problems) {}

  /** @param chain the files that led here, outermost first; `said` is where the last of them names this one. */
  async load(
    file: string,
    chain: readonly string[] = [],
    said?: Span,
    as?: string,
  ): Promise<MapNode | undefined> {
    if (chain.includes(file)) {
      const names = [...chain.slice(chain.indexOf(file)), file].map((path) =>
        path.slice(dirname(chain[0]!).length + 1),
      );
      this.problems.add(
        said!,
        `these files extend each other in a circle: ${names.join(' -> ')}`,
        'remove one of the extends',
      );
      return undefined;
    }
    if (chain.length > maxExtends) {
      this.problems.add(
        said!,
        `files extend each other more than ${maxExtends} deep`,
        'put some of them together',
      );
      return undefined;
    }
    if (this.loaded.has(file)) return this.loaded.get(file);
    const node = await this.read(file, chain, said, as);
    this.loaded.set(file, node);
    return node;
  }

  private async read(
    file: string,
    chain: readonly string[],
    said: Span | undefined,
    as: string | undefined,
  ): Promise<MapNode | undefined> {
    const source = await this.source(file, said, as);
    if (!source) return undefined;
    const own = parseYaml(source, this.problems);
    if (!own) return undefined;
    if (!isMap(own)) {
      const what =
        own.type === 'scalar' && own.value === null
          ? 'the file is empty'
          : `the file holds ${typeName(toPlain(own))}, not a map of keys`;
      this.problems.add(
        own.span,
        what,
        'an experiment has at least stages: (cemiflow init writes a first one)',
      );
      return undefined;
    }
    let base: MapNode | undefined;
    for (const { path, span } of this.extendsOf(own)) {
      const next = await this.load(resolve(dirname(file), path), [...chain, file], span, path);
      if (next) base = base ? merge(base, next) : next;
    }
    const rest: MapNode = { ...own, entries: new Map([...own.entries].filter(([key]) => key !== 'extends')) };
    return base ? merge(base, rest) : rest;
  }

  private extendsOf(own: MapNode): { path: string; span: Span }[] {
    const node = entryOf(own, 'extends')?.value;
    if (!node) return [];
    return (node.type === 'list' ? node.items : [node]).flatMap((item) => {
      if (item.type === 'scalar' && typeof item.value === 'string')
        return [{ path: item.value, span: item.span }];
      this.problems.add(
        item.span,
        `'extends' takes the path of a file or a list of them, not ${typeName(toPlain(item))}`,
        'write extends: base.yaml, or extends: [faces.yaml, paper.yaml]',
      );
      return [];
    });
  }

  private async source(
    file: string,
    said: Span | undefined,
    as: string | undefined,
  ): Promise<Source | undefined> {
    const refuse = (message: string, hint?: string): undefined => {
      this.problems.add(
        said ?? { source: new Source(file, '', dirname(file)), start: 0, end: 0 },
        message,
        hint,
      );
      return undefined;
    };
    const name = as === undefined ? 'the file' : `'${as}'`;
    try {
      const info = await stat(file);
      if (info.isDirectory()) return refuse(`${name} is a folder`, await this.neighbours(file, ''));
      if (!info.isFile()) return refuse(`${name} is not a regular file`);
      if (info.size > limits.bytes)
        return refuse(`${name} has ${info.size} bytes; an experiment file has at most ${limits.bytes}`);
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
      return new Source(file, text, dirname(file), as === undefined ? undefined : `extends ${as}`);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR')
        return /^\w+:\/\//.test(as ?? '')
          ? refuse(
              `${name} is an address, and nothing is fetched from there`,
              'download it, and name the file',
            )
          : refuse(`${name} does not exist`, await this.neighbours(dirname(file), file));
      if (code === 'EACCES') return refuse(`${name} may not be read`, 'change its permissions');
      if (error instanceof TypeError) return refuse(`${name} is not UTF-8 text`, 'save it as UTF-8');
      return refuse(`${name} cannot be read: ${(error as Error).message}`);
    }
  }

  /** What lies where a file was looked for. */
  private async neighbours(folder: string, file: string): Promise<string> {
    const names = await readdir(folder).catch(() => undefined);
    if (!names) return 'its folder does not exist either';
    const found = names.filter((name) => ['.yaml', '.yml'].includes(extname(name))).sort();
    const near = this.problems.nearest(file.slice(folder.length + 1), found);
    return found.length === 0
      ? 'there is no .yaml file in that folder'
      : near === undefined
        ? `that folder has ${listed(found)}`
        : `did you mean '${near}'?`;
  }
}

/**
 * `over` laid on `base`. A null in `over` deletes what base has under that key; in params it stays as "not set", so that
 * expressions may still ask for it.
 */
export function merge(base: MapNode, over: MapNode, path: readonly string[] = []): MapNode {
  const entries = new Map<string, Entry>(base.entries);
  for (const [key, entry] of over.entries) {
    const below = base.entries.get(key);
    if (below && isNull(entry.value) && path[0] !== 'params') entries.delete(key);
    else if (below && isMap(below.value) && isMap(entry.value))
      entries.set(key, { key: entry.key, value: merge(below.value, entry.value, [...path, key]) });
    else entries.set(key, entry);
  }
  return { type: 'map', entries, span: over.entries.size > 0 ? over.span : base.span };
}

function isNull(node: Node): boolean {
  return node.type === 'scalar' && node.value === null;
}

function applyProfile(root: MapNode, name: string, cwd: string, problems: Problems): MapNode {
  const profiles = entryOf(root, 'profiles')?.value;
  const profile = entryOf(profiles, name)?.value;
  if (isMap(profile)) {
    const entries = new Map([...profile.entries].filter(([key]) => key !== 'extends' && key !== 'profiles'));
    return merge(root, withOrigin({ ...profile, entries }, `profile ${name}`) as MapNode);
  }
  const names = isMap(profiles) ? [...profiles.entries.keys()] : [];
  const source = new Source('--profile', `--profile ${name}`, cwd, `--profile ${name}`);
  const why = profile
    ? `profile '${name}' is not a map of keys`
    : `there is no profile '${name}'${problems.suggest(name, names)}`;
  problems.add({ source, start: 10, end: source.text.length }, why, `profiles: ${listed(names)}`);
  return root;
}

function withOrigin(node: Node, origin: string): Node {
  const span = { ...node.span, origin };
  if (node.type === 'scalar') return { ...node, span };
  if (node.type === 'list')
    return { ...node, span, items: node.items.map((item) => withOrigin(item, origin)) };
  const entries = [...node.entries].map(([key, entry]): [string, Entry] => [
    key,
    { key: { ...entry.key, origin }, value: withOrigin(entry.value, origin) },
  ]);
  return { ...node, span, entries: new Map(entries) };
}

/** Names under these must exist already: a typo would otherwise set what nobody reads. */
const closed: readonly string[] = ['params', 'stages'];

function applySet(root: MapNode, text: string, cwd: string, problems: Problems): MapNode {
  const source = new Source('--set', `--set ${text}`, cwd, `--set ${text}`);
  const span = (start: number, end: number): Span => ({ source, start, end });
  const start = 6;
  const equals = source.text.indexOf('=', start);
  if (equals <= start) {
    problems.add(
      span(start, source.text.length),
      `--set takes path=value, not '${text}'`,
      'for example --set params.identities=50',
    );
    return root;
  }
  const steps: { name: string; span: Span }[] = [];
  let at = start;
  for (const name of source.text.slice(start, equals).split('.')) {
    steps.push({ name, span: span(at, at + name.length) });
    at += name.length + 1;
  }
  const bad = steps.find((step) => step.name === '' || prototypeNames.has(step.name));
  if (bad) {
    problems.add(
      bad.span,
      bad.name === '' ? 'a name is missing in the path' : `'${bad.name}' cannot be a key`,
      'a path is names with dots between, as in stages.samples.matrix.m',
    );
    return root;
  }
  const [first] = steps;
  if (first!.name === 'extends' || first!.name === 'profiles') {
    problems.add(
      first!.span,
      `--set cannot change '${first!.name}': it is read before --set is applied`,
      first!.name === 'extends'
        ? 'write it in a file of its own that extends both'
        : 'set the value itself, as in --set params.identities=50',
    );
    return root;
  }
  const before = problems.count;
  const value =
    source.text.slice(equals + 1).trim() === ''
      ? ({ type: 'scalar', value: null, span: span(start, source.text.length) } as const)
      : parseYaml(source, problems, equals + 1);
  if (!value || problems.count > before) return root;
  return setAt(root, steps, 0, value, problems) as MapNode;
}

/** A copy of `node` with `value` merged in at the rest of the path; the same node where that cannot be done. */
function setAt(
  node: Node,
  steps: readonly { name: string; span: Span }[],
  depth: number,
  value: Node,
  problems: Problems,
): Node {
  const step = steps[depth]!;
  const last = depth === steps.length - 1;
  const path = steps
    .slice(0, depth)
    .map((at) => at.name)
    .join('.');
  if (node.type === 'list') {
    const index = Number(step.name);
    const item = node.items[index];
    if (!item) {
      problems.add(
        step.span,
        `'${path}' is a list of ${node.items.length}; it has no item '${step.name}'`,
        'items count from 0',
      );
      return node;
    }
    const changed = last ? value : setAt(item, steps, depth + 1, value, problems);
    return { ...node, items: node.items.map((old, at) => (at === index ? changed : old)) };
  }
  if (node.type === 'scalar') {
    problems.add(
      step.span,
      `'${path}' is ${typeName(node.value)}; it has no '${step.name}' to set`,
      `set the whole: --set ${path}=...`,
    );
    return node;
  }
  const below = node.entries.get(step.name);
  if (
    !below &&
    (depth === 1 || path.startsWith('params')) &&
    closed.includes(steps[0]!.name) &&
    !(steps[0]!.name === 'stages' && last && isMap(value))
  ) {
    const names = [...node.entries.keys()];
    problems.add(
      step.span,
      `${path} has no '${step.name}'${problems.suggest(step.name, names)}`,
      `it has ${listed(names)}`,
    );
    return node;
  }
  if (last)
    return merge(
      node,
      mapOf(step.name, { key: step.span, value }),
      steps.slice(0, depth).map((at) => at.name),
    );
  // Where the map does not exist yet, it is made.
  const inner: Node =
    below && !isNull(below.value) ? below.value : { type: 'map', entries: new Map(), span: step.span };
  const entry = { key: below?.key ?? step.span, value: setAt(inner, steps, depth + 1, value, problems) };
  return { ...node, entries: new Map([...node.entries, [step.name, entry]]) };
}

function mapOf(key: string, entry: Entry): MapNode {
  return { type: 'map', entries: new Map([[key, entry]]), span: entry.key };
}
