/**
 * Where the values of a loaded experiment were written, for `why` and `show --config`: from the composed text and the
 * origins that an Experiment keeps. Follows expressions to the params and axes they name.
 */
import { parse } from 'yaml';
import type { Json, JsonObject } from '../../stages/contract.js';
import type { Experiment, Scalar, SourcePlace, StageInstance } from './experiment.js';
import { namesIn } from './expressions/names.js';
import { hasExpression, parseTemplate } from './expressions/template.js';
import { type Path, pointerOf } from './tree.js';

/** A value as the file has it, and where. */
export interface Written {
  /** Before expressions. */
  value: Json;
  place: SourcePlace;
  /** What its expressions name, and what these name in turn; a variable of the environment has no place. */
  from: { name: string; place?: SourcePlace }[];
}

export class Writings {
  private readonly root: Json;
  /** The first leaf below each map and list stands for it. */
  private readonly first = new Map<string, SourcePlace>();
  private readonly instances: ReadonlyMap<string, StageInstance>;

  constructor(experiment: Experiment) {
    this.root = parse(experiment.composed, { maxAliasCount: 0 }) as Json;
    for (const [pointer, place] of Object.entries(experiment.origins)) {
      for (let at = pointer; !this.first.has(at); at = at.slice(0, at.lastIndexOf('/'))) {
        this.first.set(at, place);
        if (at === '') break;
      }
    }
    this.instances = new Map(experiment.stages.map((instance) => [instance.name, instance]));
  }

  /** The setting of an instance at a path below `with`; undefined where the file says nothing: then a default holds. */
  setting(instance: StageInstance, path: Path): Written | undefined {
    return this.follow(['stages', instance.stage, 'with'], path, instance);
  }

  /** A key of the instance's stage, as `uses` or `inputs/dataset`. */
  ofStage(instance: StageInstance, path: Path): Written | undefined {
    return this.follow(['stages', instance.stage], path, instance);
  }

  /** A value of the file that belongs to no stage. */
  ofFile(path: Path): Written | undefined {
    return this.follow([], path);
  }

  /** What gives an instance its seed: its own or inherited `seeds`, or the file's `seed`. */
  seed(instance: StageInstance): Written | undefined {
    const seed = instance.point['seed'];
    return seed === undefined ? this.ofFile(['seed']) : this.axis(instance, 'seed', seed, new Set());
  }

  /** All values of the file, a list being one; by path. */
  *leaves(): Generator<{ path: Path; written: Written }> {
    const open: { path: Path; value: Json }[] = [{ path: [], value: this.root }];
    for (let next = open.pop(); next; next = open.pop()) {
      const { path, value } = next;
      const place = this.first.get(pointerOf(path));
      if (
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.keys(value).length > 0
      )
        open.push(
          ...Object.entries(value)
            .map(([key, inner]) => ({ path: [...path, key], value: inner }))
            .reverse(),
        );
      else if (place) yield { path, written: this.ofFile(path) ?? { value, place, from: [] } };
    }
  }

  private follow(base: Path, path: Path, instance?: StageInstance): Written | undefined {
    let at: Path = base;
    const rest = [...path];
    const from: Written['from'] = [];
    let own: SourcePlace | undefined;
    // Bounded: loading has refused params that refer to each other in a circle.
    for (;;) {
      const value = valueAt(this.root, at);
      if (value === undefined) return undefined;
      const target = rest.length > 0 ? this.wholeParam(value) : undefined;
      if (target) {
        own ??= this.first.get(pointerOf(at));
        at = target;
        from.push({ name: target.join('.'), ...this.placed(target) });
        continue;
      }
      const step = rest.shift();
      if (step === undefined) {
        const place = own ?? this.first.get(pointerOf(at));
        if (!place) return undefined;
        const seen = new Set(from.map(({ name }) => name));
        this.addNames(value, instance, from, seen);
        return { value, place, from };
      }
      // Text with more than a name in it made the map or list: that is where it was written.
      if (typeof value === 'string') rest.length = 0;
      else at = [...at, step];
    }
  }

  private placed(path: Path): { place?: SourcePlace } {
    const place = this.first.get(pointerOf(path));
    return place ? { place } : {};
  }

  /** The param that `${{ params.a }}` is, where the text is no more than that. */
  private wholeParam(value: Json): Path | undefined {
    if (typeof value !== 'string' || !hasExpression(value)) return undefined;
    const { whole } = parseTemplate(value);
    const [name] = whole?.type === 'member' ? namesIn(whole) : [];
    return name?.[0] === 'params' ? name : undefined;
  }

  private addNames(
    value: Json,
    instance: StageInstance | undefined,
    from: Written['from'],
    seen: Set<string>,
  ): void {
    for (const text of textsIn(value)) {
      if (!hasExpression(text)) continue;
      for (const part of parseTemplate(text).parts) {
        if (part.type === 'text') continue;
        for (const path of namesIn(part.syntax)) {
          const name = path.join('.');
          if (seen.has(name)) continue;
          seen.add(name);
          if (path[0] === 'env') from.push({ name });
          else if (path[0] === 'params') {
            from.push({ name, ...this.placed(path) });
            this.addNames(valueAt(this.root, path) ?? null, instance, from, seen);
          } else if (path[0] === 'matrix' && instance && path[1] !== undefined) {
            const axis = instance.point[path[1]];
            const written = axis === undefined ? undefined : this.axis(instance, path[1], axis, new Set());
            from.push({ name, ...(written ? { place: written.place } : {}) }, ...(written?.from ?? []));
          }
        }
      }
    }
  }

  /** Where the value of an axis stands: in the stage's own matrix or seeds, or in those of the stage it has them from. */
  private axis(instance: StageInstance, axis: string, value: Scalar, seen: Set<string>): Written | undefined {
    if (seen.has(instance.stage)) return undefined;
    seen.add(instance.stage);
    const base = ['stages', instance.stage];
    const matrix = valueAt(this.root, [...base, 'matrix']);
    const own =
      axis === 'seed'
        ? this.item([...base, 'seeds'], value, instance)
        : typeof matrix === 'string'
          ? undefined
          : (this.item([...base, 'matrix', axis], value, instance) ??
            this.item([...base, 'matrix', 'zip', axis], value, instance) ??
            this.included([...base, 'matrix', 'include'], axis, value, instance));
    if (own) return own;
    // Points by another stage's name, and seeds that come along with an input.
    const sources = Object.values(instance.inputs)
      .flat()
      .flatMap((source) => (source.from === 'stage' ? [this.instances.get(source.stage)!] : []));
    const named = typeof matrix === 'string' ? this.instanceOf(matrix) : undefined;
    for (const source of named ? [named, ...sources] : sources) {
      const found = this.axis(source, axis, value, seen);
      if (found) return found;
    }
    return undefined;
  }

  private instanceOf(stage: string): StageInstance | undefined {
    for (const instance of this.instances.values()) if (instance.stage === stage) return instance;
    return undefined;
  }

  /** The item of a list that has the value; the whole where it is a range or an expression. */
  private item(list: Path, value: Scalar, instance: StageInstance): Written | undefined {
    const written = valueAt(this.root, list);
    if (written === undefined) return undefined;
    const index = Array.isArray(written) ? written.indexOf(value) : -1;
    return this.follow(index < 0 ? list : [...list, index], [], instance);
  }

  private included(list: Path, axis: string, value: Scalar, instance: StageInstance): Written | undefined {
    const patterns = valueAt(this.root, list);
    if (!Array.isArray(patterns)) return undefined;
    const index = patterns.findIndex((pattern) => (pattern as JsonObject)[axis] === value);
    return index < 0 ? undefined : this.follow([...list, index, axis], [], instance);
  }
}

/** `x.yaml:12:9`, `x.yaml:30:7 in profile paper`, `--set params.m=0.1`, as a person reads it. */
function sayPlace(place: SourcePlace, nameOf: (file: string) => string): string {
  const { file, line, column, origin } = place;
  if (file.startsWith('--')) return origin ?? file;
  const at = `${nameOf(file)}:${line}:${column}`;
  return origin?.startsWith('profile ') ? `${at} in ${origin}` : at;
}

/** `x.yaml:20:13, from matrix.m at x.yaml:15:9`. */
export function sayWritten({ place, from }: Written, nameOf: (file: string) => string): string {
  const sources = from.map(
    ({ name, place: at }) =>
      `from ${name}${at ? ` at ${sayPlace(at, nameOf)}` : name.startsWith('env.') ? ' of the environment' : ''}`,
  );
  return [sayPlace(place, nameOf), ...sources].join(', ');
}

function valueAt(root: Json, path: Path): Json | undefined {
  let at: Json | undefined = root;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as JsonObject)[String(step)];
  }
  return at;
}

function* textsIn(value: Json): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) yield* textsIn(item);
}
