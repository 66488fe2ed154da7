/**
 * What ajv says of a value, as faults people can read: which key or value, what it must be, what there is to choose.
 * A value that fits none of several forms is checked again against the form it was meant to have.
 */
import { createRequire } from 'node:module';
import type * as Ajv from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { validators } from '../../schemas/generated/validators.js';
import { type Path, shown, typeName } from './tree.js';

type Schema = Readonly<Record<string, unknown>>;

export type Fault =
  /** `key` is not one of `choices`; `path` is the map's. */
  | { kind: 'unknown'; path: Path; key: string; choices: readonly string[]; of?: string }
  | { kind: 'missing'; path: Path; key: string; of?: string }
  /** `key` cannot be a name in the map at `path`. */
  | { kind: 'name'; path: Path; key: string; hint: string }
  /** `must` completes "'lr' ...": "must be a number, not text ('abc')". */
  | { kind: 'value'; path: Path; must: string; hint?: string; word?: string; choices?: readonly string[] };

/** Loaded for what the build does not know and for what is wrong: nobody else should wait for it. */
let loaded: typeof Ajv.Ajv2020 | undefined;
const ajv2020 = (options: Ajv.Options) => {
  loaded ??= (createRequire(import.meta.url)('ajv/dist/2020.js') as typeof Ajv).Ajv2020;
  return new loaded(options);
};

/** A check that only says yes or no is made in a tenth of the time of one that explains. */
const quick = { strict: false, validateSchema: false, meta: false, code: { optimize: false } } as const;
const thorough = { allErrors: true, strict: false, verbose: true } as const;

/** Errors of one value that are looked at: comparing all with all of them would take minutes in a hostile file. */
const most = 2000;

/** A schema made ready once; `check` is called for each value. */
export class Checker {
  private readonly passes: (value: unknown) => boolean;
  private explains: ValidateFunction | undefined;
  private ajv: Ajv.Ajv2020 | undefined;
  private readonly schema: Schema;
  private readonly forms = new Map<unknown, ValidateFunction>();

  /** @param defaults fill the defaults of the schema into the values that are checked */
  constructor(
    schema: Schema,
    private readonly defaults = false,
  ) {
    // A copy: ajv remembers schemas by identity and by $id, and a schema belongs to the stage that declared it.
    const { $id: _, ...copy } = structuredClone(schema) as Record<string, unknown>;
    this.schema = copy;
    // By identity: a user's own stage may have the name of one of ours.
    this.passes = validators.get(schema) ?? ajv2020({ ...quick, useDefaults: defaults }).compile(copy);
  }

  check(value: unknown): Fault[] {
    if (this.passes(value)) return [];
    this.explains ??= ajv2020({ ...thorough, useDefaults: this.defaults }).compile(this.schema);
    return this.explains(value) ? [] : this.faults((this.explains.errors ?? []).slice(0, most), []);
  }

  private faults(errors: readonly ErrorObject[], base: Path): Fault[] {
    const choices = errors.filter((error) => error.keyword === 'anyOf' || error.keyword === 'oneOf');
    const inner = new Set<ErrorObject>();
    for (const choice of choices) {
      // By identity: the paths of errors below a $ref begin anew.
      const forms = schemasIn(choice.schema, this.schema);
      for (const error of errors)
        if (
          error !== choice &&
          within(error.instancePath, choice.instancePath) &&
          forms.has(error.parentSchema)
        )
          inner.add(error);
    }
    // What is not in a list of allowed values has the wrong type, too, as often as not: said once.
    const listed = new Set(
      errors.filter((error) => error.keyword === 'enum').map((error) => error.instancePath),
    );
    return errors
      .filter((error) => !inner.has(error) && !(error.keyword === 'type' && listed.has(error.instancePath)))
      .flatMap((error) => this.fault(error, [...base, ...pathOf(error.instancePath)]));
  }

  private fault(error: ErrorObject, path: Path): Fault[] {
    const parent = (error.parentSchema ?? {}) as Schema;
    const description = firstSentence(parent['description']);
    const value = (must: string, hint = description): Fault[] => [
      { kind: 'value', path, must, ...(hint === undefined ? {} : { hint }) },
    ];
    const is = (): string => `is ${shown(error.data)}: it must`;
    const params = error.params as Record<string, unknown>;
    if (error.propertyName !== undefined && error.keyword !== 'propertyNames') return [];
    const of = typeof parent['title'] === 'string' ? { of: parent['title'] } : {};
    switch (error.keyword) {
      case 'additionalProperties':
      case 'unevaluatedProperties': {
        const key = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
        return [
          {
            kind: 'unknown',
            path,
            key,
            choices: Object.keys((parent['properties'] as Schema | undefined) ?? {}),
            ...of,
          },
        ];
      }
      case 'required':
      case 'dependentRequired':
        return [{ kind: 'missing', path, key: String(params['missingProperty']), ...of }];
      case 'propertyNames': {
        const { rule } = parent['propertyNames'] as Schema;
        return [
          {
            kind: 'name',
            path,
            key: String(params['propertyName']),
            hint:
              typeof rule === 'string'
                ? rule
                : `names match ${String((parent['propertyNames'] as Schema)['pattern'])}`,
          },
        ];
      }
      case 'if':
        // The branch that was taken says what is wrong.
        return [];
      case 'anyOf':
      case 'oneOf':
        return this.meant(error, path, value);
      case 'type':
        return value(
          `must be ${typeWords(parent)}, ${notThis(error.data)}`,
          looksLike(error.data, parent) ?? description,
        );
      case 'enum': {
        const allowed = (params['allowedValues'] as unknown[]).map(String);
        const word = typeof error.data === 'string' ? { word: error.data } : {};
        return [
          {
            kind: 'value',
            path,
            must: `must be one of ${allowed.join(', ')}, not ${shown(error.data)}`,
            ...word,
            choices: allowed,
            ...(description === undefined ? {} : { hint: description }),
          },
        ];
      }
      case 'const':
        return value(`${is()} be ${shown(params['allowedValue'])}`);
      case 'minimum':
      case 'maximum':
      case 'exclusiveMinimum':
      case 'exclusiveMaximum':
        return value(`${is()} be ${rangeWords(parent)}`);
      case 'multipleOf':
        return value(`${is()} be a multiple of ${String(params['multipleOf'])}`);
      case 'minLength':
        return value(
          params['limit'] === 1
            ? 'is empty text'
            : `${is()} have at least ${String(params['limit'])} letters`,
        );
      case 'maxLength':
        return value(`${is()} have at most ${String(params['limit'])} letters`);
      case 'pattern':
        return value(
          typeof parent['rule'] === 'string'
            ? `${is()} be ${parent['rule']}`
            : `${is()} match ${String(params['pattern'])}`,
        );
      case 'minItems':
        return value(
          params['limit'] === 1
            ? 'is an empty list'
            : `must have at least ${String(params['limit'])} items, not ${length(error.data)}`,
        );
      case 'maxItems':
        return value(`must have at most ${String(params['limit'])} items, not ${length(error.data)}`);
      case 'minProperties':
        return value(
          params['limit'] === 1 ? 'is an empty map' : `must have at least ${String(params['limit'])} keys`,
        );
      case 'maxProperties':
        return value(`must have at most ${String(params['limit'])} keys`);
      case 'uniqueItems':
        return value(
          `has the same item twice: number ${Number(params['j']) + 1} and ${Number(params['i']) + 1}`,
        );
      case 'not':
        return value(`cannot be ${shown(error.data)}`);
      default:
        return value(error.message ?? 'does not fit its schema');
    }
  }

  /** The faults against the form that the value was meant to have, by its type; all forms where it has none. */
  private meant(error: ErrorObject, path: Path, value: (must: string) => Fault[]): Fault[] {
    const all = (error.schema as Schema[]).filter((form) => form['$ref'] !== '#/$defs/expression');
    const forms = all.map((form) => resolved(form, this.schema));
    const fitting = forms.filter((form) => fits(form, error.data));
    if (fitting.length === 0 || (error.params as { passingSchemas?: unknown }).passingSchemas)
      return value(`must be ${forms.map(formName).join(' or ')}, ${notThis(error.data)}`);
    const candidates = fitting.map((form) => {
      const validate = this.formValidator(form);
      return validate(error.data) ? [] : this.faults(validate.errors ?? [], path);
    });
    return candidates.reduce((best, next) => (next.length < best.length ? next : best));
  }

  private formValidator(form: Schema): ValidateFunction {
    let validate = this.forms.get(form);
    if (!validate) {
      this.ajv ??= ajv2020(thorough);
      validate = this.ajv.compile({ $defs: this.schema['$defs'] ?? {}, ...form });
      this.forms.set(form, validate);
    }
    return validate;
  }
}

/** Why a schema is none; for schemas that others bring. */
export function schemaTrouble(schema: Schema): string | undefined {
  try {
    const { $id: _, ...copy } = structuredClone(schema) as Record<string, unknown>;
    ajv2020(thorough).compile(copy);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function within(path: string, base: string): boolean {
  return path === base || path.startsWith(`${base}/`);
}

function pathOf(pointer: string): Path {
  return pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function resolved(form: Schema, root: Schema): Schema {
  const ref = form['$ref'];
  if (typeof ref !== 'string' || !ref.startsWith('#/')) return form;
  let at: unknown = root;
  for (const step of pathOf(ref.slice(1))) at = (at as Record<string, unknown> | undefined)?.[step];
  return (at as Schema | undefined) ?? form;
}

/** A schema with all that can be reached from it, through `$ref`s too. */
function schemasIn(schema: unknown, root: Schema, found = new Set<unknown>()): Set<unknown> {
  if (typeof schema !== 'object' || schema === null || found.has(schema)) return found;
  found.add(schema);
  if ('$ref' in schema) schemasIn(resolved(schema as Schema, root), root, found);
  for (const item of Object.values(schema)) schemasIn(item, root, found);
  return found;
}

function jsonType(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

function fits(form: Schema, value: unknown): boolean {
  const type = jsonType(value);
  if ('const' in form) return jsonType(form['const']) === type;
  if (Array.isArray(form['enum'])) return form['enum'].some((item) => jsonType(item) === type);
  if (form['type'] === undefined)
    return 'properties' in form || 'required' in form ? type === 'object' : true;
  const types = [form['type']].flat();
  return types.includes(type) || (type === 'number' && types.includes('integer'));
}

const typeWord: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  null: 'nothing',
};

function typeWords(schema: Schema): string {
  const types = [schema['type']].flat().filter((type) => type !== 'null');
  return types.map((type) => typeWord[String(type)] ?? String(type)).join(' or ');
}

function formName(form: Schema): string {
  if (typeof form['title'] === 'string') return form['title'];
  if ('const' in form) return shown(form['const']);
  if (Array.isArray(form['enum'])) return form['enum'].map(shown).join(' or ');
  const limited = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].some((key) => key in form);
  const keys = Object.keys((form['properties'] as Schema | undefined) ?? {});
  return `${typeWords(form)}${limited ? ` ${rangeWords(form)}` : ''}${keys.length > 0 ? ` {${keys.join(', ')}}` : ''}`;
}

function rangeWords(schema: Schema): string {
  const {
    minimum,
    maximum,
    exclusiveMinimum: above,
    exclusiveMaximum: below,
  } = schema as Record<string, number | undefined>;
  if (minimum !== undefined && maximum !== undefined) return `from ${minimum} to ${maximum}`;
  const low =
    minimum !== undefined ? `at least ${minimum}` : above !== undefined ? `above ${above}` : undefined;
  const high =
    maximum !== undefined ? `at most ${maximum}` : below !== undefined ? `below ${below}` : undefined;
  return [low, high].filter((word) => word !== undefined).join(' and ');
}

function notThis(value: unknown): string {
  if (value === null) return 'but nothing is given';
  if (typeof value === 'object') return `not ${typeName(value)}`;
  return typeof value === 'string' ? `not text (${shown(value)})` : `not ${shown(value)}`;
}

/** The remedy for the commonest wrong types. */
function looksLike(value: unknown, schema: Schema): string | undefined {
  if (value === null) return 'give it a value, or remove the key';
  const wantsNumber = [schema['type']].flat().some((type) => type === 'number' || type === 'integer');
  if (typeof value === 'string' && wantsNumber && value.trim() !== '' && Number.isFinite(Number(value)))
    return 'remove the quotes';
  if (typeof value === 'string' && /\$?\{|\$\w/.test(value))
    return 'an expression is written ${{ params.x }}';
  if (
    (value === 'yes' || value === 'no' || value === 'on' || value === 'off') &&
    schema['type'] === 'boolean'
  )
    return 'YAML 1.2 has true and false only';
  return undefined;
}

function firstSentence(text: unknown): string | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const end = text.search(/[.:;] /);
  const sentence = (end < 0 ? text : text.slice(0, end)).replace(/\.$/, '');
  return sentence.length > 140 ? `${sentence.slice(0, 137)}...` : sentence;
}

function length(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}
