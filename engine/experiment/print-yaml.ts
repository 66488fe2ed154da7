/**
 * Plain values -> YAML text for people: block style, literal blocks for text of several lines, quotes only where they are needed.
 * The library's own printer takes longer for a file of ten thousand stages than all planning.
 */
import type { Json } from './experiment.js';

/** @returns lines, the last one ended; any YAML reader reads the same value back */
export function printYaml(value: Json): string {
  const lines: string[] = [];
  if (isEmpty(value)) lines.push(scalar(value, ''));
  else print(value, '', lines);
  return `${lines.join('\n')}\n`;
}

function print(value: Json, indent: string, lines: string[]): void {
  if (Array.isArray(value)) for (const item of value) member('-', item, indent, lines);
  else
    for (const [key, item] of Object.entries(value as object))
      member(`${text(key)}:`, item as Json, indent, lines);
}

function member(head: string, value: Json, indent: string, lines: string[]): void {
  if (isEmpty(value)) {
    lines.push(`${indent}${head} ${scalar(value, indent)}`);
    return;
  }
  lines.push(`${indent}${head}`);
  print(value, `${indent}  `, lines);
}

/** Whether it is written on the line of its key: scalars, and collections of nothing. */
function isEmpty(value: Json): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0;
}

function scalar(value: Json, indent: string): string {
  if (typeof value === 'string') return block(value, indent) ?? text(value);
  return Array.isArray(value) ? '[]' : typeof value === 'object' && value !== null ? '{}' : String(value);
}

/** What no reader takes for anything but text: words that are no value of YAML, numbers neither. */
const plain =
  /^(?!(?:null|true|false|yes|no|on|off|y|n)$)[A-Za-z_/][A-Za-z0-9_/.@+=-]*(?: [A-Za-z0-9_/.@+=-]+)*$/i;

function text(value: string): string {
  // JSON's strings are YAML's in double quotes.
  return plain.test(value) ? value : JSON.stringify(value);
}

/** Text of several lines as a literal block, where it has nothing in it that a block would lose. */
function block(value: string, indent: string): string | undefined {
  if (!value.includes('\n') || !/^[^\s#]/.test(value) || /[^\n\x20-\x7e\xa0-\ud7ff]|\n\n$/.test(value))
    return undefined;
  const ended = value.endsWith('\n');
  const body = (ended ? value.slice(0, -1) : value).replace(/^(?=.)/gm, `${indent}  `);
  return `${ended ? '|' : '|-'}\n${body}`;
}
