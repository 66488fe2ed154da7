/** A stage's `with` at one point: expressions computed, checked against the schema of its kind, defaults filled in. */
import type { OutputDeclaration, StageDeclaration } from '../../stages/contract.js';
import type { Json, JsonObject } from './experiment.js';
import { deferredNames } from './expressions/defer.js';
import { Checker, type Fault } from './faults.js';
import { listed, type Problems } from './problems.js';
import { sayFaults, type Subject } from './say-fault.js';
import { failed, type Point, type Scope, spanWithin } from './scope.js';
import type { Span } from './source.js';
import type { StageSpec } from './structure.js';
import { isMap, type Node, type Path, type ScalarNode, someLeaf, typeName } from './tree.js';

export interface Settled {
  settings: JsonObject;
  outputs: Readonly<Record<string, OutputDeclaration>>;
}

const checkers = new WeakMap<StageDeclaration, Checker>();

/** Made once for each kind, whatever the number of its instances. */
function checkerOf(declaration: StageDeclaration): Checker {
  let checker = checkers.get(declaration);
  if (!checker) {
    checker = new Checker(declaration.schema, true);
    checkers.set(declaration, checker);
  }
  return checker;
}

/** Whether `inputs` takes any names: then the settings name folders of inputs and outputs, which only the attempt knows. */
export function takesAnyInputs(declaration: StageDeclaration): boolean {
  return Object.hasOwn(declaration.inputs, '*');
}

/** The settings of all points of one stage; points that cannot differ share theirs. */
export class StageSettings {
  private same: Settled | undefined | 'unknown' = 'unknown';
  private readonly varies: boolean;

  constructor(
    private readonly spec: StageSpec,
    private readonly declaration: StageDeclaration,
    private readonly scope: Scope,
    private readonly problems: Problems,
  ) {
    this.varies = spec.with !== undefined && mentionsMatrix(spec.with.node);
  }

  /** @returns undefined where they are wrong, which is said in `problems`. `name` is the instance's. */
  at(point: Point, name: string): Settled | undefined {
    if (!this.varies && this.same !== 'unknown') return this.same;
    const settled = this.settle(point, name);
    if (!this.varies) this.same = settled;
    return settled;
  }

  private settle(point: Point, name: string): Settled | undefined {
    const { spec, declaration, problems } = this;
    const given = spec.unread.with ? undefined : this.given(point);
    if (!given) return undefined;
    const settings = withoutNulls(given.value, declaration);
    const faults = checkerOf(declaration)
      .check(settings)
      .filter((fault) => stands(fault, given.without, declaration));
    sayFaults(faults, this.subject(point, name), problems);
    if (faults.length > 0 || given.without.size > 0) return undefined;
    try {
      const objections = declaration.check?.(settings) ?? [];
      for (const { path, message } of objections) {
        const subject = this.subject(point, name);
        const steps = path.split(/[./]|\[|\]/).filter((step) => step !== '');
        problems.add(subject.value(steps), `'${subject.name(steps)}': ${message}${subject.aside!(steps)}`);
      }
      if (objections.length > 0) return undefined;
      const outputs =
        typeof declaration.outputs === 'function' ? declaration.outputs(settings) : declaration.outputs;
      return { settings, outputs };
    } catch (error) {
      problems.add(
        spec.usesSpan,
        `${declaration.kind} failed to check its settings: ${(error as Error).message}`,
        'this is a bug of that stage',
      );
      return undefined;
    }
  }

  /** What `with` comes to, as far as it can be computed. */
  private given(point: Point): { value: JsonObject; without: ReadonlySet<string> } | undefined {
    const { spec, declaration, scope, problems } = this;
    if (!spec.with) return { value: {}, without: new Set() };
    const { node } = spec.with;
    const at = { point, later: takesAnyInputs(declaration) };
    if (isMap(node)) return scope.evaluateEach(node, at);
    const value = scope.evaluate(node, at);
    if (value === failed) return undefined;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { value, without: new Set() };
    problems.add(node.span, `'with' must be a map, not ${typeName(value)}`);
    return undefined;
  }

  private subject(point: Point, name: string): Subject {
    const { spec, declaration, scope } = this;
    const settings = spec.with;
    const locate = (path: Path): { key: Span; value: Span } => {
      let key = settings?.key ?? spec.key;
      let node = settings?.node;
      for (const step of path) {
        node = node && scope.writtenAt(node, point);
        const entry = node?.type === 'map' ? node.entries.get(String(step)) : undefined;
        const item = node?.type === 'list' ? node.items[Number(step)] : undefined;
        // A value made by an expression, or by a default: what made it is the place.
        if (!entry && !item) return { key, value: node?.type === 'scalar' ? node.span : key };
        key = entry?.key ?? item!.span;
        node = entry?.value ?? item;
      }
      return { key, value: node ? scope.writtenAt(node, point).span : key };
    };
    const start = settings?.node.span.start ?? 0;
    const elsewhere = (span: Span): boolean =>
      !settings ||
      span.source !== settings.node.span.source ||
      span.start < start ||
      span.start >= settings.node.span.end;
    return {
      member: (path) =>
        `a setting of ${path.length === 0 ? declaration.kind : `${path.join('.')} in ${declaration.kind}`}`,
      owner: (path) => (path.length === 0 ? declaration.kind : `'${path.join('.')}' of ${declaration.kind}`),
      name: (path) =>
        path.reduce<string>(
          (text, step) =>
            /^\d+$/.test(String(step)) ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${step}`,
          '',
        ),
      more: ` (cemiflow schema ${declaration.kind})`,
      value: (path) => locate(path).value,
      key: (path, key) => locate([...path, key]).key,
      map: (path) => locate(path).key,
      // The list of a matrix, or a param, says nothing of the stage that takes its value.
      aside: (path) => (elsewhere(locate(path).value) ? ` (with.${path.join('.')} of ${name})` : ''),
    };
  }
}

/** Whether a fault is one whatever the settings that could not be computed would have been. */
function stands(fault: Fault, without: ReadonlySet<string>, { schema }: StageDeclaration): boolean {
  if (without.size === 0) return true;
  // One setting then decides what the others may be.
  if (['if', 'allOf', 'anyOf', 'oneOf', 'not', 'dependentSchemas'].some((keyword) => keyword in schema))
    return false;
  const [top] = 'key' in fault ? [...fault.path, fault.key] : fault.path;
  return top !== undefined && !without.has(String(top));
}

/** The names that a command's texts give to folders, checked before anything runs. */
export function checkFolderNames(
  spec: StageSpec,
  inputs: Iterable<string>,
  outputs: Iterable<string>,
  scope: Scope,
  problems: Problems,
): void {
  if (!spec.with) return;
  const known: Record<string, string[]> = { inputs: [...inputs], outputs: [...outputs] };
  const check = (leaf: ScalarNode): false => {
    for (const syntax of scope.deferredIn(leaf)) {
      if (syntax.type === 'name')
        problems.add(
          spanWithin(leaf, syntax.start, syntax.end),
          `'${syntax.name}' alone is no folder`,
          `name one (${syntax.name}.${known[syntax.name]![0] ?? 'x'}), or all of them: join(${syntax.name}.*, ' ')`,
        );
      for (const { of, name, start, end } of deferredNames(syntax)) {
        const names = known[of]!;
        if (!names.includes(name))
          problems.add(
            spanWithin(leaf, start, end),
            `stage '${spec.name}' has no ${of === 'inputs' ? 'input' : 'output'} '${name}'${problems.suggest(name, names)}`,
            `${of}: ${listed(names)}`,
          );
      }
    }
    return false;
  };
  someLeaf(spec.with.node, check);
}

/** null: not set, so that the default holds; kept where the schema takes null, and where the key is unknown. */
function withoutNulls(value: JsonObject, declaration: StageDeclaration): JsonObject {
  const properties = (declaration.schema['properties'] ?? {}) as Record<string, { type?: string | string[] }>;
  const settings: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    const unset =
      item === null && Object.hasOwn(properties, key) && ![properties[key]!.type].flat().includes('null');
    // Defaults are filled in, so nothing of it may belong to another instance.
    if (!unset) settings[key] = copied(item);
  }
  return settings;
}

function copied(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copied);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copied(item)]));
}

function mentionsMatrix(node: Node): boolean {
  return someLeaf(node, ({ value }) => typeof value === 'string' && value.includes('matrix'));
}
