/**
 * Digests and the one canonical encoding they are taken of. Every pre-image starts with its record type, so that
 * two kinds of things can never share a digest.
 */
import canonicalize from 'canonicalize';
import { sha256 } from './sha256.js';

declare const digestBrand: unique symbol;
declare const keyBrand: unique symbol;
/** sha256 of the content of an artifact, 64 lower-case hex digits. */
export type Digest = string & { [digestBrand]: true };
/** sha256 of what a stage's result depends on, 64 lower-case hex digits. */
export type StageKey = string & { [keyBrand]: true };

export type RecordType = 'stage-key/1' | 'artifact/1' | 'code/1' | 'file/1' | 'recipe/1' | 'seeds/1';

/** sha256 over the record type, a zero byte, and RFC 8785 JSON of `value`. */
export function digestOf(type: RecordType, value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError(`${type}: the value has no JSON form`);
  return sha256(`${type}\0${text}`);
}
