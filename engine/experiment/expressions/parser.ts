/** Tokens -> syntax tree, by operator precedence (a Pratt parser). GitHub's grammar, plus arithmetic. */
import { ExpressionError, lex, lexWhole, type Sign, type Token } from './lexer.js';

export type BinarySign = '||' | '&&' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%';

export type Syntax = { start: number; end: number } & (
  | { type: 'literal'; value: null | boolean | number | string }
  | { type: 'name'; name: string }
  | { type: 'member'; of: Syntax; key: Syntax; dotted: boolean }
  /** `inputs.*`: the values of a map as a list. */
  | { type: 'values'; of: Syntax }
  | { type: 'call'; name: string; args: Syntax[]; nameEnd: number }
  | { type: 'unary'; sign: '!' | '-' | '+'; of: Syntax }
  | { type: 'binary'; sign: BinarySign; left: Syntax; right: Syntax }
);

const binding: Readonly<Record<BinarySign, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
};
const unaryBinding = 7;
const maxDepth = 60;
const words: ReadonlyMap<string, null | boolean> = new Map<string, null | boolean>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** Parses the expression that begins at `start`, just behind `${{`. @throws ExpressionError */
export function parseExpression(text: string, start: number): { syntax: Syntax; end: number } {
  const { tokens, end } = lex(text, start);
  if (tokens.length === 1)
    throw new ExpressionError(
      'this expression is empty',
      start - 3,
      end,
      'write what it computes, as in ${{ params.identities }}',
    );
  const parser = new Parser(tokens);
  const syntax = parser.expression(0);
  parser.finish();
  return { syntax, end };
}

/** A whole text, as on a command line, where `and`, `or` and `not` are words of the language. @throws ExpressionError */
export function parseWhole(text: string): Syntax {
  const parser = new Parser(lexWhole(text), true);
  const syntax = parser.expression(0);
  parser.finish();
  return syntax;
}

const operatorWords: ReadonlyMap<string, BinarySign> = new Map([
  ['and', '&&'],
  ['or', '||'],
]);

class Parser {
  private at = 0;
  private depth = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly operatorsAsWords = false,
  ) {}

  private get token(): Token {
    return this.tokens[this.at]!;
  }

  expression(least: number): Syntax {
    if ((this.depth += 1) > maxDepth)
      throw new ExpressionError(
        `an expression nests at most ${maxDepth} deep`,
        this.token.start,
        this.token.end,
      );
    let left = this.operand();
    for (;;) {
      const sign = this.operator();
      if (sign === undefined || binding[sign] <= least) break;
      this.at += 1;
      const right = this.expression(binding[sign]);
      left = { type: 'binary', sign, left, right, start: left.start, end: right.end };
    }
    this.depth -= 1;
    return left;
  }

  private operator(): BinarySign | undefined {
    const token = this.token;
    if (token.type === 'sign') return token.value in binding ? (token.value as BinarySign) : undefined;
    return this.operatorsAsWords && token.type === 'name' ? operatorWords.get(token.value) : undefined;
  }

  finish(): void {
    if (this.token.type !== 'end') throw this.unexpected('an operator or the end of the expression');
  }

  private operand(): Syntax {
    const token = this.token;
    this.at += 1;
    switch (token.type) {
      case 'number':
      case 'text':
        return this.postfix({ type: 'literal', value: token.value, start: token.start, end: token.end });
      case 'name': {
        if (this.operatorsAsWords && token.value === 'not') {
          // As in Python: not a == b is not (a == b).
          const of = this.expression(binding['&&']);
          return { type: 'unary', sign: '!', of, start: token.start, end: of.end };
        }
        if (words.has(token.value))
          return { type: 'literal', value: words.get(token.value)!, start: token.start, end: token.end };
        if (token.value === 'not' && this.token.type === 'name')
          throw new ExpressionError("'not' is not an operator here", token.start, token.end, "write '!'");
        if (this.is('(')) return this.postfix(this.call(token.value, token.start, token.end));
        return this.postfix({ type: 'name', name: token.value, start: token.start, end: token.end });
      }
      case 'sign':
        if (token.value === '(') {
          const inner = this.expression(0);
          const close = this.take(')');
          return this.postfix({ ...inner, start: token.start, end: close.end });
        }
        if (token.value === '!' || token.value === '-' || token.value === '+') {
          const of = this.expression(unaryBinding);
          return { type: 'unary', sign: token.value, of, start: token.start, end: of.end };
        }
    }
    this.at -= 1;
    throw this.unexpected('a value');
  }

  private postfix(of: Syntax): Syntax {
    let left = of;
    for (;;) {
      if (this.is('.')) {
        this.at += 1;
        const token = this.token;
        if (this.is('*')) {
          this.at += 1;
          left = { type: 'values', of: left, start: left.start, end: token.end };
        } else if (token.type === 'name') {
          this.at += 1;
          const key: Syntax = { type: 'literal', value: token.value, start: token.start, end: token.end };
          left = { type: 'member', of: left, key, dotted: true, start: left.start, end: token.end };
        } else throw this.unexpected("a name or '*'");
      } else if (this.is('[')) {
        this.at += 1;
        const key = this.expression(0);
        const close = this.take(']');
        left = { type: 'member', of: left, key, dotted: false, start: left.start, end: close.end };
      } else return left;
    }
  }

  private call(name: string, start: number, nameEnd: number): Syntax {
    this.at += 1;
    const args: Syntax[] = [];
    while (!this.is(')')) {
      args.push(this.expression(0));
      if (this.is(')')) break;
      this.take(',');
    }
    const close = this.take(')');
    return { type: 'call', name, args, nameEnd, start, end: close.end };
  }

  private is(sign: Sign): boolean {
    return this.token.type === 'sign' && this.token.value === sign;
  }

  private take(sign: Sign): Token {
    if (!this.is(sign)) throw this.unexpected(`'${sign}'`);
    this.at += 1;
    return this.tokens[this.at - 1]!;
  }

  private unexpected(wanted: string): ExpressionError {
    const token = this.token;
    const found =
      token.type === 'end'
        ? 'the expression ends'
        : `there is '${token.type === 'text' ? `'${token.value}'` : token.value}'`;
    const sign = token.type === 'name' ? operatorWords.get(token.value) : undefined;
    return new ExpressionError(
      `${wanted} is expected here, but ${found}`,
      token.start,
      token.end,
      sign && `'${String(token.type === 'name' && token.value)}' is written '${sign}'`,
    );
  }
}
