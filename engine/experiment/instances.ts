/** Stages of the file -> instances: points, seeds, settings, inputs, in an order in which each comes after all it needs. */
import { type Asked, bindInputs, type Made, Paths, selectInstances, StageInputs, takesAll } from './bind.js';
import type { JsonObject, Scalar, StageInstance } from './experiment.js';
import type { Kind } from './kinds.js';
import { matrixPoints, maxPoints, pointName, valueText } from './matrix.js';
import { inOrder } from './order.js';
import { listed, type Problems } from './problems.js';
import { InstanceSet, parseReference, type Reference } from './reference.js';
import { nowhere, openPoints } from './open-points.js';
import type { Point, Scope } from './scope.js';
import { checkFolderNames, StageSettings, takesAnyInputs } from './settings.js';
import { placeOf, type Span } from './source.js';
import type { StageSpec } from './structure.js';

/** Instances of a whole experiment. */
const maxInstances = 50_000;

interface Defaults {
  seed: number;
  resources: { cpus?: number; gpus?: number };
}

/** A stage at work: what is found out of it step by step. */
interface Work {
  spec: StageSpec;
  kind: Kind | undefined;
  /** In the end with seeds that come from inputs. undefined where the matrix or seeds are wrong. */
  points: Point[] | undefined;
  /** Where there are none: what is known of them all the same, the first of which has no values. */
  open: readonly Point[];
  inputs: StageInputs;
  /** The stages it names, and where. */
  needs: Map<string, Span>;
}

/** @returns instances in topological order; what is wrong is missing, and said in `problems` */
export function makeInstances(
  specs: ReadonlyMap<string, StageSpec>,
  names: ReadonlySet<string>,
  kinds: ReadonlyMap<string, Kind>,
  defaults: Defaults,
  scope: Scope,
  problems: Problems,
): StageInstance[] {
  const works = new Map<string, Work>();
  for (const spec of specs.values()) {
    const kind = kinds.get(spec.name);
    works.set(spec.name, {
      spec,
      kind,
      points: undefined,
      open: [nowhere],
      inputs: new StageInputs(spec, kind?.declaration, scope, problems),
      needs: new Map(),
    });
  }
  basePoints(works, names, scope, problems);
  for (const work of works.values()) findNeeds(work, names, problems);

  const { sorted, cycles } = inOrder(new Map([...works].map(([name, work]) => [name, work.needs.keys()])));
  for (const cycle of cycles) {
    const span = works.get(cycle[0]!)!.needs.get(cycle[1]!)!;
    problems.add(
      span,
      `stages depend on each other in a circle: ${shortCycle(cycle)}`,
      'remove one of these references',
    );
  }
  const made = new Map<string, Made>();
  const paths = new Paths();
  const instances: StageInstance[] = [];
  const ordered = new Set(sorted);
  // What depends on itself, and what is above, is checked as far as that goes.
  for (const name of [...sorted, ...[...works.keys()].filter((one) => !ordered.has(one))]) {
    const work = works.get(name)!;
    const stage = instancesOf(work, defaults, made, paths, scope, problems);
    if (!stage) continue;
    made.set(name, stage);
    if (!work.points || !ordered.has(name)) continue;
    if (instances.length + stage.instances.all.length > maxInstances) {
      problems.add(
        specs.get(name)!.key,
        `this experiment has more than ${maxInstances} instances of stages`,
        'make the matrices smaller',
      );
      return [];
    }
    for (const instance of stage.instances.all) instances.push(instance);
  }
  return instances;
}

function shortCycle(cycle: readonly string[]): string {
  return cycle.length <= 12
    ? cycle.join(' -> ')
    : `${cycle.slice(0, 6).join(' -> ')} -> ... (${cycle.length - 1} stages) -> ${cycle.at(-1)}`;
}

/** Points from each stage's own matrix and seeds; a matrix that names a stage takes that one's. */
function basePoints(
  works: ReadonlyMap<string, Work>,
  names: ReadonlySet<string>,
  scope: Scope,
  problems: Problems,
): void {
  const copied = new Map<string, string[]>();
  for (const [name, { spec }] of works) {
    const source = spec.matrix?.value;
    copied.set(name, typeof source === 'string' ? [source] : []);
    if (typeof source === 'string' && !names.has(source))
      problems.add(
        scope.writtenAt(spec.matrix!.node, undefined).span,
        `there is no stage '${source}' whose points to take${problems.suggest(source, names)}`,
        `stages: ${listed(names)}`,
      );
  }
  const { sorted, cycles } = inOrder(copied);
  for (const cycle of cycles)
    problems.add(
      works.get(cycle[0]!)!.spec.matrix!.node.span,
      `matrices take their points from each other in a circle: ${shortCycle(cycle)}`,
      'give one of them axes',
    );
  for (const name of sorted) {
    const work = works.get(name)!;
    const { matrix, seeds, pointless } = work.spec;
    const written = work.spec.node.entries.get('matrix')?.value;
    const source = typeof matrix?.value === 'string' ? works.get(matrix.value) : undefined;
    if (pointless) {
      if (written) work.open = openPoints(written, scope);
      continue;
    }
    let points: Point[] | undefined = [{ values: {}, from: {} }];
    if (typeof matrix?.value === 'string') points = source?.points;
    else if (matrix) points = matrixPoints(matrix.value as JsonObject, matrix.node, scope, problems);
    if (points && seeds) points = seeded(points, work.spec, scope, problems);
    work.points = points;
    if (!points && written) work.open = source?.open ?? openPoints(written, scope);
  }
}

function seeded(
  points: readonly Point[],
  spec: StageSpec,
  scope: Scope,
  problems: Problems,
): Point[] | undefined {
  const { value, node } = spec.seeds!;
  const twice = value.find((seed, index) => value.indexOf(seed) !== index);
  if (twice !== undefined) {
    problems.add(
      scope.writtenAt(node, undefined).span,
      `the seed ${twice} is there twice`,
      'replicas must differ',
    );
    return undefined;
  }
  if (points.some((point) => Object.hasOwn(point.values, 'seed'))) {
    problems.add(
      scope.writtenAt(node, undefined).span,
      `the points of '${String(spec.matrix?.value)}' have seeds already`,
      'remove seeds: here; they are taken over with the points',
    );
    return undefined;
  }
  if (points.length * value.length > maxPoints) {
    problems.add(
      spec.key,
      `${points.length} points times ${value.length} seeds: a stage has at most ${maxPoints} points`,
      'use fewer',
    );
    return undefined;
  }
  return points.flatMap((point) =>
    value.map((seed, index) => ({
      values: { ...point.values, seed },
      from: { ...point.from, seed: scope.writtenAt(node, undefined, [index]) },
    })),
  );
}

/** Which stages a stage names in inputs, matrix and after. */
function findNeeds(work: Work, names: ReadonlySet<string>, problems: Problems): void {
  const { spec } = work;
  const need = (reference: Reference, text: string, span: Span): void => {
    if (reference.type === 'path') return;
    if (names.has(reference.stage)) {
      if (!work.needs.has(reference.stage)) work.needs.set(reference.stage, span);
    } else {
      const hint = /[/\\]/.test(text) ? 'an outside path is written path:...' : `stages: ${listed(names)}`;
      problems.add(
        span,
        `there is no stage '${reference.stage}'${problems.suggest(reference.stage, names)}`,
        hint,
      );
    }
  };
  for (const point of work.points ?? work.open)
    for (const asked of work.inputs.at(point).asked) need(asked.reference, asked.text, asked.span);
  // Matrices in a circle have no points, and are said.
  if (
    work.points &&
    typeof spec.matrix?.value === 'string' &&
    names.has(spec.matrix.value) &&
    !work.needs.has(spec.matrix.value)
  )
    work.needs.set(spec.matrix.value, spec.matrix.node.span);
  for (const { text, node } of spec.after) {
    const reference = parseReference(text);
    if (typeof reference === 'string' || reference.type === 'path')
      problems.add(node.span, `'${text}' is no stage`, `stages: ${listed(names)}`);
    else need(reference, text, node.span);
  }
}

function instancesOf(
  work: Work,
  defaults: Defaults,
  made: ReadonlyMap<string, Made>,
  paths: Paths,
  scope: Scope,
  problems: Problems,
): Made | undefined {
  const { spec, kind } = work;
  if (!kind) return undefined;
  const own = work.points;
  work.points &&= withInheritedSeeds(work, work.points, made, problems);
  const { declaration } = kind;
  const settings = new StageSettings(spec, declaration, scope, problems);
  const [unknown = nowhere, ...open] = own ? [nowhere, ...own] : work.open;
  const points = work.points ?? [unknown];
  for (const point of work.points ? [] : open) {
    const name = pointName(spec.name, point.values);
    settings.at(point, name);
    bindInputs(work.inputs.at(point).asked, { name, point: undefined, declaration }, made, paths, problems);
  }
  const outputs = new Map<string, StageInstance['outputs']>();
  const instances: StageInstance[] = [];
  const folderNames = { inputs: new Set<string>(), outputs: new Set<string>() };
  let settledAll = true;
  for (const point of points) {
    const name = pointName(spec.name, point.values);
    const settled = settings.at(point, name);
    if (settled) outputs.set(name, settled.outputs);
    else if (typeof declaration.outputs !== 'function') outputs.set(name, declaration.outputs);
    settledAll &&= settled !== undefined;
    const { asked, complete } = work.inputs.at(point);
    settledAll &&= complete;
    const instance = { name, point: point.values, declaration };
    const values = work.points && point.values;
    const inputs = bindInputs(asked, { ...instance, point: values }, made, paths, problems);
    for (const input of Object.keys(inputs)) folderNames.inputs.add(input);
    for (const output of Object.keys(settled?.outputs ?? {})) folderNames.outputs.add(output);
    const seed = point.values['seed'];
    instances.push({
      ...instance,
      stage: spec.name,
      kind: declaration.kind,
      ...(kind.module === undefined ? {} : { module: kind.module }),
      settings: settled?.settings ?? {},
      inputs,
      outputs: outputs.get(name) ?? {},
      after: afterOf(spec, { name, point: values }, made, problems),
      seed: typeof seed === 'number' ? seed : defaults.seed,
      resources: {
        cpus: spec.resources.cpus ?? defaults.resources.cpus ?? 1,
        gpus: spec.resources.gpus ?? (declaration.device ? (defaults.resources.gpus ?? 1) : 0),
      },
      ...(spec.device === undefined ? {} : { device: spec.device }),
      retry: spec.retry,
      ...(spec.timeout === undefined ? {} : { timeout: spec.timeout }),
      place: placeOf(spec.key),
    });
  }
  if (takesAnyInputs(declaration) && settledAll)
    checkFolderNames(spec, folderNames.inputs, folderNames.outputs, scope, problems);
  const uncertain = !work.points || [...work.needs.keys()].some((name) => made.get(name)?.uncertain ?? true);
  return { instances: new InstanceSet(instances), outputs, uncertain };
}

function afterOf(
  spec: StageSpec,
  { name, point }: { name: string; point: Readonly<Record<string, Scalar>> | undefined },
  made: ReadonlyMap<string, Made>,
  problems: Problems,
): string[] {
  if (spec.after.length === 0) return [];
  const names = new Set<string>();
  for (const { text, node } of spec.after) {
    const reference = parseReference(text);
    if (typeof reference === 'string' || reference.type === 'path') continue;
    const from = made.get(reference.stage);
    if (!from) continue;
    // The bare name of a stage means all of its points that agree with this one.
    const all: Reference =
      reference.fixed.size === 0 && reference.free !== 'all'
        ? { ...reference, free: new Set(from.instances.axes) }
        : reference;
    const shared = new Set([...from.instances.axes].filter((axis) => Object.hasOwn(point ?? {}, axis)));
    const free = all.free === 'all' ? all.free : new Set([...all.free].filter((axis) => !shared.has(axis)));
    const asked: Asked = { input: 'after', reference: { ...all, free }, text, span: node.span, folder: '' };
    for (const one of selectInstances(asked, point, from, name, problems, true)) names.add(one.name);
  }
  return [...names];
}

/**
 * A stage whose input has seeds has them too, unless it takes all of them (`fr@*`) or names one: its result differs with
 * the seed of what it works on.
 */
function withInheritedSeeds(
  work: Work,
  own: Point[],
  made: ReadonlyMap<string, Made>,
  problems: Problems,
): Point[] | undefined {
  // Most experiments have no seeds at all.
  if (![...work.needs.keys()].some((name) => made.get(name)?.instances.axes.has('seed'))) return own;
  const points: Point[] = [];
  for (const point of own) {
    if (Object.hasOwn(point.values, 'seed')) {
      points.push(point);
      continue;
    }
    const sources = sourcesOfSeeds(work, point, made);
    const [first] = sources;
    const other = first && sources.find((source) => source.seeds.join() !== first.seeds.join());
    if (other) {
      problems.add(
        other.span,
        `the seeds of ${other.stage} (${listed(other.seeds.map(String))}) are not those of ${first.stage} (${listed(first.seeds.map(String))})`,
        `give both the same seeds, or take all of one: ${other.stage}@*`,
      );
      return undefined;
    }
    if (!first) points.push(point);
    else for (const seed of first.seeds) points.push({ values: { ...point.values, seed }, from: point.from });
  }
  return points;
}

function sourcesOfSeeds(
  work: Work,
  point: Point,
  made: ReadonlyMap<string, Made>,
): { stage: string; seeds: number[]; span: Span }[] {
  const { matrix } = work.spec;
  const references: { reference: Reference; span: Span }[] = [...work.inputs.at(point).asked];
  if (typeof matrix?.value === 'string')
    references.unshift({
      reference: { type: 'stage', stage: matrix.value, fixed: new Map(), free: new Set() },
      span: matrix.node.span,
    });
  return references.flatMap(({ reference, span }) => {
    if (reference.type === 'path' || takesAll(reference, 'seed') || reference.fixed.has('seed')) return [];
    const from = made.get(reference.stage)?.instances;
    if (!from?.axes.has('seed')) return [];
    const seeds = new Set(
      from.select(reference.fixed, point.values, reference.free).flatMap((one) => one.point['seed'] ?? []),
    );
    return seeds.size === 0
      ? []
      : [
          {
            stage: reference.stage,
            seeds: [...seeds].map((seed) => Number(valueText(seed))).sort((a, b) => a - b),
            span,
          },
        ];
  });
}
