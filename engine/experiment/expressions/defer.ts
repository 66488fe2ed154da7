/**
 * Half-filled templates: in stages of a user's own program, `inputs` and `outputs` are folders that only the attempt
 * knows. What names them stays an expression; all else in it is computed now, so that a key depends on values only.
 */
import type { Json } from '../../../stages/contract.js';
import { type Contexts, evaluate, type Suggest } from './evaluate.js';
import { isName } from './lexer.js';
import type { Syntax } from './parser.js';
import { embedded, type Template } from './template.js';

const deferred: ReadonlySet<string> = new Set(['inputs', 'outputs']);

/** @returns a value, or text in which what names inputs and outputs is still an expression. @throws ExpressionError */
export function fillNow(template: Template, contexts: Contexts, suggest: Suggest): Json {
  if (template.whole && !mentions(template.whole))
    return escapeAll(evaluate(template.whole, contexts, suggest));
  return template.parts
    .map((part) => {
      if (part.type === 'text') return part.text;
      if (mentions(part.syntax)) return `\${{ ${write(part.syntax, contexts, suggest)} }}`;
      return escape(embedded(evaluate(part.syntax, contexts, suggest), part.syntax));
    })
    .join('');
}

/** Text that came from a value must not be read as an expression later on. */
function escape(text: string): string {
  return text.replaceAll('${{', "${{ '${{' }}");
}

function escapeAll(value: Json): Json {
  if (typeof value === 'string') return escape(value);
  if (Array.isArray(value)) return value.map(escapeAll);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escapeAll(item)]));
}

/** Whether it names inputs or outputs. */
export function mentions(syntax: Syntax): boolean {
  switch (syntax.type) {
    case 'literal':
      return false;
    case 'name':
      return deferred.has(syntax.name);
    case 'member':
      return mentions(syntax.of) || mentions(syntax.key);
    case 'values':
    case 'unary':
      return mentions(syntax.of);
    case 'binary':
      return mentions(syntax.left) || mentions(syntax.right);
    case 'call':
      return syntax.args.some(mentions);
  }
}

/** The names after `inputs.` and `outputs.` with their places, to be checked before anything runs. */
export function* deferredNames(
  syntax: Syntax,
): Generator<{ of: string; name: string; start: number; end: number }> {
  if (syntax.type === 'member' && syntax.of.type === 'name' && deferred.has(syntax.of.name)) {
    if (syntax.key.type === 'literal' && typeof syntax.key.value === 'string')
      yield { of: syntax.of.name, name: syntax.key.value, start: syntax.key.start, end: syntax.key.end };
    else yield* deferredNames(syntax.key);
  } else if (syntax.type === 'member') {
    yield* deferredNames(syntax.of);
    yield* deferredNames(syntax.key);
  } else if (syntax.type === 'values' || syntax.type === 'unary') yield* deferredNames(syntax.of);
  else if (syntax.type === 'binary') {
    yield* deferredNames(syntax.left);
    yield* deferredNames(syntax.right);
  } else if (syntax.type === 'call') for (const arg of syntax.args) yield* deferredNames(arg);
}

/** The syntax as text again, with every part that can be computed now replaced by its value. */
function write(syntax: Syntax, contexts: Contexts, suggest: Suggest): string {
  if (!mentions(syntax)) return literal(evaluate(syntax, contexts, suggest));
  const part = (at: Syntax): string => write(at, contexts, suggest);
  switch (syntax.type) {
    case 'name':
      return syntax.name;
    case 'member':
      return part(syntax.of) + (plainKey(syntax.key) ?? `[${part(syntax.key)}]`);
    case 'values':
      return `${part(syntax.of)}.*`;
    case 'unary':
      return `(${syntax.sign}${part(syntax.of)})`;
    case 'binary':
      return `(${part(syntax.left)} ${syntax.sign} ${part(syntax.right)})`;
    case 'call':
      return `${syntax.name}(${syntax.args.map(part).join(', ')})`;
    case 'literal':
      return literal(syntax.value);
  }
}

/** `.out`, as people write it; undefined where it needs brackets. */
function plainKey(key: Syntax): string | undefined {
  return key.type === 'literal' && typeof key.value === 'string' && isName(key.value)
    ? `.${key.value}`
    : undefined;
}

function literal(value: Json): string {
  if (typeof value === 'number') return value < 0 ? `(${value})` : String(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quote(value);
  return `fromJSON(${quote(JSON.stringify(value))})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
