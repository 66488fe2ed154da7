/**
 * The located tree: YAML values of which each knows the text it came from. Loading works on this and turns into plain
 * values only what it hands on. Trees are shared (aliases, merges), so nothing here changes a node once made.
 */
import type { Json } from './experiment.js';
import type { Span } from './source.js';

export interface ScalarNode {
  type: 'scalar';
  value: null | boolean | number | string;
  span: Span;
}
export interface ListNode {
  type: 'list';
  items: readonly Node[];
  span: Span;
}
export interface MapNode {
  type: 'map';
  entries: ReadonlyMap<string, Entry>;
  span: Span;
}
export type Node = ScalarNode | ListNode | MapNode;
export interface Entry {
  key: Span;
  value: Node;
}
export type Path = readonly (string | number)[];

/** Names that reach into JavaScript's own objects; no key of a file may have them. */
export const prototypeNames: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export function isMap(node: Node | undefined): node is MapNode {
  return node?.type === 'map';
}

/** The entry under a key of a map; undefined for anything else. */
export function entryOf(node: Node | undefined, key: string): Entry | undefined {
  return node?.type === 'map' ? node.entries.get(key) : undefined;
}

/** The node at a path. */
export function nodeAt(root: Node, path: Path): Node | undefined {
  return path.reduce<Node | undefined>((node, step) => {
    if (node?.type === 'map') return node.entries.get(String(step))?.value;
    return node?.type === 'list' ? node.items[Number(step)] : undefined;
  }, root);
}

/** A path as a JSON pointer. */
export function pointerOf(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The plain value; `scalar` may replace a leaf. Depth is bounded by the parser. */
export function toPlain(node: Node, scalar: (leaf: ScalarNode) => Json = (leaf) => leaf.value): Json {
  if (node.type === 'scalar') return scalar(node);
  if (node.type === 'list') return node.items.map((item) => toPlain(item, scalar));
  // No key is one of prototypeNames, so that each becomes a property of its own.
  const plain: { [key: string]: Json } = {};
  for (const [key, { value }] of node.entries) plain[key] = toPlain(value, scalar);
  return plain;
}

/** Whether any leaf is such a one; stops at the first that is. */
export function someLeaf(node: Node, is: (leaf: ScalarNode) => boolean): boolean {
  if (node.type === 'scalar') return is(node);
  if (node.type === 'list') return node.items.some((item) => someLeaf(item, is));
  for (const { value } of node.entries.values()) if (someLeaf(value, is)) return true;
  return false;
}

/** How a value's type is called in messages. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'true or false';
  return 'a number';
}

/** A value as it is shown in a message: JSON, cut where it is long. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'nothing');
  const line = text.replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
