/** Syntax tree -> value. Knows names only through the contexts it is given; it can compute and nothing else. */
import type { Json } from '../../../stages/contract.js';
import { shown, typeName } from '../tree.js';
import { ArgumentError, functions, maxValues } from './functions.js';
import { ExpressionError } from './lexer.js';
import type { Syntax } from './parser.js';

/** A map whose values are computed when asked for (params refer to params). */
export interface Branch {
  /** How it is called in messages: `params`, `params.sizes`. */
  readonly path: string;
  keys(): string[];
  /** Where absent: what `keys` has. */
  has?(key: string): boolean;
  /** The value under a key that `keys` has. @throws ExpressionError at `at` where it cannot be had (a cycle). */
  get(key: string, at: { start: number; end: number }): Json | Branch;
  /** What to say, beyond the choices, where a key is not there. */
  readonly hint?: string;
}

/** The names an expression may begin with. */
export type Contexts = Readonly<Record<string, Json | Branch>>;

function isBranch(value: Json | Branch): value is Branch {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Branch>).get === 'function';
}

/** Nearest names are the caller's business (problems.ts counts them). */
export type Suggest = (word: string, names: Iterable<string>) => string;

/** A branch over plain values: matrix, env, inputs, outputs. */
export function branchOf(path: string, values: Readonly<Record<string, Json>>, hint?: string): Branch {
  return {
    path,
    keys: () => Object.keys(values),
    get: (key) => values[key]!,
    ...(hint === undefined ? {} : { hint }),
  };
}

/** @throws ExpressionError with the place inside the text the syntax was parsed from */
export function evaluate(syntax: Syntax, contexts: Contexts, suggest: Suggest): Json {
  return force(visit(syntax), syntax);

  function value(at: Syntax): Json {
    return force(visit(at), at);
  }

  function visit(at: Syntax): Json | Branch {
    switch (at.type) {
      case 'literal':
        return at.value;
      case 'name': {
        if (Object.hasOwn(contexts, at.name)) return contexts[at.name]!;
        const known = Object.keys(contexts);
        const isFunction = functions.get(at.name);
        const hint = isFunction
          ? `it is a function: ${isFunction.usage}`
          : `known here: ${known.join(', ')}; text takes single quotes`;
        throw new ExpressionError(
          `'${at.name}' is not known here${suggest(at.name, known)}`,
          at.start,
          at.end,
          hint,
        );
      }
      case 'member':
        return member(visit(at.of), at);
      case 'values': {
        const of = visit(at.of);
        if (isBranch(of)) return of.keys().flatMap((key) => forceBranch(of.get(key, at), at));
        if (Array.isArray(of)) return of;
        if (typeof of === 'object' && of !== null) return Object.values(of);
        throw new ExpressionError(`'.*' takes a map or a list, not ${typeName(of)}`, at.start, at.end);
      }
      case 'unary': {
        const of = value(at.of);
        if (at.sign === '!') return !truthy(of);
        if (typeof of !== 'number')
          throw new ExpressionError(
            `'${at.sign}' takes a number, not ${typeName(of)} (${shown(of)})`,
            at.of.start,
            at.of.end,
          );
        return at.sign === '-' ? 0 - of : of;
      }
      case 'binary':
        return binary(at);
      case 'call':
        return call(at);
    }
  }

  function member(of: Json | Branch, at: Extract<Syntax, { type: 'member' }>): Json | Branch {
    const key = value(at.key);
    if (Array.isArray(of)) {
      if (typeof key !== 'number' || !Number.isInteger(key))
        throw new ExpressionError(
          `a list is indexed by a whole number, not ${shown(key)}`,
          at.key.start,
          at.key.end,
        );
      const item = of[key < 0 ? of.length + key : key];
      if (item === undefined)
        throw new ExpressionError(
          `there is no item ${key} in a list of ${of.length}`,
          at.key.start,
          at.key.end,
          'items count from 0; -1 is the last',
        );
      return item;
    }
    const name = typeof key === 'number' ? String(key) : key;
    if (typeof of !== 'object' || of === null || typeof name !== 'string')
      throw new ExpressionError(
        typeof name === 'string' || typeof key === 'number'
          ? `${typeName(of)} has no '${String(name)}'`
          : `a map is indexed by text, not ${shown(key)}`,
        at.key.start,
        at.key.end,
      );
    const path = isBranch(of) ? of.path : 'this map';
    if (isBranch(of) ? !(of.has?.(name) ?? of.keys().includes(name)) : !Object.hasOwn(of, name)) {
      const keys = isBranch(of) ? of.keys() : Object.keys(of);
      const hint =
        (isBranch(of) ? of.hint : undefined) ?? `${path} has ${keys.slice(0, 12).join(', ') || 'nothing'}`;
      throw new ExpressionError(
        `${path} has no '${name}'${suggest(name, keys)}`,
        at.key.start,
        at.key.end,
        hint,
      );
    }
    return isBranch(of) ? of.get(name, at) : of[name]!;
  }

  function binary(at: Extract<Syntax, { type: 'binary' }>): Json {
    const left = value(at.left);
    if (at.sign === '&&') return truthy(left) ? value(at.right) : left;
    if (at.sign === '||') return truthy(left) ? left : value(at.right);
    const right = value(at.right);
    // No coercion: 1 == '1' is false.
    if (at.sign === '==') return same(left, right);
    if (at.sign === '!=') return !same(left, right);
    if (
      typeof left === 'string' &&
      typeof right === 'string' &&
      (at.sign === '<' || at.sign === '<=' || at.sign === '>' || at.sign === '>=')
    )
      return compare(at.sign, left, right);
    for (const [side, operand] of [
      [at.left, left],
      [at.right, right],
    ] as const)
      if (typeof operand !== 'number')
        throw new ExpressionError(
          `'${at.sign}' takes numbers, not ${typeName(operand)} (${shown(operand)})`,
          side.start,
          side.end,
          at.sign === '+' && typeof operand === 'string'
            ? "put text together with format('{0}{1}', a, b)"
            : undefined,
        );
    const [a, b] = [left as number, right as number];
    switch (at.sign) {
      case '+':
        return decimal(a + b, a, b, at);
      case '-':
        return decimal(a - b, a, b, at);
      case '*':
        return decimal(a * b, a, b, at);
      case '/':
      case '%':
        if (b === 0) throw new ExpressionError('division by zero', at.right.start, at.right.end);
        return at.sign === '/' ? finite(a / b, at) : finite(a % b, at);
      default:
        return compare(at.sign, a, b);
    }
  }

  function call(at: Extract<Syntax, { type: 'call' }>): Json {
    const found = functions.get(at.name);
    if (!found) {
      const names = [...functions.keys()];
      throw new ExpressionError(
        `there is no function '${at.name}'${suggest(at.name, names)}`,
        at.start,
        at.nameEnd,
        `functions: ${names.join(', ')}`,
      );
    }
    const [least, most] = found.takes;
    if (at.args.length < least || at.args.length > most) {
      const wanted = least === most ? `${least}` : most === 100 ? `at least ${least}` : `${least} to ${most}`;
      throw new ExpressionError(
        `${at.name} takes ${wanted} argument${wanted === '1' || wanted.endsWith(' 1') ? '' : 's'}, not ${at.args.length}`,
        at.start,
        at.end,
        found.usage,
      );
    }
    try {
      return found.apply(at.args.map((arg) => value(arg)));
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      const where = error.argument === undefined ? at : (at.args[error.argument] ?? at);
      throw new ExpressionError(error.message, where.start, where.end, error.hint ?? found.usage);
    }
  }
}

/** A branch as a plain map; values that are plain stay as they are. */
export function force(value: Json | Branch, at: { start: number; end: number }): Json {
  const plain = forceBranch(value, at);
  if (sizeOf(plain) > maxValues)
    throw new ExpressionError(`an expression makes at most ${maxValues} values`, at.start, at.end);
  return plain;
}

function forceBranch(value: Json | Branch, at: { start: number; end: number }): Json {
  if (!isBranch(value)) return value;
  return Object.fromEntries(value.keys().map((key) => [key, forceBranch(value.get(key, at), at)]));
}

const sizes = new WeakMap<object, number>();

/** How many values there are in it. Remembered, as maps made by expressions share their parts. */
function sizeOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 1;
  const known = sizes.get(value);
  if (known !== undefined) return known;
  const size = Object.values(value).reduce<number>((total, item) => total + sizeOf(item), 1);
  sizes.set(value, size);
  return size;
}

/** false, null, 0 and '' are not true; all else is. */
function truthy(value: Json): boolean {
  return value !== false && value !== null && value !== 0 && value !== '';
}

function same(a: Json, b: Json): boolean {
  return (
    a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
  );
}

function compare<T extends string | number>(sign: '<' | '<=' | '>' | '>=', a: T, b: T): boolean {
  return sign === '<' ? a < b : sign === '<=' ? a <= b : sign === '>' ? a > b : a >= b;
}

function finite(value: number, at: Syntax): number {
  if (!Number.isFinite(value))
    throw new ExpressionError('the result is too large to be a number', at.start, at.end);
  return value === 0 ? 0 : value;
}

/** Sums and products of decimals are decimals: 0.1 + 0.2 is 0.3, as names of points and keys are made of these. */
function decimal(value: number, a: number, b: number, at: Syntax): number {
  return finite(Number.isInteger(a) && Number.isInteger(b) ? value : Number(value.toPrecision(15)), at);
}
