/**
 * The YAML that nearly every line of nearly every experiment is: block maps and lists, flow collections, plain and quoted text on
 * one line, comments. Read in one pass, ten times as fast as the library, which first makes a tree of tokens: a generated file
 * of ten thousand stages is read in a tenth of a second.
 *
 * It never says what is wrong. Whatever it does not know, or is wrong, it declines, and parse.ts asks the library: so there is
 * one judge of errors, and one of everything unusual. Where it does not decline its tree is the library's, place by place (the
 * tests compare them).
 */
import type { Source, Span } from './source.js';
import {
  type Entry,
  type ListNode,
  type MapNode,
  type Node,
  prototypeNames,
  type ScalarNode,
} from './tree.js';

/** Thrown inside only; made once, as a stack trace would cost more than the reading. */
const declined = new Error('not plain enough');

/** What no plain file has: tabs, carriage returns, other control characters (the library gives some a meaning of its own), a byte order mark. */
// eslint-disable-next-line no-control-regex
const unusual = /[\u0000-\u0009\u000b-\u001f\ufeff]/;

const enum Char {
  newline = 10,
  space = 32,
  doubleQuote = 34,
  hash = 35,
  quote = 39,
  plus = 43,
  comma = 44,
  minus = 45,
  dot = 46,
  zero = 48,
  nine = 57,
  colon = 58,
  openList = 91,
  backslash = 92,
  closeList = 93,
  openMap = 123,
  closeMap = 125,
}

/** Characters that mean something where a plain text would begin. */
const indicators = new Set([...'?:,[]{}#&*!|>\'"%@`'].map((sign) => sign.charCodeAt(0)));

/** A little below YAML's own limit for keys on one line. */
const longestKey = 1000;

const isDigit = (code: number) => code >= Char.zero && code <= Char.nine;

/**
 * @param start where in the source's text the YAML begins
 * @returns what it says; where the library must be asked, about where that was seen
 */
export function readPlainYaml(
  source: Source,
  start: number,
  limits: { depth: number; values: number },
): { node: Node } | { declined: number } {
  const odd = (start === 0 ? source.text : source.text.slice(start)).search(unusual);
  if (odd >= 0) return { declined: start + odd };
  const reader = new Reader(source, start, limits);
  try {
    return { node: reader.document() };
  } catch (error) {
    if (error === declined) return { declined: Math.min(reader.place, source.text.length) };
    throw error;
  }
}

class Reader {
  private readonly text: string;
  private readonly end: number;
  private at: number;
  /** Of the content line that `at` is in: where it begins. */
  private lineStart: number;
  private values = 0;
  /** Flow collections within each other, at `at`. */
  private flowLevel = 0;

  constructor(
    private readonly source: Source,
    start: number,
    private readonly limits: { depth: number; values: number },
  ) {
    this.text = source.text;
    this.end = source.text.length;
    this.at = start;
    this.lineStart = start;
  }

  /** About where it is. */
  get place(): number {
    return this.at;
  }

  document(): Node {
    if (!this.nextLine()) throw declined;
    const first = this.text.charCodeAt(this.at);
    const node =
      first === Char.openList || first === Char.openMap ? this.flowOnItsOwn(-1) : this.block(-1, this.at, 0);
    if (this.at < this.end) throw declined;
    return node;
  }

  private flowOnItsOwn(indent: number): Node {
    const node = this.flow(indent, 0);
    this.endOfValue();
    return node;
  }

  /**
   * Goes to the first letter of the next line with content, from the beginning of a line. False at the end of the text.
   * Document marks and directives are declined.
   */
  private nextLine(): boolean {
    const { text, end } = this;
    let at = this.at;
    for (;;) {
      const begin = at;
      while (at < end && text.charCodeAt(at) === Char.space) at += 1;
      if (at >= end) {
        this.at = end;
        this.lineStart = end;
        return false;
      }
      const code = text.charCodeAt(at);
      if (code !== Char.newline && code !== Char.hash) {
        this.at = at;
        this.lineStart = begin;
        return true;
      }
      const next = text.indexOf('\n', at);
      at = next < 0 ? end : next + 1;
    }
  }

  /** The column, from 0, of the content line that `at` is in. */
  private indentHere(): number {
    return this.at >= this.end ? -1 : this.at - this.lineStart;
  }

  /**
   * A block map or list whose first letter is at `at`; its members stand `at - lineStart` deep.
   * @param parent how deep the members of what is around it stand
   */
  private block(parent: number, start: number, depth: number): Node {
    if (depth >= this.limits.depth) throw declined;
    const indent = start - this.lineStart;
    if (indent <= parent) throw declined;
    return this.isItem(start) ? this.list(indent, start, depth) : this.map(indent, start, depth);
  }

  private isItem(at: number): boolean {
    if (this.text.charCodeAt(at) !== Char.minus) return false;
    const next = at + 1 < this.end ? this.text.charCodeAt(at + 1) : Char.newline;
    return next === Char.space || next === Char.newline;
  }

  private map(indent: number, start: number, depth: number): MapNode {
    const entries = new Map<string, Entry>();
    let last = start;
    for (;;) {
      const keyStart = this.at;
      if (this.isItem(keyStart)) throw declined;
      const key = this.key(keyStart);
      const name = key.name;
      if (entries.has(name) || name === '<<' || prototypeNames.has(name)) throw declined;
      const keySpan = this.span(keyStart, key.end);
      this.at = key.end + 1;
      this.spaces();
      let value: Node;
      if (this.atLineEnd()) {
        this.toNextLine();
        const below = this.nextLine() ? this.indentHere() : -1;
        if (below > indent) value = this.block(indent, this.at, depth + 1);
        else if (below === indent && this.isItem(this.at)) value = this.list(indent, this.at, depth + 1);
        else value = this.scalar(null, keySpan);
      } else {
        value = this.inline(indent, depth + 1);
      }
      last = value.span.end > key.end ? value.span.end : key.end + 1;
      entries.set(name, { key: keySpan, value });
      const next = this.indentHere();
      if (next < indent) break;
      if (next > indent) throw declined;
    }
    this.count();
    return { type: 'map', entries, span: this.span(start, last) };
  }

  private list(indent: number, start: number, depth: number): ListNode {
    if (depth >= this.limits.depth) throw declined;
    const items: Node[] = [];
    let last = start;
    for (;;) {
      if (!this.isItem(this.at)) throw declined;
      this.at += 1;
      this.spaces();
      if (this.atLineEnd()) throw declined;
      const begin = this.at;
      const node =
        this.isItem(begin) || this.beginsMap(begin)
          ? // On the line of the item it is: its members stand as deep as its first letter.
            this.block(indent, begin, depth + 1)
          : this.inline(indent, depth + 1);
      items.push(node);
      last = node.span.end;
      const next = this.indentHere();
      if (next < indent) break;
      if (next > indent) throw declined;
      if (!this.isItem(this.at)) break;
    }
    this.count();
    return { type: 'list', items, span: this.span(start, last) };
  }

  /** Whether a `key: ` stands at `at`. Quoted text is looked through. */
  private beginsMap(at: number): boolean {
    const { text, end } = this;
    const code = text.charCodeAt(at);
    if (code === Char.openList || code === Char.openMap) return false;
    let from = at;
    if (code === Char.quote || code === Char.doubleQuote) from = this.quotedEnd(at);
    for (let i = from; i < end; i += 1) {
      const c = text.charCodeAt(i);
      if (c === Char.newline) return false;
      if (c === Char.hash && text.charCodeAt(i - 1) === Char.space) return false;
      if (c === Char.colon) {
        const next = i + 1 < end ? text.charCodeAt(i + 1) : Char.newline;
        if (next === Char.space || next === Char.newline) return true;
      }
    }
    return false;
  }

  /** A key up to its colon. */
  private key(at: number): { name: string; end: number } {
    const { text, end } = this;
    const code = text.charCodeAt(at);
    if (code === Char.quote || code === Char.doubleQuote) {
      const close = this.quotedEnd(at);
      if (text.charCodeAt(close) !== Char.colon || close - at > longestKey) throw declined;
      this.mustBreak(close + 1);
      return { name: this.quoted(at, close), end: close };
    }
    this.mustBegin(at, false);
    for (let i = at + 1; i < end; i += 1) {
      const c = text.charCodeAt(i);
      if (c === Char.newline) throw declined;
      if (c === Char.hash && text.charCodeAt(i - 1) === Char.space) throw declined;
      if (c === Char.colon) {
        const next = i + 1 < end ? text.charCodeAt(i + 1) : Char.newline;
        if (next !== Char.space && next !== Char.newline) continue;
        if (text.charCodeAt(i - 1) === Char.space || i - at > longestKey) throw declined;
        return { name: text.slice(at, i), end: i };
      }
    }
    throw declined;
  }

  private mustBreak(at: number): void {
    const next = at < this.end ? this.text.charCodeAt(at) : Char.newline;
    if (next !== Char.space && next !== Char.newline) throw declined;
  }

  /** Declines what plain text cannot begin with, and dashes that might be more than that. */
  private mustBegin(at: number, flow: boolean): void {
    const code = this.text.charCodeAt(at);
    if (indicators.has(code)) throw declined;
    if (code === Char.minus) {
      const next = this.text.charCodeAt(at + 1);
      const plain =
        isDigit(next) || next === Char.dot || (next > 64 && next < 91) || (next > 96 && next < 123);
      if (!plain) throw declined;
    }
    // Document marks at the beginning of a line.
    if (!flow && code === Char.dot && this.text.startsWith('...', at)) throw declined;
  }

  /** A value that begins on the line of its key or item, up to the next line with content. */
  private inline(indent: number, depth: number): Node {
    const { text } = this;
    const start = this.at;
    const code = text.charCodeAt(start);
    let node: Node;
    if (code === Char.openList || code === Char.openMap) {
      node = this.flow(indent, depth);
    } else if (code === Char.quote || code === Char.doubleQuote) {
      const close = this.quotedEnd(start);
      node = this.scalar(this.quoted(start, close), this.span(start, close));
      this.at = close;
    } else {
      this.mustBegin(start, false);
      let stop = text.indexOf('\n', start);
      if (stop < 0) stop = this.end;
      const line = text.slice(start, stop);
      const comment = line.indexOf(' #');
      let length = comment < 0 ? line.length : comment;
      while (line.charCodeAt(length - 1) === Char.space) length -= 1;
      const plain = length === line.length ? line : line.slice(0, length);
      if (plain.includes(': ') || plain.charCodeAt(length - 1) === Char.colon) throw declined;
      node = this.scalar(resolve(plain), this.span(start, start + length));
      this.at = start + length;
    }
    this.endOfValue();
    // Text that goes on in the next line, or an error.
    if (this.indentHere() > indent) throw declined;
    return node;
  }

  /** From behind a value to the next line with content; nothing but a comment may stand between. */
  private endOfValue(): void {
    const behind = this.at;
    this.spaces();
    if (!this.atLineEnd()) throw declined;
    if (this.at === behind && this.at < this.end && this.text.charCodeAt(this.at) === Char.hash)
      throw declined;
    this.toNextLine();
    this.nextLine();
  }

  private spaces(): void {
    while (this.at < this.end && this.text.charCodeAt(this.at) === Char.space) this.at += 1;
  }

  private atLineEnd(): boolean {
    if (this.at >= this.end) return true;
    const code = this.text.charCodeAt(this.at);
    return code === Char.newline || code === Char.hash;
  }

  private toNextLine(): void {
    const next = this.text.indexOf('\n', this.at);
    this.at = next < 0 ? this.end : next + 1;
    this.lineStart = this.at;
  }

  /** A flow collection, which may go over several lines: each must stand deeper than `indent`. */
  private flow(indent: number, depth: number): Node {
    if (depth >= this.limits.depth) throw declined;
    this.flowLevel += 1;
    const node =
      this.text.charCodeAt(this.at) === Char.openMap
        ? this.flowMap(indent, depth)
        : this.flowList(indent, depth);
    this.flowLevel -= 1;
    return node;
  }

  private flowMap(indent: number, depth: number): MapNode {
    const { text } = this;
    const start = this.at;
    const entries = new Map<string, Entry>();
    this.at += 1;
    for (;;) {
      this.flowSpace(indent);
      const keyStart = this.at;
      const code = text.charCodeAt(keyStart);
      if (code === Char.closeMap) break;
      let name: string;
      let keyEnd: number;
      if (code === Char.quote || code === Char.doubleQuote) {
        keyEnd = this.quotedEnd(keyStart);
        name = this.quoted(keyStart, keyEnd);
      } else {
        this.mustBegin(keyStart, true);
        keyEnd = this.flowPlainEnd(keyStart);
        name = text.slice(keyStart, keyEnd);
      }
      if (text.charCodeAt(keyEnd) !== Char.colon) throw declined;
      this.mustBreak(keyEnd + 1);
      if (entries.has(name) || name === '<<' || prototypeNames.has(name)) throw declined;
      this.at = keyEnd + 1;
      this.flowSpace(indent);
      entries.set(name, { key: this.span(keyStart, keyEnd), value: this.flowValue(indent, depth + 1) });
      this.flowSpace(indent);
      if (text.charCodeAt(this.at) === Char.comma) this.at += 1;
      else if (text.charCodeAt(this.at) !== Char.closeMap) throw declined;
    }
    this.at += 1;
    this.count();
    return { type: 'map', entries, span: this.span(start, this.at) };
  }

  private flowList(indent: number, depth: number): ListNode {
    const { text } = this;
    const start = this.at;
    const items: Node[] = [];
    this.at += 1;
    for (;;) {
      this.flowSpace(indent);
      if (text.charCodeAt(this.at) === Char.closeList) break;
      items.push(this.flowValue(indent, depth + 1));
      this.flowSpace(indent);
      if (text.charCodeAt(this.at) === Char.comma) this.at += 1;
      else if (text.charCodeAt(this.at) !== Char.closeList) throw declined;
    }
    this.at += 1;
    this.count();
    return { type: 'list', items, span: this.span(start, this.at) };
  }

  private flowValue(indent: number, depth: number): Node {
    const start = this.at;
    const code = this.text.charCodeAt(start);
    if (code === Char.openList || code === Char.openMap) return this.flow(indent, depth);
    if (code === Char.quote || code === Char.doubleQuote) {
      this.at = this.quotedEnd(start);
      return this.scalar(this.quoted(start, this.at), this.span(start, this.at));
    }
    this.mustBegin(start, true);
    this.at = this.flowPlainEnd(start);
    return this.scalar(resolve(this.text.slice(start, this.at)), this.span(start, this.at));
  }

  /** Where plain text within a flow collection ends. */
  private flowPlainEnd(start: number): number {
    const { text, end } = this;
    let i = start;
    scan: for (; i < end; i += 1) {
      switch (text.charCodeAt(i)) {
        case Char.newline:
        case Char.comma:
        case Char.openList:
        case Char.closeList:
        case Char.openMap:
        case Char.closeMap:
          break scan;
        case Char.hash:
          if (text.charCodeAt(i - 1) === Char.space) break scan;
          break;
        case Char.colon: {
          const next = i + 1 < end ? text.charCodeAt(i + 1) : Char.newline;
          if (next === Char.space || next === Char.newline) break scan;
          // `a:]` ends the text as well, in ways of its own.
          if (next === Char.comma || next === Char.closeList || next === Char.closeMap) throw declined;
          if (next === Char.openList || next === Char.openMap) throw declined;
          break;
        }
      }
    }
    while (text.charCodeAt(i - 1) === Char.space) i -= 1;
    return i;
  }

  /** Spaces, line ends and comments within a flow collection. */
  private flowSpace(indent: number): void {
    const { text, end } = this;
    let at = this.at;
    for (;;) {
      while (at < end && text.charCodeAt(at) === Char.space) at += 1;
      if (at >= end) throw declined;
      const code = text.charCodeAt(at);
      if (code === Char.hash) {
        if (text.charCodeAt(at - 1) !== Char.space) throw declined;
        at = text.indexOf('\n', at);
        if (at < 0) throw declined;
      } else if (code !== Char.newline) {
        this.at = at;
        return;
      } else {
        at += 1;
        this.lineStart = at;
        let first = at;
        while (first < end && text.charCodeAt(first) === Char.space) first += 1;
        const blank = text.charCodeAt(first) === Char.newline || text.charCodeAt(first) === Char.hash;
        if (!blank && first - at <= indent && !this.closesOutermost(first, first - at === indent))
          throw declined;
        if (!blank && first === at && /^(?:---|\.\.\.)/.test(text.slice(at, at + 3))) throw declined;
      }
    }
  }

  /** The last bracket of a collection over several lines may stand as deep as its key. */
  private closesOutermost(at: number, asDeep: boolean): boolean {
    const code = this.text.charCodeAt(at);
    return asDeep && this.flowLevel === 1 && (code === Char.closeMap || code === Char.closeList);
  }

  /** Behind the closing quote of the text that begins at `at`. Escapes and line ends are declined. */
  private quotedEnd(at: number): number {
    const { text } = this;
    const sign = text.charAt(at);
    let close = text.indexOf(sign, at + 1);
    // '' is a quote within single quotes.
    if (sign === "'")
      while (close >= 0 && text.charAt(close + 1) === "'") close = text.indexOf("'", close + 2);
    if (close < 0) throw declined;
    const stop = text.indexOf('\n', at);
    if (stop >= 0 && stop < close) throw declined;
    return close + 1;
  }

  private quoted(at: number, end: number): string {
    const inner = this.text.slice(at + 1, end - 1);
    if (this.text.charCodeAt(at) === Char.quote)
      return inner.includes("''") ? inner.replaceAll("''", "'") : inner;
    if (inner.includes('\\')) throw declined;
    return inner;
  }

  private scalar(value: ScalarNode['value'], span: Span): ScalarNode {
    this.count();
    return { type: 'scalar', value, span };
  }

  private span(start: number, end: number): Span {
    return { source: this.source, start, end };
  }

  private count(): void {
    if ((this.values += 1) > this.limits.values) throw declined;
  }
}

const words = new Map<string, null | boolean>([
  ['~', null], ['null', null], ['Null', null], ['NULL', null],
  ['true', true], ['True', true], ['TRUE', true],
  ['false', false], ['False', false], ['FALSE', false],
]); // prettier-ignore

/** The value of plain text in YAML 1.2's core schema. */
function resolve(plain: string): ScalarNode['value'] {
  const code = plain.charCodeAt(0);
  if (isDigit(code) || code === Char.minus || code === Char.plus || code === Char.dot) {
    if (/^[-+]?[0-9]{1,15}$/.test(plain)) return Number(plain) || 0;
    if (/^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+)$/.test(plain)) {
      const value = Number(plain);
      if (!Number.isFinite(value)) throw declined;
      return value || 0;
    }
    // Too long to be sure of, other bases, infinities: the library knows.
    if (/^[-+]?(?:[0-9]+$|0[xob]|\.(?:inf|nan))/i.test(plain)) throw declined;
    return plain;
  }
  if (plain.length > 5) return plain;
  const word = words.get(plain);
  return word === undefined ? plain : word;
}
