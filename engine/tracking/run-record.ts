/**
 * What the server keeps of a run beside MLflow's own fields, as an artifact of the parent run: what was planned, how each stage ended, and
 * the protocol cards. With it a colleague who has neither the journal nor the cache gets the same comparison.
 */
import type { JsonObject } from '../../stages/contract.js';
import type { EventOf, RunFacts } from './run-facts.js';

export const recordPath = 'cemiflow/run.json';
const format = 'cemiflow-run/1';

export interface StoredRecord {
  format: typeof format;
  started: EventOf<'run-started'>;
  ended?: EventOf<'run-ended'>;
  /** Absent while the run goes on: the nested runs tell. */
  results?: EventOf<'stage-ended'>[];
  /** Protocol cards by evaluate instance. */
  cards?: Record<string, JsonObject>;
}

/** @param cards undefined while the run goes on */
export function recordOf(facts: RunFacts, cards: Record<string, JsonObject> | undefined): Buffer {
  const stored: StoredRecord = {
    format,
    started: facts.started!,
    ...(facts.ended ? { ended: facts.ended } : {}),
    ...(cards ? { results: [...facts.results.values()], cards } : {}),
  };
  return Buffer.from(JSON.stringify(stored));
}

/** undefined where it is of no form that is known here. */
export function readRecord(content: Buffer): StoredRecord | undefined {
  try {
    const stored = JSON.parse(content.toString('utf8')) as StoredRecord;
    return stored.format === format ? stored : undefined;
  } catch {
    return undefined;
  }
}
