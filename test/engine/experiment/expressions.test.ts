/** The language of `${{ }}`: values worked out by hand, and errors with their place in the text. */
import { describe, expect, test } from 'vitest';
import { branchOf } from '../../../engine/experiment/expressions/evaluate.js';
import { ExpressionError } from '../../../engine/experiment/expressions/lexer.js';
import { fill, parseTemplate } from '../../../engine/experiment/expressions/template.js';
import { renderCommand, renderSettings } from '../../../engine/experiment/render-command.js';
import type { Json } from '../../../stages/contract.js';
import { Lab, stages } from './lab.js';

const params = branchOf('params', {
  identities: 200,
  'learning-rate': 0.1,
  name: 'cemiface',
  list: [1, 2, 3],
  map: { a: 1, b: { c: 'deep' } },
  off: false,
  none: null,
});

const evaluate = (text: string): Json => fill(parseTemplate(text), { params }, () => '');

describe('values', () => {
  test.each<[string, Json]>([
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['10 - 4 - 3', 3],
    ['2 * 3 % 4', 2],
    ['-2 * -3', 6],
    ['-params.identities / 8', -25],
    ['0.1 + 0.2', 0.3],
    ['0.3 - 0.1', 0.2],
    ['1.1 * 3', 3.3],
    ['1 / 3', 1 / 3],
    ['9007199254740990 + 1', 9007199254740991],
    ['1e3 + .5 + 0x10', 1016.5],
    ['1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3', true],
    ['1 == 1 && 1 != 2', true],
    ["1 == '1'", false],
    ["'A' == 'a'", false],
    ["'a' < 'b'", true],
    ['params.map == params.map', true],
    ['params.list == fromJSON(toJSON(params.list))', true],
    ['1 + 1 == 2 || 1 / 0 == 0', true],
    ['!params.off && !params.none && !0', true],
    ["params.none || 'default'", 'default'],
    ["params.off && 'yes' || 'no'", 'no'],
    ['params.learning-rate * 2', 0.2],
    ["params['learning-rate']", 0.1],
    ['params.identities-1', 199],
    ['params.identities - 1', 199],
    ['params.list[0] + params.list[-1]', 4],
    ['params.map.b.c', 'deep'],
    ["params.map['b']['c']", 'deep'],
    ['params.map.b', { c: 'deep' }],
    ['params.list', [1, 2, 3]],
    ['null', null],
    ["'it''s }} here'", "it's }} here"],
    ["format('{0} of {1}, {{0}} {0}', params.name, 7)", 'cemiface of 7, {0} cemiface'],
    ["join(params.list, ' ')", '1 2 3'],
    ['join(params.list)', '1,2,3'],
    ["join(params.map.b.*, '+')", 'deep'],
    ["contains(params.name, 'face') && contains(params.list, 2)", true],
    ["contains(params.list, '2')", false],
    ["startsWith(params.name, 'cemi') && endsWith(params.name, 'face')", true],
    ['toJSON(params.map)', '{"a":1,"b":{"c":"deep"}}'],
    ['fromJSON(\'{"a": [1, true, null]}\').a[1]', true],
    ['min(3, 1, 2) + max(params.list)', 4],
    ['round(2.5) + round(-2.5)', 0],
    ['round(1.005, 2)', 1.01],
    ['round(1234.5678, 1)', 1234.6],
    ['length(params.list) + length(params.name) + length(params.map)', 13],
  ])('%s', (expression, value) => {
    expect(evaluate(`\${{ ${expression} }}`)).toEqual(value);
  });

  test('an expression that is the whole text keeps its type; within text it is text', () => {
    expect(evaluate('${{ params.identities }}')).toBe(200);
    expect(evaluate('n=${{ params.identities }}, ${{ params.off }}${{ params.none }}!')).toBe(
      'n=200, false!',
    );
    expect(evaluate('no expression, { }, $ {{ }}')).toBe('no expression, { }, $ {{ }}');
  });
});

describe('errors name the place within the text', () => {
  test.each<[string, string, number, number]>([
    ['a ${{ 1 + }} b', 'a value is expected here, but the expression ends', 10, 12],
    ['${{ }}', 'this expression is empty', 0, 6],
    ['${{ 1 2 }}', "an operator or the end of the expression is expected here, but there is '2'", 6, 7],
    ['${{ (1 }}', "')' is expected here, but the expression ends", 7, 9],
    ['${{ max(1, }}', 'a value is expected here, but the expression ends', 11, 13],
    ['${{ params. }}', "a name or '*' is expected here, but the expression ends", 12, 14],
    ['${{ params.list[ }}', 'a value is expected here, but the expression ends', 17, 19],
    ["${{ 'abc }}", 'this text is never closed', 4, 5],
    ['${{ "abc" }}', 'text in an expression takes single quotes', 4, 5],
    ['${{ 1 = 2 }}', "'=' has no meaning in an expression", 6, 7],
    ['${{ 3x }}', "'3x' is not a number", 4, 6],
    ['ok ${{ 1', "this '${{' is never closed", 3, 6],
    ["${{ 'a' * 2 }}", "'*' takes numbers, not text ('a')", 4, 7],
    ['${{ 1 < params.name }}', "'<' takes numbers, not text ('cemiface')", 8, 19],
    ['${{ -params.name }}', "'-' takes a number, not text ('cemiface')", 5, 16],
    ['${{ 1 / (2 - 2) }}', 'division by zero', 8, 15],
    ['${{ 1e300 * 1e300 }}', 'the result is too large to be a number', 4, 17],
    ['${{ params.nam }}', "params has no 'nam'", 11, 14],
    ['${{ params.map.z }}', "this map has no 'z'", 15, 16],
    ['${{ params.name.x }}', "text has no 'x'", 16, 17],
    ['${{ params.none.x }}', "nothing has no 'x'", 16, 17],
    ['${{ params.list[3] }}', 'there is no item 3 in a list of 3', 16, 17],
    ["${{ params.list['a'] }}", "a list is indexed by a whole number, not 'a'", 16, 19],
    ['${{ nope }}', "'nope' is not known here", 4, 8],
    ['${{ matrix.m }}', "'matrix' is not known here", 4, 10],
    ['${{ env }}', "'env' is not known here", 4, 7],
    ['${{ eval(1) }}', "there is no function 'eval'", 4, 8],
    ['${{ toJSON() }}', 'toJSON takes 1 argument, not 0', 4, 12],
    ['${{ contains(1) }}', 'contains takes 2 arguments, not 1', 4, 15],
    ['${{ startsWith(params.name, 1) }}', 'text is expected here, not a number (1)', 28, 29],
    ['${{ min(1, params.name) }}', "a number is expected here, not text ('cemiface')", 11, 22],
    ["${{ fromJSON('{') }}", "this is not JSON: Expected property name or '}' in JSON at position 1", 13, 16],
    ["${{ format('{1}', 1) }}", 'format has no value for {1}: it was given 1', 11, 16],
    ["${{ format('{', 1) }}", "format found a single '{'", 11, 14],
    ['${{ round(1, 99) }}', 'round takes 0 to 15 decimals', 13, 15],
    ['x ${{ params.list }}', 'a list cannot stand within text', 6, 17],
  ])('%s', (text, message, start, end) => {
    let error: unknown;
    try {
      evaluate(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ExpressionError);
    const { message: said, start: from, end: to } = error as ExpressionError;
    expect(said.slice(0, message.length)).toBe(message);
    expect([from, to]).toEqual([start, end]);
  });
});

describe('in a file', () => {
  test('params refer to params, to env where it is listed, and keep their types', async () => {
    using lab = new Lab();
    lab.write(
      'x.yaml',
      `
env: [DATA, ABSENT]
params:
  total: "\${{ params.identities * params.sizes.per }}"
  identities: 20
  sizes: { per: "\${{ params.half * 2 }}", of: "\${{ params.sizes.per }}" }
  half: 5
  data: "\${{ env.DATA }}/faces"
  absent: "\${{ env.ABSENT || 'none' }}"
  copy: "\${{ params.sizes }}"
${stages()}`,
    );
    expect((await lab.valid({ env: { DATA: '/data', SECRET: 'x' } })).params).toEqual({
      total: 200,
      identities: 20,
      sizes: { per: 10, of: 10 },
      half: 5,
      data: '/data/faces',
      absent: 'none',
      copy: { per: 10, of: 10 },
    });
  });

  test('they stand for whole settings, matrices, seeds, and text in the report', async () => {
    using lab = new Lab();
    lab.write(
      'x.yaml',
      `
params: { small: { size: 32, glasses: true }, ms: [0, 0.5], seeds: [1, 2], range: { from: 0, to: 1, step: 0.5 }, n: 3 }
stages:
  a: { uses: faces, with: "\${{ params.small }}" }
  b: { uses: faces, matrix: { m: "\${{ params.ms }}" } }
  c: { uses: faces, seeds: "\${{ params.seeds }}", timeout: "\${{ params.n * 60 }}" }
  d: { uses: faces, matrix: { m: "\${{ params.range }}" }, resources: { cpus: "\${{ params.n }}" } }
report: { title: "\${{ params.n }} people" }
`,
    );
    const { stages: all, report } = await lab.valid();
    expect(all.map((stage) => stage.name)).toEqual([
      ...['a', 'b@m=0', 'b@m=0.5', 'c@seed=1', 'c@seed=2', 'd@m=0', 'd@m=0.5', 'd@m=1'],
    ]);
    expect(all[0]!.settings).toEqual({ size: 32, glasses: true, identities: 10 });
    expect(all[3]!.timeout).toBe(180);
    expect(all[5]!.resources.cpus).toBe(3);
    expect(report.title).toBe('3 people');
  });

  test('an error in a double-quoted text with escapes, and in a block, is placed at the word', async () => {
    using lab = new Lab();
    lab.write(
      'x.yaml',
      `${stages()}\nreport:\n  notes:\n    - "tab \\t ok \${{ 1 }} and \${{ params.x }}"\n    - |\n      a line\n      and \${{ parms }}\n`,
    );
    expect(await lab.screen()).toBe(
      `x.yaml:5:42  params has no 'x'
  5 |     - "tab \\t ok \${{ 1 }} and \${{ params.x }}"
    |                                          ~  declare it under params:

x.yaml:8:15  'parms' is not known here. Did you mean 'params'?
  8 |       and \${{ parms }}
    |               ~~~~~  known here: params, env; text takes single quotes`,
    );
  });
});

describe('commands', () => {
  test('what names inputs and outputs is left for the attempt, all else is computed', async () => {
    using lab = new Lab();
    lab.write(
      'x.yaml',
      `
params: { epochs: 3, note: "costs $\{{ '$\{{' }} 5" }
${stages(
  `c:
    uses: command
    matrix: { m: [0.5] }
    inputs: { data: faces, more: [faces.inquiry, faces], a-1: faces }
    with:
      run: "train --m \${{ matrix.m }} --data \${{ inputs.data }} \${{ join(inputs.*, ' ') }} --epochs \${{ params.epochs }} --out \${{ outputs.model }} \${{ params.epochs > 2 && inputs.data || 'none' }} \${{ params.note }}"
      outputs: { model: model }
      env: { WHERE: "\${{ outputs['model'] }}", N: "n\${{ params.epochs }}", ODD: "\${{ inputs['a-1'] }}" }`,
)}`,
    );
    const { stages: all } = await lab.valid();
    const { settings } = all[1]!;
    // As people write it, whichever way it was: one key for both.
    expect(settings['env']).toEqual({
      WHERE: '${{ outputs.model }}',
      N: 'n3',
      ODD: "${{ inputs['a-1'] }}",
    });
    const rendered = renderSettings(settings, {
      inputs: { data: '/in/1', more: ['/in/2', '/in/3'], 'a-1': '/in/4' },
      outputs: { model: '/out/m' },
    });
    expect(rendered).toEqual({
      run: 'train --m 0.5 --data /in/1 /in/1 /in/2 /in/3 /in/4 --epochs 3 --out /out/m /in/1 costs ${{ 5',
      outputs: { model: 'model' },
      env: { WHERE: '/out/m', N: 'n3', ODD: '/in/4' },
    });
  });

  test('the key of a command does not depend on where its folders are, only on values', async () => {
    using lab = new Lab();
    const file = (epochs: number) =>
      `params: { epochs: ${epochs} }\n${stages('c: { uses: command, inputs: { data: faces }, with: { run: "t ${{ inputs.data }} ${{ params.epochs }}" } }')}`;
    lab.write('x.yaml', file(3));
    const first = (await lab.valid()).stages[1]!.settings;
    expect(first['run']).toBe('t ${{ inputs.data }} 3');
  });

  test('renderCommand fills in folders and leaves other text as it is', () => {
    const folders = { inputs: { data: '/a b', many: ['/1', '/2'] }, outputs: { model: '/m' } };
    expect(renderCommand('echo $HOME ${HOME} {{ x }}', folders)).toBe('echo $HOME ${HOME} {{ x }}');
    expect(
      renderCommand("${{ inputs.data }} ${{ inputs.many[1] }} ${{ join(inputs.*, ':') }}", folders),
    ).toBe('/a b /2 /a b:/1:/2');
    expect(renderCommand("${{ format('--out={0}', outputs.model) }}", folders)).toBe('--out=/m');
  });
});
