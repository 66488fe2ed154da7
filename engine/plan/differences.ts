/** In what two stages' keys differ, one Reason each. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../digest.js';
import type { KeyComponents, Reason } from './plan.js';

/** @param unknown inputs whose content is not known yet: no difference is claimed of them. */
export function differences(
  was: KeyComponents,
  now: KeyComponents,
  unknown: ReadonlySet<string> = new Set(),
): Reason[] {
  // Settings, code and inputs of another kind have nothing to do with each other.
  if (was.kind !== now.kind) return [{ kind: 'kind-changed', was: was.kind, now: now.kind }];
  const reasons: Reason[] = [...settingDifferences(was.settings, now.settings, [])];
  for (const input of union(was.inputs, now.inputs)) {
    if (unknown.has(input)) continue;
    const before: readonly Digest[] = was.inputs[input] ?? [];
    const after: readonly Digest[] = now.inputs[input] ?? [];
    if (!isDeepStrictEqual(before, after)) {
      reasons.push({ kind: 'input-changed', input, was: before, now: after });
    }
  }
  if (was.code !== now.code) {
    const parts = union(was.codeParts, now.codeParts).filter(
      (part) => was.codeParts[part] !== now.codeParts[part],
    );
    // Where the parts of the old code are lost, the digests are all there is to name.
    if (parts.length === 0 || Object.keys(was.codeParts).length === 0) {
      reasons.push({ kind: 'code-changed', of: now.kind, part: '', was: was.code, now: now.code });
    } else {
      for (const part of parts) {
        reasons.push({
          kind: 'code-changed',
          of: now.kind,
          part,
          was: was.codeParts[part],
          now: now.codeParts[part],
        });
      }
    }
  }
  if (was.seed !== now.seed) reasons.push({ kind: 'seed-changed', was: was.seed, now: now.seed });
  if (was.cpus !== now.cpus) reasons.push({ kind: 'cpus-changed', was: was.cpus, now: now.cpus });
  return reasons;
}

function* settingDifferences(was: unknown, now: unknown, path: readonly string[]): Generator<Reason> {
  if (isMap(was) && isMap(now)) {
    for (const name of union(was, now)) yield* settingDifferences(was[name], now[name], [...path, name]);
  } else if (!isDeepStrictEqual(was, now)) {
    yield { kind: 'setting-changed', path: path.join('.'), was, now };
  }
}

/**
 * Whether one stage is worth comparing with another: more of their settings and inputs agree than differ. Two commands that have no more
 * in common than that they are commands are not.
 */
export function resemble(was: KeyComponents, now: KeyComponents, unknown: ReadonlySet<string>): boolean {
  if (was.kind !== now.kind) return false;
  const inputs = union(was.inputs, now.inputs).filter((input) => !unknown.has(input));
  const sameInputs = inputs.filter((input) => isDeepStrictEqual(was.inputs[input], now.inputs[input])).length;
  const changed = [...settingDifferences(was.settings, now.settings, [])].length + inputs.length - sameInputs;
  return changed === 0 || changed < sameInputs + sameLeaves(was.settings, now.settings);
}

function sameLeaves(was: unknown, now: unknown): number {
  if (isMap(was) && isMap(now))
    return union(was, now).reduce((sum, name) => sum + sameLeaves(was[name], now[name]), 0);
  return isDeepStrictEqual(was, now) ? 1 : 0;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const union = (a: object, b: object): string[] => [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
