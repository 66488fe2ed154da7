/** The quick reader of plain YAML gives the library's tree, place by place, or declines. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { limits, parseAnyYaml } from '../../../engine/experiment/parse.js';
import { readPlainYaml } from '../../../engine/experiment/plain-yaml.js';
import { Problems } from '../../../engine/experiment/problems.js';
import { Source } from '../../../engine/experiment/source.js';
import type { Node } from '../../../engine/experiment/tree.js';

/** What a node says and where, in a form to compare. A block's end is that of its last word: the library counts line ends to it. */
function form(node: Node, text: string): unknown {
  const { start, end } = node.span;
  if (node.type === 'scalar') return [start, end, node.value];
  const flow = '[{'.includes(text[start]!);
  const place = flow ? [start, end] : [start, lastWord(text.slice(start, end))];
  if (node.type === 'list') return [place, node.items.map((item) => form(item, text))];
  return [
    place,
    [...node.entries].map(([key, entry]) => [key, entry.key.start, entry.key.end, form(entry.value, text)]),
  ];
}

const lastWord = (text: string) => text.replace(/(?:\s|(?<=^|\s)#.*$)+$/gm, '').trimEnd().length;

/** @returns whether it was read, having compared it */
function compared(text: string): boolean {
  const source = new Source('x.yaml', text, '/');
  const read = readPlainYaml(source, 0, limits);
  if (!('node' in read)) return false;
  const problems = new Problems();
  const library = parseAnyYaml(source, problems);
  expect(problems.list(), text).toEqual([]);
  expect(form(read.node, text), text).toEqual(form(library!, text));
  return true;
}

test.each([
  'a: 1',
  'a: 1\n',
  "a:\n  b: x\n  c: [1, two, 0.5, -1, true, null, ~, .5, 1e3, \"q\", 'it''s']\nd: { e: f, g: { h: [] } }\n",
  'a:\n- 1\n- b: 2\n  c: 3\n- - x\n  - y\nd: e # comment\n\n# more\nf:\n',
  "# first\n\nname: x\nstages:\n  a: { uses: b, with: { run: 'echo ${{ outputs.o }}/x', n: 0.10 } }\n",
  'a: {\n  b: 1, # why\n  c: [\n    2,\n    3,\n  ],\n}\n',
  'a: -0\nb: 007\nc: 1.\nd: 123456789012345\ne: x#y\nf: http://x/y:z\ng: 12:30\nh: 1_000\n',
  '"a b": 1\n\'c\': 2\n-x: 3\n1: 4\nnull: 5\n',
  '- a\n- b\n',
  '- [1\n]\n',
  '{a: 1}\n',
  'ключ: значение\n',
])('%j is read as the library reads it', (text) => {
  expect(compared(text)).toBe(true);
});

test.each([
  '', '# nothing\n', 'a', 'a: b: c', 'a: |\n  x\n', 'a: &x 1\nb: *x\n', 'a: !!str 1', 'a: b\n  c\n', '? a\n: b\n', 'a: 1\na: 2\n',
  '<<: 1\n', '__proto__: 1\n', 'a: "\\n"\n', 'a: "x\n  y"\n', 'a:\tb\n', 'a: 1\r\n', '---\na: 1\n', 'a: 1\n...\n', '%YAML 1.1\n---\na: 1\n',
  'a: 0x10', 'a: .inf', 'a: 12345678901234567890', 'a: [1, , 2]', 'a: [b: c]', 'a: {b}', 'a: {b: }', 'a: [[1\n], 2]\n', 'a: @b', 'a: - b',
  ' a: 1\nb: 2', 'a:\n  b: 1\n c: 2', 'a: [1, 2', 'a: "x" y', 'a: {b: 1}c', 'a: x # y\n  z\n', 'a:\n  - b\n  c: d\n', '\ufeffa: 1',
])('%j is left to the library', (text) => {
  expect(compared(text)).toBe(false);
}); // prettier-ignore

test('the experiments of the repository are read alike, or left', () => {
  const folder = new URL('../../../experiments/', import.meta.url);
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml')))
    compared(readFileSync(new URL(name, folder), 'utf8'));
});

/** Counter-based, so that a failure is the same again. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

const words = [
  'a', 'bb', 'x-y', 'm=0', '1', '-1', '0.5', '-.5', '1e3', '+7', 'true', 'False', 'null', '~', 'no', '0x1F', '0o7', '1_0', '.', '..', '-',
  "'q q'", "'it''s'", '"d"', '"a: b"', '${{ params.x }}', "'${{ a }}'", 'a b', 'a#b', 'a:b', 'path:../x', 'a,b', '2024-01-01', '*', '&', '!', '|',
  '>', '@', '%', '?', ':', '[', '{', ']', '}', ',', '"', "'", '#', '\\', '', ' ', '...', '---', 'é', '<<',
]; // prettier-ignore

function flow(roll: (sides: number) => number, depth: number): string {
  const kind = roll(depth > 2 ? 1 : 4);
  const space = () => (roll(9) === 0 ? [' ', '', '\n    ', ' # c\n      ', '\n'][roll(5)]! : ' ');
  if (kind === 2)
    return `[${space()}${Array.from({ length: roll(4) }, () => flow(roll, depth + 1)).join(`,${space()}`)}${space()}]`;
  if (kind === 3)
    return `{${space()}${Array.from({ length: roll(4) }, () => `k${roll(9)}:${space() || ' '}${flow(roll, depth + 1)}`).join(`,${space()}`)}${space()}}`;
  return words[roll(roll(3) === 0 ? words.length : 14)]!;
}

function block(roll: (sides: number) => number, indent: number, depth: number): string {
  const pad = ' '.repeat(indent);
  const list = roll(4) === 0;
  let text = '';
  for (let i = roll(4) + 1; i > 0; i--) {
    if (roll(8) === 0) text += ['\n', `${pad}# comment\n`, '# left\n', '   \n'][roll(4)]!;
    const head = list ? `${pad}- ` : `${pad}${roll(12) === 0 ? words[roll(words.length)]! : `k${i}`}:`;
    const tail = ['', '', '', ' # c', ' '][roll(5)]!;
    const below = depth < 4 && roll(3) === 0;
    if (below && list) text += head + block(roll, indent + 2, depth + 1).trimStart();
    else if (below)
      text += `${head}${tail}\n${block(roll, indent + (roll(9) === 0 ? 0 : 1 + roll(3)), depth + 1)}`;
    else text += `${head}${list ? '' : ' '}${flow(roll, 0)}${tail}\n`;
  }
  return text;
}

test('of twenty thousand random texts, each is read as the library reads it, or left to it', () => {
  const roll = dice(7);
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    let text = block(roll, 0, 0);
    // A slip of the hand in every other one.
    if (roll(2) === 0) {
      const at = roll(text.length);
      text =
        text.slice(0, at) +
        [' ', '', '\n', ':', '-', '#', ',', '}', '"'][roll(9)]! +
        text.slice(at + roll(2));
    }
    if (compared(text)) read += 1;
  }
  // Neither always nor never: then it would prove nothing.
  expect(read).toBeGreaterThan(4_000);
  expect(read).toBeLessThan(18_000);
});
