/**
 * The functions of `${{ }}`: GitHub's by name and meaning, and a few on numbers. Text is compared exactly (GitHub
 * ignores case), toJSON is compact. Each is pure, and bounded in what it makes.
 */
import type { Json } from '../../../stages/contract.js';
import { prototypeNames, shown, typeName } from '../tree.js';

/** What a function objects to; the evaluator adds the place. `argument` is the index of the one at fault. */
export class ArgumentError extends Error {
  constructor(
    message: string,
    readonly argument?: number,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** Letters that an expression may make: a short file must not stand for gigabytes. */
export const maxText = 100_000;
/** Values of a list or map that an expression may make. */
export const maxValues = 100_000;

export interface ExpressionFunction {
  /** How it is written, for messages. */
  usage: string;
  /** Least and most arguments. */
  takes: readonly [number, number];
  apply(args: readonly Json[]): Json;
}

export const functions: ReadonlyMap<string, ExpressionFunction> = new Map(
  Object.entries({
    format: {
      usage: "format('{0} of {1}', a, b)",
      takes: [1, 100],
      apply: ([template, ...values]) => {
        const text = textArgument(template!, 0);
        return bounded(
          text.replace(/\{\{|\}\}|\{(\d+)\}|[{}]/g, (found, digits?: string) => {
            if (found === '{{' || found === '}}') return found[0]!;
            const value = digits === undefined ? undefined : values[Number(digits)];
            if (digits !== undefined && value !== undefined) return asText(value, Number(digits) + 1);
            if (digits !== undefined)
              throw new ArgumentError(
                `format has no value for {${digits}}: it was given ${values.length}`,
                0,
                'they count from 0',
              );
            throw new ArgumentError(
              `format found a single '${found}'`,
              0,
              `write '${found}${found}' for the letter itself`,
            );
          }),
        );
      },
    },
    join: {
      usage: "join(list, ' ')",
      takes: [1, 2],
      apply: ([list, separator]) => {
        const items = Array.isArray(list) ? list : [list!];
        return bounded(
          items
            .map((item) => asText(item, 0))
            .join(separator === undefined ? ',' : textArgument(separator, 1)),
        );
      },
    },
    contains: {
      usage: 'contains(list or text, item)',
      takes: [2, 2],
      apply: ([search, item]) => {
        if (Array.isArray(search)) return search.some((one) => one === item);
        return textArgument(search!, 0, 'a list or text').includes(asText(item!, 1));
      },
    },
    startsWith: {
      usage: "startsWith(text, 'start')",
      takes: [2, 2],
      apply: ([text, start]) => textArgument(text!, 0).startsWith(textArgument(start!, 1)),
    },
    endsWith: {
      usage: "endsWith(text, 'end')",
      takes: [2, 2],
      apply: ([text, end]) => textArgument(text!, 0).endsWith(textArgument(end!, 1)),
    },
    toJSON: { usage: 'toJSON(value)', takes: [1, 1], apply: ([value]) => bounded(JSON.stringify(value)) },
    fromJSON: {
      usage: "fromJSON('[1, 2]')",
      takes: [1, 1],
      apply: ([text]) => {
        const json = textArgument(text!, 0);
        let depth = 0;
        for (const sign of json.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/[[\]{}]/g) ?? []) {
          depth += sign === '[' || sign === '{' ? 1 : -1;
          if (depth > 40) throw new ArgumentError('fromJSON takes lists and maps at most 40 deep', 0);
        }
        try {
          return JSON.parse(json, (key, value: Json) => {
            if (prototypeNames.has(key)) throw new SyntaxError(`'${key}' cannot be a key`);
            return value;
          }) as Json;
        } catch (error) {
          throw new ArgumentError(`this is not JSON: ${(error as Error).message}`, 0);
        }
      },
    },
    min: { usage: 'min(a, b, ...)', takes: [1, 100], apply: (args) => Math.min(...numbers(args, 'min')) },
    max: { usage: 'max(a, b, ...)', takes: [1, 100], apply: (args) => Math.max(...numbers(args, 'max')) },
    round: {
      usage: 'round(number, decimals)',
      takes: [1, 2],
      apply: ([value, decimals]) => {
        const number = numberArgument(value!, 0);
        const places = decimals === undefined ? 0 : numberArgument(decimals, 1);
        if (!Number.isInteger(places) || places < 0 || places > 15)
          throw new ArgumentError('round takes 0 to 15 decimals', 1);
        // Half away from zero, on the decimal digits as written: round(1.005, 2) is 1.01.
        const [digits, exponent = '0'] = String(Math.abs(number)).split('e');
        const shifted = Math.round(Number(`${digits}e${Number(exponent) + places}`));
        return Math.sign(number) * Number(`${shifted}e-${places}`) || 0;
      },
    },
    length: {
      usage: 'length(list, map or text)',
      takes: [1, 1],
      apply: ([value]) => {
        if (typeof value === 'string' || Array.isArray(value)) return value.length;
        if (typeof value === 'object' && value !== null) return Object.keys(value).length;
        throw new ArgumentError(`length takes a list, a map or text, not ${typeName(value)}`, 0);
      },
    },
  } satisfies Record<string, ExpressionFunction>),
);

/** A value as it stands within text: null is nothing; lists and maps have no such form. */
export function asText(value: Json, argument?: number): string {
  if (value === null) return '';
  if (typeof value !== 'object') return String(value);
  throw new ArgumentError(
    `${typeName(value)} cannot stand within text`,
    argument,
    "use join(list, ' ') or toJSON(value)",
  );
}

function bounded(text: string): string {
  if (text.length > maxText) throw new ArgumentError(`an expression makes at most ${maxText} letters`);
  return text;
}

function textArgument(value: Json, argument: number, wanted = 'text'): string {
  if (typeof value === 'string') return value;
  throw new ArgumentError(`${wanted} is expected here, not ${typeName(value)} (${shown(value)})`, argument);
}

function numberArgument(value: Json, argument: number): number {
  if (typeof value === 'number') return value;
  throw new ArgumentError(`a number is expected here, not ${typeName(value)} (${shown(value)})`, argument);
}

/** Numbers one by one, or one list of them. */
function numbers(args: readonly Json[], name: string): number[] {
  const first = args[0];
  const list = args.length === 1 && Array.isArray(first) ? first : args;
  if (list.length === 0) throw new ArgumentError(`${name} of an empty list is nothing`, 0);
  return list.map((value, index) => numberArgument(value, list === args ? index : 0));
}
