/** The key of a stage: the digest of all that its result depends on, and of nothing else. */
import { type StageKey, digestOf } from '../digest.js';
import type { KeyComponents } from './plan.js';

/** Names, places, machines, comments and the order of settings are no part of it; an input that is not given is none. */
export function keyOf(components: KeyComponents): StageKey {
  const { kind, code, settings, inputs, seed, cpus } = components;
  const given = Object.fromEntries(Object.entries(inputs).filter(([, digests]) => digests.length > 0));
  return digestOf('stage-key/1', { kind, code, settings, inputs: given, seed, cpus }) as StageKey;
}
