/** Names and values made to fit what the server takes; whoever shortens says so, since what is cut here is kept whole as an artifact. */
import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../stages/contract.js';
import { type KeyValue, lengths, type Metric } from './mlflow-api.js';

/** Letters that every server takes; newer ones take a colon as well. */
const odd = /[^\w .\-/]/g;

/** A metric's or parameter's name. Two that would look alike once cleaned are told apart by four digits. */
export function fittingKey(name: string): string {
  const clean = name.replace(odd, '_').replace(/^\/+/, '');
  if (clean === name && name.length <= lengths.key) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 4);
  return `${clean.slice(0, lengths.key - 5)}_${digest}`;
}

export function fittingTag(value: string): string {
  return shortened(value, lengths.tag);
}

export function shortened(value: string, longest: number): string {
  return value.length <= longest ? value : `${value.slice(0, longest - 1)}…`;
}

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

/** Nested settings as `vary.yaw`; lists as JSON. Leaves in the order of the settings. */
export function flattened(settings: JsonObject, prefix = ''): KeyValue[] {
  return Object.entries(settings).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    return isMap(value) && Object.keys(value).length > 0
      ? flattened(value, `${key}.`)
      : [{ key: fittingKey(key), value: text(value) }];
  });
}

const isMap = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));
