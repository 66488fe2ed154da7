/** What every verb knows: the same before it and after it, for all of them. */
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { makeProgram } from '../../../engine/cli/program.js';
import { Lab } from '../run/lab.js';

const leavesOf = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
const wordsOf = (command: Command): string[] =>
  command.parent ? [...wordsOf(command.parent), command.name()] : [];
const verbs = leavesOf(makeProgram()).map((command) => wordsOf(command).join(' '));

/** What a verb would be told, without doing it. */
async function told(verb: string, before: string[], after: string[]): Promise<Record<string, unknown>> {
  const program = makeProgram();
  const command = leavesOf(program).find((one) => wordsOf(one).join(' ') === verb)!;
  let options: Record<string, unknown> | undefined;
  command.action(() => void (options = command.optsWithGlobals()));
  const needed = command.options.filter(({ mandatory }) => mandatory).flatMap(({ long }) => [long!, 'x']);
  const words = command.registeredArguments
    .filter(({ required }) => required)
    .map(({ argChoices }) => argChoices?.[0] ?? 'x');
  await program.parseAsync([
    'node',
    'cemiflow',
    ...before,
    ...verb.split(' '),
    ...words,
    ...needed,
    ...after,
  ]);
  return options!;
}

const flags: [string[], Record<string, unknown>][] = [
  [['-q'], { quiet: true }],
  [['--verbose'], { verbose: true }],
  [['--no-color'], { color: false }],
  [['--runs-dir', 'there'], { runsDir: 'there' }],
  [['-C', '.'], { directory: '.' }],
];

test('there are all verbs, those of cache too', () => {
  expect(verbs).toEqual(
    expect.arrayContaining(['run', 'list', 'gc', 'cache ls', 'cache export', 'completion']),
  );
});

test.each(verbs)('%s takes them before and after', async (verb) => {
  expect(await told(verb, [], [])).toMatchObject({ color: true });
  for (const [words, options] of flags) {
    expect(await told(verb, words, []), `${words.join(' ')} before ${verb}`).toMatchObject(options);
    expect(await told(verb, [], words), `${words.join(' ')} after ${verb}`).toMatchObject(options);
  }
  expect(await told(verb, ['--runs-dir', 'here'], ['--runs-dir', 'there'])).toMatchObject({
    runsDir: 'there',
  });
});

test.each([
  ['before', ['--no-color'], []],
  ['after', [], ['--no-color']],
])('colours that are forced go with --no-color %s the verb', async (_, before, after) => {
  await using lab = Lab.create();
  lab.write('  top: { uses: ./fake.js, with: { value: 1 } }\n');
  await lab.run();
  delete lab.environment['NO_COLOR'];
  lab.environment['FORCE_COLOR'] = '1';
  const escape = String.fromCharCode(27);
  expect((await lab.cemiflow('list')).stdout).toContain(escape);
  expect((await lab.cemiflow(...before, 'list', ...after)).stdout).not.toContain(escape);
});
