/** Names and values made to fit what the server takes; whoever shortens says so, since what is cut here is kept whole as an artifact. */
import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../stages/contract.js';
import { batchLimits, type KeyValue, lengths, type Metric } from './mlflow-api.js';

/** Letters that every server takes; newer ones take a colon as well. */
const odd = /[^\w .\-/]/g;

/** The name of a metric, parameter or tag. Two that would look alike once cleaned are told apart by four digits. */
export function fittingKey(name: string): string {
  // Servers take names for paths, and refuse those that could be written shorter or lead out.
  const clean = name
    .replace(odd, '_')
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (part === '..' ? '__' : part))
    .join('/')
    .replace(/^\.\./, '__');
  if (clean === name && name !== '' && name.length <= lengths.key) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 4);
  return `${clean.slice(0, lengths.key - 5)}_${digest}`;
}

/** At most so many UTF-16 units, and nothing that a database cannot keep: no half of a pair, no zero. */
export function shortened(value: string, longest: number): string {
  const whole = value.replace(unkept, '\uFFFD');
  return whole.length <= longest ? whole : `${whole.slice(0, longest - 1).replace(halfAtEnd, '')}…`;
}

const unkept = /\0|\p{Surrogate}/gu;
const halfAtEnd = /[\uD800-\uDBFF]$/;

/** A logged model's name may hold none of these. */
export const fittingModelName = (name: string): string => name.replace(/[/:.%"']/g, '_');

export const fittingValue = (value: number | null): Metric['value'] =>
  // JSON lines keep NaN and the infinities as null.
  value === null || Number.isNaN(value)
    ? 'NaN'
    : value === Infinity
      ? 'Infinity'
      : value === -Infinity
        ? '-Infinity'
        : value;

/** Nested settings as `vary.yaw`; lists as JSON. Leaves in the order of the settings, with their whole names and values. */
export function flattened(settings: JsonObject, prefix = ''): KeyValue[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    return isMap(value) && Object.keys(value).length > 0
      ? flattened(value, `${key}.`)
      : [{ key, value: text(value) }];
  });
}

const isMap = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** In order, as few batches as the limits of one `runs/log-batch` allow. @param bytesOf what one takes there, at most */
export function batchesOf<T>(items: readonly T[], most: number, bytesOf: (item: T) => number): T[][] {
  const batches: T[][] = [];
  let [bytes, from] = [envelopeBytes, 0];
  for (const [i, item] of items.entries()) {
    const more = bytesOf(item);
    if (i > from && (bytes + more > batchLimits.bytes || i - from === most)) {
      batches.push(items.slice(from, i));
      [bytes, from] = [envelopeBytes, i];
    }
    bytes += more;
  }
  if (items.length > from) batches.push(items.slice(from));
  return batches;
}

/** Of the body besides its items. */
const envelopeBytes = 200;

/** Of a parameter or tag in JSON. */
export const bytesOf = (item: KeyValue): number => Buffer.byteLength(JSON.stringify(item)) + 1;
