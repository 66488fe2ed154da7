/**
 * What of the cache may go, and why the rest stays. Pure: the caller brings what there is and what needs it.
 * Every rule spares: only what none of them spares goes.
 */
import type { Digest, StageKey } from '../digest.js';
import { type Inventory, closure, digestsOf } from './inventory.js';

/** Why something stays; of several reasons the first. */
export const reasons = ['pinned', 'inUse', 'recentRun', 'recentlyUsed', 'withinSize'] as const;
export type StayReason = (typeof reasons)[number];

/** Keys of results and digests of artifacts (and of code) that must stay whatever the limits. */
export interface Needed {
  pinned: ReadonlySet<string>;
  inUse: ReadonlySet<string>;
  recentRun: ReadonlySet<string>;
}

export interface Limits {
  /** Spare what was used since then, milliseconds since 1970. */
  usedSince?: number | undefined;
  /** Let go, least recently used first, only until this much is left. */
  maxBytes?: number | undefined;
}

/** One thing that is kept or goes as a whole: a result with its artifacts, an artifact without a result, a checkpoint,
 * what a failed attempt wrote. */
export interface Unit {
  what: 'result' | 'artifact' | 'checkpoint' | 'failed';
  /** A key; of an artifact its digest. */
  name: StageKey | Digest;
  /** Milliseconds since 1970. */
  used: number;
  /** What the disk gains when it goes in its turn: what others share with it is no gain. */
  bytes: number;
}

export interface Choice {
  goes: Unit[];
  /** With the units that go: files of no use to anybody. */
  torn: StageKey[];
  objects: Digest[];
  code: string[];
  stays: Record<StayReason, { units: number; bytes: number }>;
  /** Before and after. */
  bytes: number;
  left: number;
}

export function choose(inventory: Inventory, needed: Needed, limits: Limits): Choice {
  const units = unitsOf(inventory);
  const holders = new Holders(inventory, [...needed.pinned, ...needed.inUse, ...needed.recentRun]);
  const stays = Object.fromEntries(
    reasons.map((reason) => [reason, { units: 0, bytes: 0 }]),
  ) as Choice['stays'];
  const kept = new Map<StayReason, Unit[]>(reasons.map((reason) => [reason, []]));
  const candidates: Unit[] = [];
  for (const unit of units) {
    const reason = whyNeeded(unit.name, needed);
    if (reason) kept.get(reason)!.push(unit);
    else if (limits.usedSince !== undefined && unit.used >= limits.usedSince)
      kept.get('recentlyUsed')!.push(unit);
    else candidates.push(unit);
  }
  const torn = inventory.torn.filter(({ key }) => !needed.inUse.has(key));
  let left = inventory.bytes - torn.reduce((sum, { bytes }) => sum + bytes, 0);
  const goes: Unit[] = [];
  candidates.sort((a, b) => a.used - b.used || (a.name < b.name ? -1 : 1));
  for (const unit of candidates) {
    if (limits.maxBytes !== undefined && left <= limits.maxBytes) {
      kept.get('withinSize')!.push(unit);
      continue;
    }
    const gained = unit.bytes + holders.release(unit);
    left -= gained;
    goes.push({ ...unit, bytes: gained });
  }
  const code = uselessCode(inventory, goes, needed);
  left -= code.reduce((sum, { bytes }) => sum + bytes, 0);
  // A shared artifact counts for the strongest reason that holds it.
  const counted = new Set<Digest>();
  const count = (reason: StayReason, digests: Iterable<string>) => {
    for (const [digest, { bytes }] of closure(inventory, digests)) {
      if (!counted.has(digest)) stays[reason].bytes += bytes;
      counted.add(digest);
    }
  };
  for (const reason of reasons) {
    for (const unit of kept.get(reason)!) {
      stays[reason].units++;
      stays[reason].bytes += unit.bytes;
      count(reason, digestsOfUnit(inventory, unit));
    }
    const needs = { pinned: needed.pinned, inUse: needed.inUse, recentRun: needed.recentRun };
    if (reason in needs) count(reason, needs[reason as keyof typeof needs]);
  }
  return {
    goes,
    torn: torn.map(({ key }) => key),
    objects: holders.released,
    code: code.map(({ digest }) => digest),
    stays,
    bytes: inventory.bytes,
    left,
  };
}

/** `pinned` before `inUse` before `recentRun`; undefined where nothing needs it. */
function whyNeeded(name: string, { pinned, inUse, recentRun }: Needed): StayReason | undefined {
  if (pinned.has(name)) return 'pinned';
  if (inUse.has(name)) return 'inUse';
  return recentRun.has(name) ? 'recentRun' : undefined;
}

/** `bytes` of a unit here: its own, without artifacts, which may be shared. */
function unitsOf({ results, objects, checkpoints, failed }: Inventory): Unit[] {
  const made = new Set([...results.values()].flatMap(({ result }) => digestsOf(result)));
  const referred = new Set([...objects.values()].flatMap(({ references }) => references));
  return [
    ...[...results].map(([name, { bytes, used }]): Unit => ({ what: 'result', name, bytes, used })),
    ...[...objects.values()]
      .filter(({ digest }) => !made.has(digest) && !referred.has(digest))
      .map(({ digest, since }): Unit => ({ what: 'artifact', name: digest, bytes: 0, used: since })),
    ...checkpoints.map(({ key, bytes, used }): Unit => ({ what: 'checkpoint', name: key, bytes, used })),
    ...failed.map(({ key, bytes, used }): Unit => ({ what: 'failed', name: key, bytes, used })),
  ];
}

function digestsOfUnit({ results }: Inventory, { what, name }: Unit): Digest[] {
  if (what === 'artifact') return [name as Digest];
  const item = what === 'result' ? results.get(name as StageKey) : undefined;
  return item ? digestsOf(item.result) : [];
}

/** How many hold each artifact: results, other artifacts, and those that need it by name. */
class Holders {
  private readonly counts = new Map<Digest, number>();
  readonly released: Digest[] = [];

  constructor(
    private readonly inventory: Inventory,
    needed: readonly string[],
  ) {
    const hold = (digest: string) =>
      this.counts.set(digest as Digest, (this.counts.get(digest as Digest) ?? 0) + 1);
    for (const { result } of inventory.results.values()) new Set(digestsOf(result)).forEach(hold);
    for (const { references } of inventory.objects.values()) new Set(references).forEach(hold);
    needed.forEach(hold);
  }

  /** @returns the bytes of the artifacts that nothing holds when that unit is gone */
  release(unit: Unit): number {
    let bytes = 0;
    const open = [...new Set(digestsOfUnit(this.inventory, unit))];
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      const count = (this.counts.get(digest) ?? 0) - 1;
      this.counts.set(digest, count);
      const object = this.inventory.objects.get(digest);
      if (count > 0 || !object) continue;
      bytes += object.bytes;
      this.released.push(digest);
      open.push(...new Set(object.references));
    }
    return bytes;
  }
}

/** Records of code behind no result that stays. */
function uselessCode({ results, code }: Inventory, goes: readonly Unit[], { inUse }: Needed) {
  const gone = new Set(goes.filter(({ what }) => what === 'result').map(({ name }) => name));
  const used = new Set(
    [...results].filter(([key]) => !gone.has(key)).map(([, { result }]) => result.components.code),
  );
  return code.filter(({ digest }) => !used.has(digest as Digest) && !inUse.has(digest));
}
