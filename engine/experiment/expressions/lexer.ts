/** The words of an expression: what stands between `${{` and `}}`. */

export type Token =
  | { type: 'number'; value: number; start: number; end: number }
  | { type: 'text'; value: string; start: number; end: number }
  | { type: 'name'; value: string; start: number; end: number }
  | { type: 'sign'; value: Sign; start: number; end: number }
  | { type: 'end'; start: number; end: number };

const signs = [
  '&&',
  '||',
  '==',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
  '!',
  '+',
  '-',
  '*',
  '/',
  '%',
  '(',
  ')',
  '[',
  ']',
  '.',
  ',',
] as const;
export type Sign = (typeof signs)[number];

/** Trouble in an expression; offsets are into the text that was given (a whole template). */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
  constructor(
    message: string,
    readonly start: number,
    readonly end: number,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** So that neither the parser nor the evaluator, which recurse, can be led too deep. */
const maxTokens = 1000;

const number = /(?:0x[0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)/y;
// A hyphen between letters belongs to a name (`params.learning-rate`); before a digit or a space it subtracts.
const name = /[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z_][A-Za-z0-9_]*)*/y;

/** Whether a text can stand behind a dot. */
export function isName(text: string): boolean {
  name.lastIndex = 0;
  return name.exec(text)?.[0] === text;
}

/** @returns the tokens up to the closing `}}`, and the offset behind it. `start` is just behind `${{`. */
export function lex(text: string, start: number): { tokens: Token[]; end: number } {
  const tokens: Token[] = [];
  const opening = start - 3;
  let at = start;
  for (;;) {
    at = pastSpace(text, at);
    if (at >= text.length)
      throw new ExpressionError("this '${{' is never closed", opening, start, "end the expression with '}}'");
    if (text.startsWith('}}', at)) {
      tokens.push({ type: 'end', start: at, end: at + 2 });
      return { tokens, end: at + 2 };
    }
    at = take(tokens, text, at, false);
  }
}

/** A whole text is one expression, as on a command line: text may take double quotes, too. */
export function lexWhole(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = pastSpace(text, 0); at < text.length;) at = pastSpace(text, take(tokens, text, at, true));
  return [...tokens, { type: 'end', start: text.length, end: text.length + 1 }];
}

function pastSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at += 1;
  return at;
}

/** @returns the offset behind the token it has added */
function take(tokens: Token[], text: string, at: number, doubleQuotes: boolean): number {
  if (tokens.length >= maxTokens)
    throw new ExpressionError(
      `an expression has at most ${maxTokens} words and signs`,
      at,
      at + 1,
      'put parts of it into params',
    );
  const token = doubleQuotes && text[at] === '"' ? quoted(text, at, '"') : next(text, at);
  tokens.push(token);
  return token.end;
}

function next(text: string, at: number): Token {
  const letter = text[at]!;
  if (letter === "'") return quoted(text, at);
  if (letter === '"')
    throw new ExpressionError(
      'text in an expression takes single quotes',
      at,
      at + 1,
      `write 'text'; a quote within it is doubled`,
    );
  number.lastIndex = at;
  const digits = number.exec(text)?.[0];
  if (digits !== undefined) {
    const end = at + digits.length;
    if (/[A-Za-z0-9_]/.test(text[end] ?? ''))
      throw new ExpressionError(`'${digits}${text[end]}' is not a number`, at, end + 1);
    return { type: 'number', value: Number(digits), start: at, end };
  }
  name.lastIndex = at;
  const word = name.exec(text)?.[0];
  if (word !== undefined) return { type: 'name', value: word, start: at, end: at + word.length };
  const sign = signs.find((one) => text.startsWith(one, at));
  if (sign !== undefined) return { type: 'sign', value: sign, start: at, end: at + sign.length };
  const hint = instead[letter];
  throw new ExpressionError(`'${letter}' has no meaning in an expression`, at, at + 1, hint);
}

/** What people mean by a sign of other languages. */
const instead: Readonly<Record<string, string>> = {
  '=': "compare with '=='",
  '&': "'and' is '&&'",
  '|': "'or' is '||'",
  '?': 'a choice is written a && b || c',
  '`': "text takes single quotes: 'text'",
  $: 'names stand alone: params.x',
  '{': "maps come from params or fromJSON('...')",
};

/** 'text', a quote within it doubled. */
function quoted(text: string, at: number, mark: "'" | '"' = "'"): Token {
  let value = '';
  let from = at + 1;
  for (;;) {
    const quote = text.indexOf(mark, from);
    if (quote < 0)
      throw new ExpressionError(
        'this text is never closed',
        at,
        at + 1,
        `end it with a ${mark === '"' ? 'double' : 'single'} quote; a quote within it is doubled (${mark}it${mark}${mark}s${mark})`,
      );
    value += text.slice(from, quote);
    if (text[quote + 1] !== mark) return { type: 'text', value, start: at, end: quote + 1 };
    value += mark;
    from = quote + 2;
  }
}
