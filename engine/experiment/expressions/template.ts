/** Text with `${{ }}` in it: taken apart once, then filled in. */
import type { Json } from '../../../stages/contract.js';
import { type Contexts, evaluate, type Suggest } from './evaluate.js';
import { ArgumentError, asText, maxText } from './functions.js';
import { ExpressionError } from './lexer.js';
import { parseExpression, type Syntax } from './parser.js';

export type Part =
  { type: 'text'; text: string } | { type: 'expression'; syntax: Syntax; start: number; end: number };

export interface Template {
  parts: readonly Part[];
  /** The one expression that the text is, from first letter to last: then its value keeps its type. */
  whole?: Syntax;
}

/** Cheap test before anything is parsed. */
export function hasExpression(text: string): boolean {
  return text.includes('${{');
}

/** @throws ExpressionError */
export function parseTemplate(text: string): Template {
  const parts: Part[] = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf('${{', at);
    if (start < 0) break;
    if (start > at) parts.push({ type: 'text', text: text.slice(at, start) });
    const { syntax, end } = parseExpression(text, start + 3);
    parts.push({ type: 'expression', syntax, start, end });
    at = end;
  }
  if (at < text.length) parts.push({ type: 'text', text: text.slice(at) });
  const [only] = parts;
  return { parts, ...(parts.length === 1 && only?.type === 'expression' ? { whole: only.syntax } : {}) };
}

/** @throws ExpressionError */
export function fill(template: Template, contexts: Contexts, suggest: Suggest): Json {
  if (template.whole) return evaluate(template.whole, contexts, suggest);
  let text = '';
  for (const part of template.parts) {
    text +=
      part.type === 'text' ? part.text : embedded(evaluate(part.syntax, contexts, suggest), part.syntax);
    if (part.type === 'expression' && text.length > maxText)
      throw new ExpressionError(`an expression makes at most ${maxText} letters`, part.start, part.end);
  }
  return text;
}

/** A value within text. @throws ExpressionError for lists and maps */
export function embedded(value: Json, at: { start: number; end: number }): string {
  try {
    return asText(value);
  } catch (error) {
    if (error instanceof ArgumentError)
      throw new ExpressionError(error.message, at.start, at.end, error.hint);
    throw error;
  }
}
