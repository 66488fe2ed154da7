/** Results and code records that came in an archive: whether they are what they say, and nothing else. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { schema } from '../../schemas/generated/result.js';
import { type StageKey, digestOf } from '../digest.js';
import { keyOf } from '../plan/key.js';
import type { KeyComponents } from '../plan/plan.js';
import { refused } from './archive.js';
import { type StoredResult, readStored } from './results.js';

let valid: ReturnType<Ajv2020['compile']> | undefined;

/** Throws a CacheError where the text is not the result of that key. */
export function readResult(key: StageKey, text: string): StoredResult {
  const short = key.slice(0, 12);
  const stored = computed(() => readStored(text, key));
  if (stored === undefined) throw refused(`result ${short} is nested too deeply`);
  if ('torn' in stored) throw refused(`result ${short}: ${stored.torn}`);
  valid ??= new Ajv2020({ allowUnionTypes: true }).compile(schema);
  if (!valid(stored)) {
    const [error] = valid.errors!;
    throw refused(`result ${short} is none: ${error!.instancePath || 'it'} ${error!.message}`);
  }
  // A key that is not that of its parts would be a wrong hit.
  if (computed(() => keyOf({ ...stored.components, codeParts: {} })) !== key) {
    throw refused(`result ${short} does not have the key of its parts`);
  }
  return stored;
}

/** Throws a CacheError where the text is not the record of that code. */
export function readCode(digest: string, text: string): KeyComponents['codeParts'] {
  const short = digest.slice(0, 12);
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch (error) {
    throw refused(`code ${short} is no JSON`, error);
  }
  const plain =
    typeof parts === 'object' &&
    parts !== null &&
    Object.values(parts).every((value) => typeof value === 'string');
  if (!plain || computed(() => digestOf('code/1', parts)) !== digest) {
    throw refused(`code ${short} is not what its digest says`);
  }
  return parts as KeyComponents['codeParts'];
}

/** undefined where the value cannot be encoded: nested so deeply that the stack ends. */
function computed<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}
