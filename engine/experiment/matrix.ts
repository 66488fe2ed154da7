/** A stage's matrix -> its points. GitHub's rules for include and exclude; ranges are exact decimals. */
import type { Json, JsonObject, Scalar } from './experiment.js';
import { listed, type Problems } from './problems.js';
import type { Point, Scope } from './scope.js';
import { isMap, type Node, type Path } from './tree.js';

/** Points of one stage. */
export const maxPoints = 10_000;

const reserved = new Set(['zip', 'include', 'exclude']);
const axisName = /^[A-Za-z_][A-Za-z0-9_-]*$/;

interface Value {
  value: Scalar;
  from: Node;
}
/** Axes that advance together, each with as many values. */
type Group = { axes: readonly string[]; rows: readonly (readonly Value[])[] };

/** `samples@m=-0.1`: the values are the name, so that reordering a list renames nothing. */
export function pointName(stage: string, values: Readonly<Record<string, Scalar>>): string {
  const pairs = Object.entries(values).map(([axis, value]) => `${axis}=${valueText(value)}`);
  return pairs.length === 0 ? stage : `${stage}@${pairs.join(',')}`;
}

/** A value in a name: what could be misread there is percent-encoded. */
export function valueText(value: Scalar): string {
  return String(value).replace(/[^\p{L}\p{N}._+-]/gu, (letter) =>
    encodeURIComponent(letter).replace(
      /[*'()!~]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
  );
}

/**
 * from, from + step, ... up to `to`, computed on decimal digits: 0.1 steps give 0.3, not 0.30000000000000004.
 * @returns how many there are, where that is more than the limit
 */
export function rangeValues(from: number, to: number, step: number, limit = maxPoints): number[] | number {
  const digits = Math.max(...[from, to, step].map(decimals));
  // Shifted as text, here and back, as from * 10 ** digits is inexact.
  const [a, b, s] = [from, to, step].map((value) => Math.round(Number(shift(value, digits)))) as [
    number,
    number,
    number,
  ];
  const count = Math.floor((b - a) / s) + 1;
  if (!(count <= limit)) return count;
  return Array.from({ length: Math.max(0, count) }, (_, index) => Number(shift(a + index * s, -digits)) || 0);
}

function decimals(value: number): number {
  const [digits = '', exponent = '0'] = String(value).split('e');
  return Math.max(0, (digits.split('.')[1]?.length ?? 0) - Number(exponent));
}

function shift(value: number, digits: number): string {
  const [mantissa, exponent = '0'] = String(value).split('e');
  return `${mantissa}e${Number(exponent) + digits}`;
}

/** @returns undefined where the points are not known, which is said in `problems` */
export function matrixPoints(
  matrix: JsonObject,
  node: Node,
  scope: Scope,
  problems: Problems,
): Point[] | undefined {
  const before = problems.count;
  const at = (...path: Path): Node => scope.writtenAt(node, undefined, path);
  const keyAt = (...path: Path): Node['span'] => {
    const map = at(...path.slice(0, -1));
    return (isMap(map) ? map.entries.get(String(path.at(-1)))?.key : undefined) ?? at(...path).span;
  };
  const groups: Group[] = [];
  const zip = (matrix['zip'] ?? {}) as JsonObject;
  for (const [axis, values] of Object.entries(matrix)) {
    if (reserved.has(axis)) continue;
    if (!goodName(axis, keyAt(axis), problems)) continue;
    if (Object.hasOwn(zip, axis))
      problems.add(
        keyAt('zip', axis),
        `the axis '${axis}' is given twice: alone and in zip`,
        'remove one of them',
      );
    const list = axisValues(axis, values, at(axis), (index) => at(axis, index), problems);
    if (list) groups.push({ axes: [axis], rows: list.map((value) => [value]) });
  }
  if (matrix['zip'] !== undefined) {
    const columns = Object.entries(zip).flatMap(([axis, values]) => {
      if (!goodName(axis, keyAt('zip', axis), problems)) return [];
      const item = (index: number) => at('zip', axis, index);
      const list = axisValues(axis, values, at('zip', axis), item, problems, true);
      return list ? [{ axis, list }] : [];
    });
    const uneven = columns.find((column) => column.list.length !== columns[0]!.list.length);
    if (uneven)
      problems.add(
        keyAt('zip', uneven.axis),
        `'${uneven.axis}' has ${uneven.list.length} values and '${columns[0]!.axis}' ${columns[0]!.list.length}: zipped axes go together`,
        'give them equally many values',
      );
    else if (columns.length > 0)
      groups.push({
        axes: columns.map((column) => column.axis),
        rows: columns[0]!.list.map((_, row) => columns.map((column) => column.list[row]!)),
      });
  }
  if (problems.count > before) return undefined;

  const count = groups.reduce((product, group) => product * group.rows.length, groups.length === 0 ? 0 : 1);
  if (count > maxPoints) {
    problems.add(
      at().span,
      `this matrix has ${count} points; a stage has at most ${maxPoints}`,
      'use fewer values, or zip axes that belong together',
    );
    return undefined;
  }
  let points: Point[] = groups.length === 0 ? [] : [{ values: {}, from: {} }];
  for (const group of groups)
    points = points.flatMap((point) =>
      group.rows.map((row) =>
        row.reduce((next, value, index) => extended(next, group.axes[index]!, value), point),
      ),
    );

  const axes = groups.flatMap((group) => group.axes);
  points = without(points, (matrix['exclude'] ?? []) as JsonObject[], axes, at, problems);
  points = including(points, (matrix['include'] ?? []) as JsonObject[], axes, at, problems);
  const names = new Set<string>();
  for (const point of points) {
    const name = pointName('', point.values);
    if (names.has(name))
      problems.add(
        Object.values(point.from).at(-1)?.span ?? at().span,
        `the point ${name.slice(1)} is there twice`,
        'remove one of them',
      );
    names.add(name);
  }
  if (points.length === 0 && problems.count === before)
    problems.add(
      at().span,
      'this matrix has no points',
      groups.length === 0 ? 'give it an axis: m: [0, 0.5]' : 'exclude leaves none',
    );
  return problems.count > before ? undefined : points;
}

function goodName(axis: string, span: Node['span'], problems: Problems): boolean {
  if (axis === 'seed')
    problems.add(span, "'seed' is the axis that seeds make", 'write seeds: [1, 2, 3] beside matrix instead');
  else if (!axisName.test(axis))
    problems.add(
      span,
      `'${axis}' cannot be the name of an axis`,
      "letters, digits, '_' and '-', a letter first",
    );
  else return true;
  return false;
}

function axisValues(
  axis: string,
  values: Json,
  node: Node,
  item: (index: number) => Node,
  problems: Problems,
  /** Zipped axes may have a value again: their points differ in another axis. */
  again = false,
): Value[] | undefined {
  if (Array.isArray(values)) {
    const seen = new Set<string>();
    let fine = true;
    const list = values.map((value, index) => {
      const text = valueText(value as Scalar);
      if (seen.has(text) && !again) {
        problems.add(
          item(index).span,
          `the axis '${axis}' has the value ${text} twice`,
          'remove one of them',
        );
        fine = false;
      }
      seen.add(text);
      return { value: value as Scalar, from: item(index) };
    });
    return fine ? list : undefined;
  }
  const { from, to, step } = values as { from: number; to: number; step: number };
  const wrong = (message: string, hint: string): undefined => {
    problems.add(node.span, message, hint);
    return undefined;
  };
  if (step === 0)
    return wrong(
      `the step of '${axis}' is 0: the range never ends`,
      'give a step, as in {from: -1, to: 1, step: 0.1}',
    );
  const range = rangeValues(from, to, step);
  if (typeof range === 'number')
    return wrong(
      `the range of '${axis}' has ${Number.isFinite(range) ? range : 'endlessly many'} values; a stage has at most ${maxPoints} points`,
      'use a larger step',
    );
  if (range.length === 0)
    return wrong(
      `the range of '${axis}' is empty: from ${from} there is no way to ${to} in steps of ${step}`,
      step > 0 ? 'from must not be above to' : 'a negative step goes down',
    );
  return range.map((value) => ({ value, from: node }));
}

function extended(point: Point, axis: string, { value, from }: Value): Point {
  return { values: { ...point.values, [axis]: value }, from: { ...point.from, [axis]: from } };
}

function without(
  points: readonly Point[],
  excluded: readonly JsonObject[],
  axes: readonly string[],
  at: (...path: Path) => Node,
  problems: Problems,
): Point[] {
  return excluded.reduce<Point[]>(
    (left, pattern, index) => {
      const unknown = Object.keys(pattern).find((axis) => !axes.includes(axis));
      if (unknown !== undefined) {
        problems.add(
          at('exclude', index, unknown).span,
          `this matrix has no axis '${unknown}'${problems.suggest(unknown, axes)}`,
          `axes: ${listed(axes)}`,
        );
        return left;
      }
      const next = left.filter(
        (point) => !Object.entries(pattern).every(([axis, value]) => point.values[axis] === value),
      );
      if (next.length === left.length)
        problems.add(
          at('exclude', index).span,
          'this excludes no point',
          'its values must be those of the axes',
        );
      return next;
    },
    [...points],
  );
}

/** Adds a pattern's further values to the points that agree with it; where none does, it is a point of its own. */
function including(
  points: readonly Point[],
  included: readonly JsonObject[],
  axes: readonly string[],
  at: (...path: Path) => Node,
  problems: Problems,
): Point[] {
  let all = [...points];
  const added: Point[] = [];
  included.forEach((pattern, index) => {
    const entries = Object.entries(pattern) as [string, Scalar][];
    for (const [axis] of entries) goodName(axis, at('include', index, axis).span, problems);
    const add = (point: Point): Point =>
      entries.reduce(
        (next, [axis, value]) => extended(next, axis, { value, from: at('include', index, axis) }),
        point,
      );
    const shared = entries.filter(([axis]) => axes.includes(axis));
    const agrees = (point: Point): boolean => shared.every(([axis, value]) => point.values[axis] === value);
    if (all.some(agrees) && shared.length < entries.length)
      all = all.map((point) => (agrees(point) ? add(point) : point));
    else added.push(add({ values: {}, from: {} }));
  });
  return [...all, ...added];
}
