/**
 * YAML text -> located tree, in time bounded by its length: hostile files are refused, never expanded.
 * Works on the parser's token tree first, as its own composer recurses and so would overflow on deep nesting.
 */
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import type { CST } from 'yaml';
import { readPlainYaml } from './plain-yaml.js';
import type { Problems } from './problems.js';
import type { Source, Span } from './source.js';
import { type Entry, type Node, prototypeNames } from './tree.js';
import { sayYamlErrors } from './yaml-errors.js';

/** Loaded where it is needed: most files are plain. */
let loaded: typeof Yaml | undefined;
const library = (): typeof Yaml => (loaded ??= createRequire(import.meta.url)('yaml') as typeof Yaml);

export const limits = {
  /** Bytes of one file: ten thousand commands of four hundred letters. */
  bytes: 4_000_000,
  /** Letters of a text that only the library can read: hostile ones of more would take it a minute and all memory. */
  unusual: 1_000_000,
  /** Maps and lists within each other. */
  depth: 40,
  /** Values a file may stand for once its aliases are followed. */
  values: 500_000,
  /** Aliases (`*name`) in one file. */
  aliases: 1_000,
};

const coreTags = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'seq', 'map'].map((name) => `tag:yaml.org,2002:${name}`),
);

/** @returns undefined where the text could not be read at all; what is wrong with it is in `problems`. */
export function parseYaml(source: Source, problems: Problems, start = 0): Node | undefined {
  const read = readPlainYaml(source, start, limits);
  if ('node' in read) return read.node;
  if (source.text.length - start <= limits.unusual) return parseAnyYaml(source, problems, start);
  problems.add(
    { source, start: read.declined, end: read.declined + 1 },
    `this file has more than ${limits.unusual} letters, and such a file must be plain YAML, which it is not here`,
    'without anchors, tags, and text over several lines; or take it apart with extends',
  );
  return undefined;
}

/** By the library: everything YAML has, and every error. */
export function parseAnyYaml(source: Source, problems: Problems, start = 0): Node | undefined {
  const span = (from: number, to: number): Span => ({ source, start: start + from, end: start + to });
  const { Composer, Parser } = library();
  const text = source.text.slice(start);
  const tokens = [...new Parser().parse(text)];
  const documents = tokens.filter((token) => token.type === 'document');
  const second = documents[1];
  if (second) {
    problems.add(
      span(second.offset, second.offset + 3),
      'a second YAML document begins here: a file holds one experiment',
      'remove the --- line, or make it a file of its own',
    );
    return undefined;
  }
  const hostile = hostileToken(tokens);
  if (hostile) {
    problems.add(span(hostile.offset, hostile.offset + 1), hostile.message, hostile.hint);
    return undefined;
  }

  // keys are compared in convert(): the library compares each with each, which a file of 100,000 keys makes minutes of.
  const composer = new Composer({ uniqueKeys: false, merge: false, version: '1.2', logLevel: 'silent' });
  // Each error token would become an error with a stack trace of its own: the first few say enough.
  let errors = 0;
  const bounded = tokens.filter((token) => token.type !== 'error' || (errors += 1) <= 5);
  const [document] = [...composer.compose(bounded, true, text.length)];
  if (!document) return undefined;
  if (document.errors.length > 0) {
    sayYamlErrors(document.errors, tokens, source, start, problems);
    return undefined;
  }
  if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2') {
    problems.add(
      span(0, 5),
      `this file says it is YAML ${document.directives.yaml.version}; experiment files are YAML 1.2`,
      'remove the %YAML line',
    );
    return undefined;
  }
  return convert(document.contents, text, span, problems);
}

interface Hostile {
  offset: number;
  message: string;
  hint?: string;
}

/**
 * What the library's composer would take a stack or minutes for: nesting, and faults by the hundred thousand, each of
 * which would become an error with a stack trace. Walks with a list of its own instead of recursion.
 */
function hostileToken(tokens: readonly CST.Token[]): Hostile | undefined {
  const open: { token: CST.Token | null | undefined; depth: number }[] = tokens.map((token) => ({
    token,
    depth: 0,
  }));
  while (open.length > 0) {
    const { token, depth } = open.pop()!;
    if (!token) continue;
    if (depth > limits.depth)
      return {
        offset: token.offset,
        message: `maps and lists are nested more than ${limits.depth} deep here`,
        hint: 'no experiment needs that: flatten it',
      };
    if (token.type === 'document') {
      const twice = repeated(token.start);
      if (twice) return twice;
      open.push({ token: token.value, depth });
    } else if (token.type === 'block-map' || token.type === 'block-seq' || token.type === 'flow-collection') {
      for (const item of token.items) {
        const twice = repeated(item.start) ?? repeated(item.sep ?? []);
        if (twice) return twice;
        if ('key' in item) open.push({ token: item.key, depth: depth + 1 });
        open.push({ token: item.value, depth: depth + 1 });
      }
    }
  }
  return undefined;
}

/** Anchors, tags or commas that stand behind each other before a value. */
function repeated(before: readonly CST.SourceToken[]): Hostile | undefined {
  for (const type of ['anchor', 'tag', 'comma'] as const) {
    const second = before.filter((token) => token.type === type)[1];
    if (second) {
      const what =
        type === 'comma' ? 'there is nothing between these commas' : `a value has one ${type} at most`;
      return { offset: second.offset, message: `not valid YAML: ${what}` };
    }
  }
  return undefined;
}

function convert(
  contents: unknown,
  text: string,
  span: (from: number, to: number) => Span,
  problems: Problems,
): Node | undefined {
  const { isAlias, isMap, isPair, isScalar, isSeq } = library();
  /** undefined for what was refused: that is said, and its aliases need not be. */
  const anchors = new Map<string, { node: Node; size: number } | undefined>();
  let aliases = 0;
  let refused = false;
  const refuse = (range: Span, message: string, hint?: string): undefined => {
    problems.add(range, message, hint);
    refused = true;
    return undefined;
  };

  /** @returns the node and how many values it stands for. */
  const visit = (at: unknown): { node: Node; size: number } | undefined => {
    if (isAlias(at)) {
      const range = rangeOf(at.range);
      aliases += 1;
      // Said at the first one too many; the file is refused, so what the others stand for is nobody's business.
      if (aliases === limits.aliases + 1)
        return refuse(range, `more than ${limits.aliases} aliases`, 'write the values out, or use params');
      if (aliases > limits.aliases) return undefined;
      const target = anchors.get(at.source);
      if (!target && !anchors.has(at.source))
        return refuse(
          range,
          `there is no anchor '&${at.source}' above this alias`,
          `anchors: ${[...anchors.keys()].join(', ') || 'none'}`,
        );
      return target;
    }
    if (!isScalar(at) && !isMap(at) && !isSeq(at))
      return { node: { type: 'scalar', value: null, span: span(0, 1) }, size: 1 };
    const range = rangeOf(at.range);
    const refuseValue = (where: Span, message: string, hint: string): undefined => {
      if (at.anchor) anchors.set(at.anchor, undefined);
      return refuse(where, message, hint);
    };
    if (at.tag !== undefined && !coreTags.has(at.tag))
      return refuseValue(
        tagBefore(range),
        `the tag '${shortTag(at.tag)}' is not known`,
        'experiment files use plain YAML: text, numbers, true/false, lists and maps',
      );
    let made: { node: Node; size: number } | undefined;
    if (isScalar(at)) made = scalar(at.value, at.source, range);
    else if (isSeq(at)) {
      const items = at.items.map((item) => visit(isPair(item) ? undefined : item));
      made = {
        node: { type: 'list', span: range, items: items.flatMap((item) => (item ? [item.node] : [])) },
        size: 1 + sum(items),
      };
    } else made = map(at.items, range);
    if (made && made.size > limits.values)
      return refuseValue(
        range,
        `this stands for more than ${limits.values} values once its aliases are followed`,
        'write the values out, or use params',
      );
    if (at.anchor) anchors.set(at.anchor, made);
    return made;
  };

  const map = (
    pairs: readonly { key: unknown; value: unknown }[],
    range: Span,
  ): { node: Node; size: number } => {
    const entries = new Map<string, Entry>();
    let size = 1;
    for (const pair of pairs) {
      const key = pair.key;
      if (!isScalar(key)) {
        refuse(
          isAlias(key) || isMap(key) || isSeq(key) ? rangeOf(key.range) : range,
          'a key must be plain text',
          'quote it if it has special characters',
        );
        continue;
      }
      const keyRange = rangeOf(key.range);
      const name = typeof key.value === 'string' ? key.value : (key.source ?? '');
      const value = visit(pair.value ?? null);
      if (name === '<<')
        refuse(
          keyRange,
          "merge keys ('<<') are not supported",
          "use 'extends' for files and 'params' for values",
        );
      else if (prototypeNames.has(name)) refuse(keyRange, `'${name}' cannot be a key`, 'choose another name');
      else if (entries.has(name))
        refuse(
          keyRange,
          `'${name}' is given twice`,
          `the first one is on line ${placeLine(entries.get(name)!.key)}; remove one of them`,
        );
      else if (value) {
        const empty =
          pair.value === null ||
          (value.node.type === 'scalar' && value.node.span.start === value.node.span.end);
        // Nothing is written there, so the key is what can be pointed at.
        const node =
          empty && value.node.type === 'scalar' && !isAlias(pair.value)
            ? { ...value.node, span: keyRange }
            : value.node;
        entries.set(name, { key: keyRange, value: node });
        size += value.size;
      }
    }
    return { node: { type: 'map', entries, span: range }, size };
  };

  const scalar = (
    value: unknown,
    written: string | undefined,
    range: Span,
  ): { node: Node; size: number } | undefined => {
    if (typeof value === 'number') {
      if (!Number.isFinite(value))
        return refuse(
          range,
          `${written ?? value} is not a number that can be computed with`,
          'use a finite number, or quote it if it is text',
        );
      if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?\d+$/.test(written ?? ''))
        return refuse(range, `${written} is too large to be kept exactly`, 'quote it if it is text');
    }
    if (
      value !== null &&
      typeof value !== 'number' &&
      typeof value !== 'string' &&
      typeof value !== 'boolean'
    )
      return refuse(range, 'this value is of no kind that an experiment file has', 'quote it if it is text');
    return { node: { type: 'scalar', value: Object.is(value, -0) ? 0 : value, span: range }, size: 1 };
  };

  /** A tag stands before the value that it belongs to. */
  const tagBefore = (value: Span): Span => {
    const before = value.source.text.slice(0, value.start).trimEnd();
    const begin = before.search(/\S+$/);
    return begin < 0 ? value : { ...value, start: begin, end: before.length };
  };
  const rangeOf = (range: readonly [number, number, number] | null | undefined): Span =>
    span(range?.[0] ?? 0, range?.[1] ?? text.length);
  const placeLine = (at: Span): number => at.source.position(at.start).line;
  const result = visit(contents);
  return refused ? undefined : result?.node;
}

function sum(items: readonly ({ size: number } | undefined)[]): number {
  return items.reduce((total, item) => total + (item?.size ?? 0), 0);
}

function shortTag(tag: string): string {
  return tag.replace(/^tag:yaml\.org,2002:/, '!!');
}
