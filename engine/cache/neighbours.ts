/**
 * Finds, of earlier results of one kind, the one that differs least from a new key: by an index of the parts of their keys, as
 * thousands of new stages may ask.
 */
import type { StageKey } from '../digest.js';
import type { KeyComponents } from '../plan/plan.js';

type Components = Omit<KeyComponents, 'codeParts'>;

/** So many of the latest are weighed at least, and fewer than twice as many: older ones are left out by and by. */
const WEIGHED = 200;

export class Neighbours {
  /** From the oldest on. */
  private known: { key: StageKey; parts: ReadonlyMap<string, string> }[] = [];
  /** Numbers of the results that have a part of that path, and of those that have it with that value. */
  private readonly withPath = new Map<string, number[]>();
  private readonly withValue = new Map<string, number[]>();

  /** The one that comes last is the latest. */
  add(key: StageKey, components: Components): void {
    if (this.known.length + 1 >= 2 * WEIGHED) this.shorten();
    this.enter(key, partsOf(components));
  }

  /**
   * The key that differs in the fewest parts (a setting, each within maps; an input, the code, seed, threads); of equally near ones the
   * latest.
   * @param unknown inputs whose content is not known yet: they count as no difference
   */
  nearest(now: Components, unknown: ReadonlySet<string>): StageKey | undefined {
    if (this.known.length === 0) return undefined;
    const parts = partsOf(now);
    for (const input of unknown) parts.delete(inputPath(input));
    const differing = Int32Array.from(this.known, (one) => one.parts.size + parts.size);
    for (const input of unknown)
      for (const index of this.withPath.get(inputPath(input)) ?? []) differing[index]! -= 1;
    // In both, it was counted twice; and with the same value it is no difference.
    for (const [path, value] of parts) {
      for (const index of this.withPath.get(path) ?? []) differing[index]! -= 1;
      for (const index of this.withValue.get(path + value) ?? []) differing[index]! -= 1;
    }
    let best = differing.length - 1;
    for (let index = best - 1; index >= 0; index--) if (differing[index]! < differing[best]!) best = index;
    return this.known[best]?.key;
  }

  private enter(key: StageKey, parts: ReadonlyMap<string, string>): void {
    const index = this.known.push({ key, parts }) - 1;
    for (const [path, value] of parts) {
      note(this.withPath, path, index);
      note(this.withValue, path + value, index);
    }
  }

  private shorten(): void {
    const kept = this.known.slice(-WEIGHED + 1);
    this.known = [];
    this.withPath.clear();
    this.withValue.clear();
    for (const { key, parts } of kept) this.enter(key, parts);
  }
}

function note(table: Map<string, number[]>, name: string, index: number): void {
  const found = table.get(name);
  if (found) found.push(index);
  else table.set(name, [index]);
}

const inputPath = (name: string) => `input ${name}\0`;

/** Each part of a key as text, by a path that ends in NUL. */
function partsOf({ settings, inputs, code, seed, cpus }: Components): Map<string, string> {
  const parts = new Map([
    ['code\0', code as string],
    ['seed\0', String(seed)],
    ['cpus\0', String(cpus)],
  ]);
  for (const [name, digests] of Object.entries(inputs)) parts.set(inputPath(name), digests.join());
  const open: [path: string, value: unknown][] = [['with', settings]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, value] = next;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [name, inner] of Object.entries(value)) open.push([`${path}.${name}`, inner]);
    else parts.set(`${path}\0`, JSON.stringify(value));
  }
  return parts;
}
