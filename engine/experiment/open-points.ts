/**
 * What can be known of a matrix that is wrong, so that the settings which depend on it are checked in the same go: each value of each
 * axis by itself. Says nothing: what is wrong with the matrix is said elsewhere.
 */
import type { Json, Scalar } from './experiment.js';
import { rangeValues } from './matrix.js';
import { failed, type Point, type Scope } from './scope.js';
import { isMap, type Node } from './tree.js';

/** Values that are looked at; a matrix may have a hundred thousand that are wrong. */
const most = 1000;

/** The point of which nothing is known. */
export const nowhere: Point = { values: {}, from: {}, open: { axes: undefined } };

/** @returns a point without a value, and one for each value of each axis */
export function openPoints(matrix: Node, scope: Scope): Point[] {
  const map = scope.writtenAt(matrix, undefined);
  if (!isMap(map)) return [nowhere];
  const axes = new Set<string>();
  const found: { axis: string; value: Scalar; from: Node }[] = [];
  const take = (axis: string, values: Node): void => {
    axes.add(axis);
    for (const one of axisValues(values, scope)) if (found.length < most) found.push({ axis, ...one });
  };
  for (const [key, { value }] of map.entries) {
    const node = scope.writtenAt(value, undefined);
    if (key === 'zip') {
      if (isMap(node)) for (const [axis, entry] of node.entries) take(axis, entry.value);
    } else if (key === 'include') {
      for (const item of node.type === 'list' ? node.items : []) {
        const pattern = scope.writtenAt(item, undefined);
        if (isMap(pattern)) for (const [axis, entry] of pattern.entries) take(axis, entry.value);
      }
    } else if (key !== 'exclude') take(key, node);
  }
  const open = { axes };
  return [
    { values: {}, from: {}, open },
    ...found.map(({ axis, value, from }) => ({ values: { [axis]: value }, from: { [axis]: from }, open })),
  ];
}

/** The values that an axis has for sure, or the one value of an `include`. */
function axisValues(node: Node, scope: Scope): { value: Scalar; from: Node }[] {
  const written = scope.writtenAt(node, undefined);
  const items = written.type === 'list' ? written.items : [written];
  if (isMap(written)) {
    const [from, to, step] = ['from', 'to', 'step'].map((key) =>
      numberAt(written.entries.get(key)?.value, scope),
    );
    if (from === undefined || to === undefined || !step) return [];
    const range = rangeValues(from, to, step);
    return Array.isArray(range) ? range.map((value) => ({ value, from: written })) : [];
  }
  return items.flatMap((item) => {
    const value = scope.evaluate(item, {});
    return isScalar(value) ? [{ value, from: scope.writtenAt(item, undefined) }] : [];
  });
}

function numberAt(node: Node | undefined, scope: Scope): number | undefined {
  const value = node && scope.evaluate(node, {});
  return typeof value === 'number' ? value : undefined;
}

function isScalar(value: Json | typeof failed): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
