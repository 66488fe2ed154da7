/** How the file names what another stage made: `faces`, `faces.inquiry`, `samples@m=0`, `samples@*`, `path:../photos`. */
import type { Scalar, StageInstance } from './experiment.js';
import { pointName, valueText } from './matrix.js';

export type Reference =
  | { type: 'path'; path: string }
  | {
      type: 'stage';
      stage: string;
      /** The primary output where absent. */
      output?: string;
      /** Axes held to a value, as it stands in names. */
      fixed: ReadonlyMap<string, string>;
      /** Axes that are all taken (`m=*`); 'all' for `@*`. */
      free: ReadonlySet<string> | 'all';
    };

/** @returns what is wrong with the text where it is no reference */
export function parseReference(text: string): Reference | string {
  if (text.startsWith('path:')) return { type: 'path', path: text.slice(5) };
  const match = /^([A-Za-z][A-Za-z0-9_-]*)(?:\.([A-Za-z_][A-Za-z0-9_-]*))?(?:@(.*))?$/s.exec(text.trim());
  if (!match) return 'is neither a stage nor a path';
  const [, stage, output, selector] = match;
  const fixed = new Map<string, string>();
  const free = new Set<string>();
  const reference = {
    type: 'stage',
    stage: stage!,
    ...(output === undefined ? {} : { output }),
    fixed,
  } as const;
  if (selector === '*') return { ...reference, free: 'all' };
  for (const term of selector === undefined ? [] : selector.split(',')) {
    const [axis, value, ...more] = term.split('=').map((word) => word.trim());
    if (!axis || !value || more.length > 0) return `has '@${selector}', which selects no point`;
    if (fixed.has(axis) || free.has(axis)) return `names the axis '${axis}' twice`;
    if (value === '*') free.add(axis);
    else fixed.set(axis, valueText(canonical(value)));
  }
  return { ...reference, free };
}

/** `0.50` and `.5` name the point 0.5. Encoded text stays as it is. */
function canonical(value: string): Scalar {
  const number = Number(value);
  if (Number.isFinite(number)) return number === 0 ? 0 : number;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

interface Group {
  axes: readonly string[];
  members: StageInstance[];
  /** By the axes asked for, then by their values. */
  tables: Map<string, Map<string, StageInstance[]>>;
}

/** The instances of a stage, found by values of axes in constant time. */
export class InstanceSet {
  /** By which axes they have: usually one group, more where include or seeds gave some points further axes. */
  private readonly groups = new Map<string, Group>();
  readonly axes = new Set<string>();

  constructor(readonly all: readonly StageInstance[]) {
    // A stage without a matrix is found by its name.
    if (all.length === 1 && Object.keys(all[0]!.point).length === 0) return;
    for (const instance of all) {
      const axes = Object.keys(instance.point);
      for (const axis of axes) this.axes.add(axis);
      const id = [...axes].sort().join(',');
      const group: Group = this.groups.get(id) ?? { axes, members: [], tables: new Map() };
      this.groups.set(id, group);
      group.members.push(instance);
    }
  }

  /** Those that have all of `fixed`, and the values of `shared` in every axis that they have too. */
  select(
    fixed: ReadonlyMap<string, string>,
    shared: Readonly<Record<string, Scalar>>,
    free: ReadonlySet<string> | 'all',
  ): readonly StageInstance[] {
    if (this.axes.size === 0) return fixed.size === 0 ? this.all : [];
    return [...this.groups.values()].flatMap((group) => {
      if (![...fixed.keys()].every((axis) => group.axes.includes(axis))) return [];
      const bound = group.axes.filter(
        (axis) => fixed.has(axis) || (free !== 'all' && !free.has(axis) && Object.hasOwn(shared, axis)),
      );
      if (bound.length === 0) return group.members;
      const id = bound.join(',');
      let table = group.tables.get(id);
      if (!table) {
        table = new Map();
        for (const member of group.members) {
          const key = bound.map((axis) => valueText(member.point[axis]!)).join('\0');
          const found = table.get(key);
          if (found) found.push(member);
          else table.set(key, [member]);
        }
        group.tables.set(id, table);
      }
      return table.get(bound.map((axis) => fixed.get(axis) ?? valueText(shared[axis]!)).join('\0')) ?? [];
    });
  }
}

/**
 * The instances that a word means, in the report or on the command line: one by its name, all of a stage, or those of its
 * points that agree with `samples@m=0`, whatever the order of the axes. [] where it means none.
 */
export function instancesNamed(word: string, instances: readonly StageInstance[]): StageInstance[] {
  const exact = instances.filter(({ name }) => name === word);
  if (exact.length > 0) return exact;
  const reference = parseReference(word);
  if (typeof reference === 'string' || reference.type === 'path' || reference.output !== undefined) return [];
  const points = instances.filter(({ stage }) => stage === reference.stage);
  return [...new InstanceSet(points).select(reference.fixed, {}, 'all')];
}

/** The names to choose from, for a message: the first ones where they are many. */
export function choicesOf(instances: readonly StageInstance[], stage: string): string {
  const names = instances.slice(0, 8).map((instance) => pointName(stage, instance.point));
  return instances.length > 8 ? `${names.join(', ')}, ... (${instances.length} in all)` : names.join(', ');
}
