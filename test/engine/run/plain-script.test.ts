/** What a fork of a shell may run in place of a shell of its own. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { isPlain } from '../../../engine/run/plain-script.js';

test.each([
  'cat a b | cksum > out/x',
  'python3 train.py --data /cache/ab12 --lr=0.1 2>&1 | tee /out/log',
  "grep 'a $b' <in >>out 2>err",
  'python3 a.py \\\n  --x 1\n\npython3 b.py && echo "done, well" || false; true\n',
  './run.sh 2> /out/x;ls',
])('%j is plain', (script) => {
  expect(isPlain(script)).toBe(true);
  expect(spawnSync('bash', ['-n', '-c', script]).status).toBe(0);
});

test.each([
  'echo $$ > pid',
  'echo `id`',
  'echo "$HOME"',
  'sleep 1000 &',
  'a &>b',
  'echo a & echo b',
  'cd /x\nls',
  '"exec" ls',
  "'ex'ec ls",
  'wait',
  'kill 1',
  'if true; then echo; fi',
  'X=1',
  'PATH=/x prog',
  'ls *.py',
  'ls [ab]',
  '~/x',
  'echo a\\ b',
  'echo {1..3}',
  '(ls)',
  'ls # all',
  '! ls',
  'cat <<E\nx\nE',
  'cat <<<x',
  'exec 3>x',
  '%1',
  'ls >&3',
  'ls <&0',
  'a || || b',
  'a ; ; b',
  'a |& b',
  'a |',
  '| a',
  '> x',
  'echo "a',
  "echo 'a",
  'echo "a!b"',
  '',
  '# nothing',
])('%j is not', (script) => {
  expect(isPlain(script)).toBe(false);
});

test('every builtin and reserved word of this bash is known, or does nothing to its shell', () => {
  const { stdout } = spawnSync('bash', ['-c', 'compgen -b; compgen -k'], { encoding: 'utf8' });
  const harmless = ['[', 'echo', 'false', 'printf', 'test', 'true'];
  const words = stdout.split('\n').filter((word) => word !== '' && !harmless.includes(word));
  expect(words.length).toBeGreaterThan(60);
  expect(words.filter((word) => isPlain(`${word} x`))).toEqual([]);
});

test('a long script is looked at in a moment', () => {
  expect(isPlain(`cat ${'a'.repeat(50)} `.repeat(20_000))).toBe(true);
  expect(isPlain(`${'\\\n '.repeat(100_000)}$`)).toBe(false);
});
