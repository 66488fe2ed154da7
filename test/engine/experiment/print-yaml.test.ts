/** What is printed is read back the same, by the library and by YAML 1.1's rules for words. */
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Json } from '../../../engine/experiment/experiment.js';
import { printYaml } from '../../../engine/experiment/print-yaml.js';

test('maps, lists, several lines and quotes, as a person would write them', () => {
  const value = {
    name: 'a b',
    stages: {
      faces: {
        uses: 'command',
        with: { run: 'set -e\necho hi > ${{ outputs.o }}/x\n', k: [1, -0.5, true, null] },
      },
    },
    empty: {},
    none: [],
    rows: [{ a: 1 }, []],
    text: '0.5',
  };
  expect(printYaml(value)).toBe(`name: a b
stages:
  faces:
    uses: command
    with:
      run: |
        set -e
        echo hi > \${{ outputs.o }}/x
      k:
        - 1
        - -0.5
        - true
        - null
empty: {}
none: []
rows:
  -
    a: 1
  - []
text: "0.5"
`);
});

const texts = [
  '', ' ', 'a', 'null', 'Yes', 'off', '~', '1', '-1', '1e3', '.5', '0x1f', '2024-01-01', 'a: b', 'a #b', '- a', '@a', '*a', '&a', '!a', '%a', '`a`',
  "it's", '"q"', 'back\\slash', 'tab\tbed', 'x\n', 'x\ny', 'x\n\ny\n', '\nx', ' x\ny', 'x\n ', 'x\n\n', 'x\ny \n', 'x\n#y', '# x\ny', '{a}', '[a]',
  'ключ', 'ключ\nзначение', '\u0007', '\u2028', '\ud83d\ude00\n x', 'a,b', 'a:', ':a', '?', '-', '---', '...', '<<', '=', 'x\r\ny', 'CON', 'path:../x',
]; // prettier-ignore

test.each(texts)('%j is read back, as a value, an item and a key', (text) => {
  for (const value of [
    text,
    [text, [text]],
    { [text]: text, inner: { [text]: [text], last: text } },
  ] as Json[]) {
    expect(parse(printYaml(value))).toEqual(value);
    expect(parse(printYaml(value), { version: '1.1', merge: false })).toEqual(value);
  }
});
