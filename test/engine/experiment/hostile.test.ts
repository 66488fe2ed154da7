/** Files made to hang or crash a reader: refused, or loaded, in bounded time. */
import { expect, test } from 'vitest';
import { Lab } from './lab.js';

const faces = 'stages:\n  faces: { uses: faces }\n';
const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

/** The file, and how the first line of the screen begins behind its place; '' where the file is valid. */
const hostile: { what: string; yaml: string; says: string }[] = [
  {
    what: 'lists in lists',
    yaml: '['.repeat(100_000),
    says: 'maps and lists are nested more than 40 deep here',
  },
  {
    what: 'maps in maps',
    yaml: '{a: '.repeat(100_000),
    says: 'maps and lists are nested more than 40 deep here',
  },
  {
    what: 'block lists on one line',
    yaml: '- '.repeat(100_000),
    says: 'maps and lists are nested more than 40 deep here',
  },
  {
    what: 'keys of keys',
    yaml: '? '.repeat(100_000),
    says: 'maps and lists are nested more than 40 deep here',
  },
  {
    what: 'ever deeper lines',
    yaml: lines(1300, (i) => `${' '.repeat(i)}k:`),
    says: 'maps and lists are nested more than 40 deep here',
  },
  {
    what: 'a hundred thousand anchors of one value',
    yaml: '&a '.repeat(100_000),
    says: 'not valid YAML: a value has one anchor at most',
  },
  {
    what: 'a hundred thousand tags of one value',
    yaml: '!a '.repeat(100_000),
    says: 'not valid YAML: a value has one tag at most',
  },
  {
    what: 'commas only',
    yaml: `[${','.repeat(300_000)}`,
    says: 'not valid YAML: there is nothing between these commas',
  },
  { what: 'closing brackets only', yaml: ']'.repeat(300_000), says: 'not valid YAML' },
  { what: 'documents only', yaml: '---\n'.repeat(60_000), says: 'a second YAML document begins here' },
  { what: 'one long comment', yaml: `#${'#'.repeat(300_000)}\n${faces}`, says: '' },
  {
    what: 'twenty-five thousand unknown keys',
    yaml: faces + lines(25_000, (i) => `k${i}: 1`),
    says: "'k0' is not a key of an experiment",
  },
  {
    what: 'twelve thousand stages with typos',
    yaml: `stages:\n${lines(12_000, (i) => `  stage${i}: {usees: x}`)}`,
    says: "'usees' is not a key of a stage. Did you mean 'uses'?",
  },
  {
    what: 'four thousand inputs that name no stage',
    yaml: `stages:\n${lines(4_000, (i) => `  stage${i}: {uses: merge, inputs: {parts: stege${i + 77_777}}}`)}`,
    says: "there is no stage 'stege77777'",
  },
  {
    what: 'an alias bomb',
    yaml: `params:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${lines(12, (i) => `  a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`)}\n${faces}`,
    says: 'this stands for more than 500000 values once its aliases are followed',
  },
  {
    what: 'more aliases than anyone needs',
    yaml: `params:\n  a: &a 1\n  b: [${Array(1001).fill('*a').join(', ')}]\n${faces}`,
    says: 'more than 1000 aliases',
  },
  {
    what: 'an alias within its own anchor',
    yaml: `params: &a { x: *a }\n${faces}`,
    says: "there is no anchor '&a' above this alias",
  },
  {
    what: 'text that doubles from param to param',
    yaml: `params:\n  p0: xxxxxxxxxxxxxxxxxxxx\n${lines(60, (i) => `  p${i + 1}: "\${{ params.p${i} }}\${{ params.p${i} }}"`)}\n${faces}`,
    says: 'an expression makes at most 100000 letters',
  },
  {
    what: 'maps that double from param to param',
    yaml: `params:\n  p0: { a: 1, b: 2 }\n${lines(60, (i) => `  p${i + 1}: { a: "\${{ params.p${i} }}", b: "\${{ params.p${i} }}" }`)}\n${faces}`,
    says: 'an expression makes at most 100000 values',
  },
  {
    what: 'text that grows tenfold from call to call',
    yaml: `params: { a: "\${{ ${"format('{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}', ".repeat(50)}'xx'${')'.repeat(50)} }}" }\n${faces}`,
    says: 'an expression makes at most 100000 letters',
  },
  {
    what: 'a hundred thousand parentheses',
    yaml: `params: { a: "\${{ ${'('.repeat(100_000)} }}" }\n${faces}`,
    says: 'an expression has at most 1000 words and signs',
  },
  {
    what: 'parentheses as deep as words allow',
    yaml: `params: { a: "\${{ ${'('.repeat(400)}1${')'.repeat(400)} }}" }\n${faces}`,
    says: 'an expression nests at most 60 deep',
  },
  {
    what: 'a hundred thousand signs before a number',
    yaml: `params: { a: "\${{ ${'-'.repeat(900)}1 }}" }\n${faces}`,
    says: 'an expression nests at most 60 deep',
  },
  {
    what: 'a long sum',
    yaml: `params: { a: "\${{ 1${'+1'.repeat(100_000)} }}" }\n${faces}`,
    says: 'an expression has at most 1000 words and signs',
  },
  {
    what: 'thirty thousand expressions in one text',
    yaml: `params: { a: "${'${{ 1 }}'.repeat(30_000)}" }\n${faces}`,
    says: '',
  },
  {
    what: 'five thousand params in a row',
    yaml: `params:\n${lines(5000, (i) => `  p${5000 - i}: "\${{ params.p${4999 - i} }}"`)}\n  p0: 1\n${faces}`,
    says: 'more than 200 params refer to each other in a row',
  },
  {
    what: 'JSON nested beyond reason',
    yaml: `params: { a: "\${{ fromJSON('${'['.repeat(50_000)}') }}" }\n${faces}`,
    says: 'fromJSON takes lists and maps at most 40 deep',
  },
  {
    what: 'JSON with a key that reaches into prototypes',
    yaml: `params: { a: '\${{ fromJSON(''{"__proto__": {"x": 1}}'') }}' }\n${faces}`,
    says: "this is not JSON: '__proto__' cannot be a key",
  },
  {
    what: 'a name of an object method where a param is asked for',
    yaml: `params: { a: "\${{ params.toString }}", b: "\${{ params['constructor'] }}" }\n${faces}`,
    says: "params has no 'toString'",
  },
  {
    what: 'a matrix of astronomical size',
    yaml: `stages:\n  a: { uses: faces, matrix: { ${lines(30, (i) => `x${i}: [1,2,3,4,5,6,7,8,9]`).replaceAll('\n', ', ')} } }`,
    says: 'this matrix has 4.2391158275216195e+28 points; a stage has at most 10000',
  },
  {
    what: 'many large matrices',
    yaml: `stages:\n${lines(50, (i) => `  a${i}: { uses: faces, matrix: { x: {from: 1, to: 9000, step: 1} } }`)}`,
    says: 'this experiment has more than 50000 instances of stages',
  },
  {
    what: 'a thousand includes over nine thousand points',
    yaml: `stages:\n  a: { uses: faces, matrix: { x: {from: 1, to: 9000, step: 1}, include: [${lines(1000, (i) => `{x: ${i + 1}, y: ${i}}`).replaceAll('\n', ', ')}] } }`,
    says: '',
  },
];

/** Of processor time, so that a busy machine fails nothing: a second is what the worst takes. */
const limit = 8_000;

test.each(hostile)('$what: bounded', async ({ yaml, says }) => {
  using lab = new Lab();
  lab.write('x.yaml', yaml);
  const before = process.cpuUsage();
  const screen = await lab.screen();
  const { user } = process.cpuUsage(before);
  const first = screen.split('\n')[0]!.replace(/^x\.yaml:\d+:\d+ {2}/, '');
  if (says === '') expect(first).toBe('');
  else expect(first.slice(0, says.length)).toBe(says);
  expect(user / 1000).toBeLessThan(limit);
});

test('a file above four megabytes is not read', async () => {
  using lab = new Lab();
  lab.write('x.yaml', `a: ${'x'.repeat(4_000_000)}`);
  expect(await lab.screen()).toBe(
    'x.yaml:1:1  the file has 4000003 bytes; an experiment file has at most 4000000',
  );
});

test('ten thousand plain stages in one file of two megabytes are an ordinary file', async () => {
  using lab = new Lab();
  lab.write('x.yaml', `stages:\n${lines(10_000, (i) => `  s${i}: { uses: faces } # ${'x'.repeat(180)}`)}\n`);
  const loaded = await lab.load();
  expect(loaded.ok && loaded.experiment.stages.length).toBe(10_000);
});

test.each([
  ['brackets', '['.repeat(3_900_000), 1],
  ['quotes', `a: ${'"'.repeat(3_900_000)}`, 1],
  ['values', `a: [${'1, '.repeat(1_300_000)}]`, 1],
  ['typos', `${faces}${lines(300_000, (i) => `k${i}: @`)}`, 3],
  ['an anchor, far down', `${faces}${'# comment\n'.repeat(120_000)}params: { a: &a 1 }\n`, 120_003],
])('above one megabyte only plain YAML is read: %s', async (_, yaml, line) => {
  using lab = new Lab();
  lab.write('x.yaml', yaml);
  const before = process.cpuUsage();
  const loaded = await lab.load();
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(limit);
  if (loaded.ok) throw new Error('it is not plain');
  const [{ place, message }] = loaded.diagnostics;
  expect(message).toBe(
    'this file has more than 1000000 letters, and such a file must be plain YAML, which it is not here',
  );
  expect(place.line).toBe(line);
});

test('a file that is no text is refused', async () => {
  using lab = new Lab();
  lab.write('x.yaml', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe]));
  expect(await lab.screen()).toBe('x.yaml:1:1  the file is not UTF-8 text\n  save it as UTF-8');
});

test('a folder, and a file that is not there, are refused', async () => {
  using lab = new Lab();
  lab.write('x.yaml', faces);
  expect(await lab.screen({}, '.')).toBe('<folder>:1:1  the file is a folder\n  that folder has x.yaml');
  expect(await lab.screen({}, 'other.yml')).toBe(
    'other.yml:1:1  the file does not exist\n  that folder has x.yaml',
  );
  expect(await lab.screen({}, 'none/y.yml')).toBe(
    'none/y.yml:1:1  the file does not exist\n  its folder does not exist either',
  );
});

test('of very many problems the first two hundred are told, and how many more there are', async () => {
  using lab = new Lab();
  lab.write('x.yaml', faces + lines(1000, (i) => `k${i}: 1`));
  const loaded = await lab.load();
  if (loaded.ok) throw new Error('it is not valid');
  expect(loaded.diagnostics).toHaveLength(201);
  expect(loaded.diagnostics.at(-1)?.message).toBe('... and 800 more problems');
});

test('of aliases beyond the limit the first is told, and the others are not', async () => {
  using lab = new Lab();
  lab.write('x.yaml', `params: { a: &a 1, all: [${'*a, '.repeat(3000)}*a] }\n${faces}`);
  const loaded = await lab.load();
  if (loaded.ok) throw new Error('it is not valid');
  expect(loaded.diagnostics.map(({ message }) => message)).toEqual(['more than 1000 aliases']);
});
