/**
 * What the expressions of a file can name, and the evaluation of located values with it: params (which may refer to
 * each other), matrix, env. Errors become problems at the place within the text.
 */
import { type Branch, branchOf, type Contexts, type Suggest } from './expressions/evaluate.js';
import { fillNow, mentions } from './expressions/defer.js';
import { ExpressionError } from './expressions/lexer.js';
import type { Syntax } from './expressions/parser.js';
import { fill, hasExpression, parseTemplate, type Template } from './expressions/template.js';
import type { Json, JsonObject, Scalar } from './experiment.js';
import type { Problems } from './problems.js';
import type { Span } from './source.js';
import { isMap, type MapNode, nodeAt, type Node, type Path, type ScalarNode, toPlain } from './tree.js';

/** Stands for a value whose expression failed: the problem is said, and no check of the value is worth anything. */
export const failed: unique symbol = Symbol('failed');

/** How many params may refer to each other in a row. */
const maxChain = 200;

/** A point of a matrix: the values of its axes, and where each was written. */
export interface Point {
  values: Readonly<Record<string, Scalar>>;
  from: Readonly<Record<string, Node>>;
  /**
   * Of a point of a matrix that is wrong, which is said: the axes there are, as far as they can be known. One that has no value here
   * fails without a word.
   */
  open?: { axes: ReadonlySet<string> | undefined };
}

export class Scope {
  private readonly templates = new Map<string, Template | ExpressionError>();
  private readonly paramValues = new Map<ScalarNode, Json | typeof failed>();
  private readonly evaluating = new Set<ScalarNode>();
  private readonly base: Contexts;
  /** Of all stages without a matrix. */
  private noPoint: Contexts | undefined;
  private readonly suggest: Suggest = (word, names) => this.problems.suggest(word, names);

  constructor(
    private readonly params: MapNode | undefined,
    env: Readonly<Record<string, string | null>>,
    private readonly problems: Problems,
  ) {
    const listed = Object.keys(env).join(', ');
    const envHint = `list the name under env: to read it${listed === '' ? '' : `; listed now: ${listed}`}`;
    this.base = {
      params: params
        ? this.paramBranch(params, 'params')
        : branchOf('params', {}, 'declare it under params:'),
      env: branchOf('env', env, envHint),
    };
  }

  /** All params as plain values; what failed or is null is left out. */
  allParams(): JsonObject {
    if (!this.params) return {};
    const plain = this.evaluate(this.params, {});
    const clean = (value: Json): Json =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .filter(([, item]) => item !== null)
              .map(([key, item]) => [key, clean(item)]),
          )
        : value;
    return plain === failed ? {} : (clean(plain) as JsonObject);
  }

  /**
   * The plain value of a located one, its expressions computed.
   * @param point  names `matrix.*`; without it, matrix is not known
   * @param later  leave what names inputs and outputs for the attempt
   * @returns `failed` where any expression in it could not be computed
   */
  evaluate(node: Node, at: { point?: Point; later?: boolean }): Json | typeof failed {
    // Most values have no expression, and need to know nothing.
    let contexts: Contexts | undefined;
    return this.plain(node, () => (contexts ??= this.contextsAt(at.point)), at.later ?? false);
  }

  /** As `evaluate`, key by key. @returns the value without the keys whose expressions failed, and these */
  evaluateEach(
    node: MapNode,
    at: { point?: Point; later?: boolean },
  ): { value: JsonObject; without: ReadonlySet<string> } {
    let contexts: Contexts | undefined;
    const value: JsonObject = {};
    const without = new Set<string>();
    for (const [key, entry] of node.entries) {
      const one = this.plain(entry.value, () => (contexts ??= this.contextsAt(at.point)), at.later ?? false);
      if (one === failed) without.add(key);
      else value[key] = one;
    }
    return { value, without };
  }

  private plain(node: Node, contexts: () => Contexts, later: boolean): Json | typeof failed {
    let ok = true;
    const value = toPlain(node, (leaf) => {
      if (typeof leaf.value !== 'string' || !hasExpression(leaf.value)) return leaf.value;
      const leafValue = this.leaf(leaf, contexts(), later);
      if (leafValue !== failed) return leafValue;
      ok = false;
      return null;
    });
    return ok ? value : failed;
  }

  private contextsAt(point: Point | undefined): Contexts {
    if (!point) return this.base;
    return point.open ? { ...this.base, matrix: openBranch(point, point.open) } : this.withPoint(point);
  }

  private withPoint(point: Point): Contexts {
    if (Object.keys(point.values).length > 0)
      return { ...this.base, matrix: branchOf('matrix', point.values, undefined) };
    return (this.noPoint ??= {
      ...this.base,
      matrix: branchOf('matrix', point.values, 'this stage has no matrix'),
    });
  }

  private leaf(leaf: ScalarNode, contexts: Contexts, later: boolean): Json | typeof failed {
    try {
      const template = this.template(String(leaf.value));
      return later
        ? fillNow(template, { ...contexts, ...folders }, this.suggest)
        : fill(template, contexts, this.suggest);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      this.report(leaf, error);
      return failed;
    }
  }

  private report(leaf: ScalarNode, error: ExpressionError): void {
    if (error instanceof AlreadySaid) return;
    const later = ['inputs', 'outputs'].find((name) =>
      error.message.startsWith(`'${name}' is not known here`),
    );
    const hint = later ? `only the settings of a command stage can name ${later}` : error.hint;
    this.problems.add(spanWithin(leaf, error.start, error.end), error.message, hint);
  }

  /** @throws ExpressionError, the same again for the same text */
  template(text: string): Template {
    let known = this.templates.get(text);
    if (!known) {
      try {
        known = parseTemplate(text);
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        known = error;
      }
      this.templates.set(text, known);
    }
    if (known instanceof ExpressionError) throw known;
    return known;
  }

  private paramBranch(map: MapNode, path: string): Branch {
    return {
      path,
      keys: () => [...map.entries.keys()],
      get: (key, at) => this.paramValue(map.entries.get(key)!.value, `${path}.${key}`, at),
    };
  }

  private paramValue(node: Node, path: string, at: { start: number; end: number }): Json | Branch {
    if (isMap(node)) return this.paramBranch(node, path);
    return toPlain(node, (leaf) => this.paramLeaf(leaf, path, at));
  }

  private paramLeaf(leaf: ScalarNode, path: string, at: { start: number; end: number }): Json {
    if (typeof leaf.value !== 'string' || !hasExpression(leaf.value)) return leaf.value;
    const known = this.paramValues.get(leaf);
    if (known === failed) throw new AlreadySaid(path, at.start, at.end);
    if (known !== undefined) return known;
    if (this.evaluating.has(leaf))
      throw new ExpressionError(
        `params refer to each other in a circle, through ${path}`,
        at.start,
        at.end,
        'give one of them a value of its own',
      );
    if (this.evaluating.size >= maxChain)
      throw new ExpressionError(
        `more than ${maxChain} params refer to each other in a row`,
        at.start,
        at.end,
      );
    this.evaluating.add(leaf);
    try {
      const value = fill(this.template(leaf.value), this.base, this.suggest);
      this.paramValues.set(leaf, value);
      return value;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      // Said once, where it is wrong; whoever refers to it only fails.
      this.report(leaf, error);
      this.paramValues.set(leaf, failed);
      throw new AlreadySaid(error.message, at.start, at.end);
    } finally {
      this.evaluating.delete(leaf);
    }
  }

  /**
   * Where the value of a node really was written: an expression that only names a param or an axis
   * (`${{ matrix.m }}`) leads to the param's place and the axis's item.
   */
  writtenAt(node: Node, point: Point | undefined, path: Path = []): Node {
    let at = node;
    // Bounded: params may not refer to each other in a circle, but that may be what is being reported.
    for (let hops = 0; hops < maxChain; hops += 1) {
      const next = at.type === 'scalar' ? this.target(at, point) : undefined;
      if (!next) break;
      at = next;
    }
    const [step, ...rest] = path;
    if (step === undefined || at.type === 'scalar') return at;
    const below = at.type === 'map' ? at.entries.get(String(step))?.value : at.items[Number(step)];
    return below ? this.writtenAt(below, point, rest) : at;
  }

  private target(leaf: ScalarNode, point: Point | undefined): Node | undefined {
    if (typeof leaf.value !== 'string' || !hasExpression(leaf.value)) return undefined;
    let whole: Syntax | undefined;
    try {
      whole = this.template(leaf.value).whole;
    } catch {
      return undefined;
    }
    return whole && this.named(whole, point);
  }

  /** The node that `params.a.b` or `matrix.a` names, where the syntax is no more than such a name. */
  named(syntax: Syntax, point: Point | undefined): Node | undefined {
    const names: string[] = [];
    let at = syntax;
    while (at.type === 'member') {
      if (at.key.type !== 'literal') return undefined;
      names.unshift(String(at.key.value));
      at = at.of;
    }
    if (at.type !== 'name') return undefined;
    if (at.name === 'matrix' && names.length === 1) return point?.from[names[0]!];
    if (at.name !== 'params') return undefined;
    if (!this.params || names.length === 0) return undefined;
    return nodeAt(this.params, names);
  }

  /** The expressions in a text that name inputs and outputs. */
  deferredIn(leaf: ScalarNode): Syntax[] {
    if (typeof leaf.value !== 'string' || !hasExpression(leaf.value)) return [];
    try {
      return this.template(leaf.value).parts.flatMap((part) =>
        part.type === 'expression' && mentions(part.syntax) ? [part.syntax] : [],
      );
    } catch {
      return [];
    }
  }
}

/** A problem that was put down where it arose. */
class AlreadySaid extends ExpressionError {}

/** The matrix of a stage whose points are not all known. */
function openBranch({ values }: Point, { axes }: NonNullable<Point['open']>): Branch {
  const unknown = (): never => {
    throw new AlreadySaid('the matrix is wrong', 0, 0);
  };
  return {
    path: 'matrix',
    keys: () => [...(axes ?? unknown())],
    // Seeds may come from the inputs.
    has: (key) => Object.hasOwn(values, key) || key === 'seed' || (axes ?? unknown()).has(key),
    get: (key) => (Object.hasOwn(values, key) ? values[key]! : unknown()),
  };
}

/** What only the attempt knows: here they are names that may be meant, and no more. */
const folders: Contexts = { inputs: branchOf('inputs', {}), outputs: branchOf('outputs', {}) };

/** The span of [start, end) of a leaf's value. Exact for plain and quoted text, near for folded blocks. */
export function spanWithin(leaf: ScalarNode, start: number, end: number): Span {
  const { source } = leaf.span;
  const written = source.text.slice(leaf.span.start, leaf.span.end);
  const value = String(leaf.value);
  const at = written.indexOf(value);
  if (at >= 0) return { ...leaf.span, start: leaf.span.start + at + start, end: leaf.span.start + at + end };
  // Escapes or folding stand between text and value: look for the expression's own line in what was written.
  const from = value.lastIndexOf('${{', start);
  const nth = value.slice(0, Math.max(0, from) + 1).split('${{').length - 1;
  let found = -1;
  for (let count = 0; count <= nth; count += 1) {
    const next = written.indexOf('${{', found + 1);
    if (next < 0) return leaf.span;
    found = next;
  }
  const offset = leaf.span.start + found + (start - Math.max(0, from));
  return { ...leaf.span, start: offset, end: Math.max(offset + 1, offset + end - start) };
}
