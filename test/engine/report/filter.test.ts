/** The filter language of `list` and `compare`: what holds, what is neither true nor false, and mistakes with their place. */
import { describe, expect, test } from 'vitest';
import { FilterError, openFilter, type Subject } from '../../../engine/report/filter.js';

const failed: Subject = {
  run: 'a',
  status: 'failed',
  seconds: 70,
  params: { identities: 400, sizes: { small: 3 } },
  stage: 'score@m=0.5',
  kind: 'evaluate',
  matrix: { m: 0.5 },
  metrics: { 'avg/accuracy': 0.95, loss: 2 },
};
const running: Subject = {
  run: 'b',
  status: 'running',
  params: { identities: 80 },
  stage: 'fr',
  kind: 'fr-train',
  matrix: {},
  metrics: { loss: 1 },
};
const holding = (text: string) => {
  const filter = openFilter(text, [failed, running]);
  return [failed, running].filter((subject) => filter.holds(subject)).map(({ run }) => run);
};

test.each([
  ['metrics["avg/accuracy"] > 0.9 and status == "failed"', ['a']],
  ["metrics['avg/accuracy'] > 0.9 && status == 'failed'", ['a']],
  ['metrics.loss >= 1', ['a', 'b']],
  ['metrics.loss + 1 == 2', ['b']],
  ['status == "ok"', []],
  ['not status == "failed"', ['b']],
  ['not (status == "failed") and kind == "fr-train"', ['b']],
  ['not status == "failed" and kind == "evaluate"', []],
  ['kind == "evaluate" or kind == "fr-train" and status == "ok"', ['a']],
  ['params.identities > 100', ['a']],
  ['params.sizes.small == 3', ['a']],
  ['matrix.m > 0 and stage == "score@m=0.5"', ['a']],
  ["startsWith(kind, 'fr-') or contains(stage, 'score')", ['a', 'b']],
])('%s holds for %j', (text, runs) => {
  expect(holding(text)).toEqual(runs);
});

describe('what is not there makes a comparison neither true nor false', () => {
  test.each([
    ['metrics["avg/accuracy"] > 0.9', ['a']],
    // Not "every run without that metric".
    ['not metrics["avg/accuracy"] > 0.9', []],
    ['metrics["avg/accuracy"] > 0.9 or status == "running"', ['a', 'b']],
    ['status == "running" or metrics["avg/accuracy"] > 0.9', ['a', 'b']],
    ['metrics["avg/accuracy"] > 0.99 and status == "running"', []],
    ['seconds < 100', ['a']],
    ['not seconds > 100', ['a']],
    ['matrix.m < 1', ['a']],
  ])('%s', (text, runs) => {
    expect(holding(text)).toEqual(runs);
  });
});

const mistake = (text: string) => {
  try {
    holding(text);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return [...error.message.split('\n'), error.remedy];
  }
  throw new Error('it was taken');
};

test.each([
  [
    'metrcs.loss > 1',
    "there is no 'metrcs' to filter by. Did you mean 'metrics'?",
    '~~~~~~',
    /^known: run, name, status/,
  ],
  [
    'status == "ok" and metrics["avg/acuracy"] > 1',
    'no stage here has metrics["avg/acuracy"]. Did you mean \'avg/accuracy\'?',
    '                           ~~~~~~~~~~~~~',
    /^metrics here: avg\/accuracy, loss$/,
  ],
  [
    'params.identites > 1',
    'no run here has params["identites"]. Did you mean \'identities\'?',
    '       ~~~~~~~~~',
    /./,
  ],
  // Told at once, although nothing before it holds.
  ['status == "ok" and nonsense', "there is no 'nonsense' to filter by", '                   ~~~~~~~~', /./],
  ['gtr > 0', "there is no 'gtr' to filter by", '~~~', /./],
  ['status = "ok"', "'=' has no meaning in an expression", '       ~', /^compare with '=='$/],
  ['status > 3', "'>' takes numbers, not text ('failed')", '~~~~~~', undefined],
  ['name == "x', 'this text is never closed', '        ~', /double quote/],
  ['status ==', 'a value is expected here, but the expression ends', '         ~', undefined],
  ['status "ok"', /an operator or the end of the expression is expected here/, '       ~~~~', undefined],
  ['  ', 'the filter is empty', '~', /^write for instance/],
])('%s is a mistake', (text, message, mark, remedy) => {
  const [first, shown, marked, hint] = mistake(text);
  expect(first).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  expect(shown).toBe(`  ${text}`);
  expect(marked).toBe(`  ${mark}`);
  expect(hint).toEqual(remedy === undefined ? undefined : expect.stringMatching(remedy));
});

test('a filter knows whether it is about stages', () => {
  const about = (text: string) => openFilter(text, [failed]).aboutStages;
  expect(about('status == "ok" and seconds > 1')).toBe(false);
  expect(about('status == "ok" and metrics.loss > 1')).toBe(true);
});

test('a long filter ends with an error, not with an overflow', () => {
  expect(mistake(`${'not '.repeat(400)}status`)[0]).toMatch(/nests at most/);
  expect(mistake(`1 ${'+ 1 '.repeat(5000)}`)[0]).toMatch(/at most 1000 words/);
});
