/** Metrics that a stage tells, on their way into the journal. */
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Lab } from './lab.js';

/** 600 values without a pause, a third of a second, one more, and then the end. */
function writeTeller(lab: Lab, end: string): void {
  writeFileSync(
    lab.path('teller.js'),
    `import { writeFileSync } from 'node:fs';
    export const stage = {
      kind: 'teller', summary: 'tells metrics', schema: { type: 'object' }, inputs: {},
      outputs: { out: { type: 'files', description: 'nothing much' } }, seeded: false, device: false,
      load: async () => ({ async run(context) {
        for (let step = 0; step < 600; step++) context.metric('loss', step, step);
        const begun = Date.now();
        while (Date.now() - begun < 300);
        context.metric('late', 1);
        context.warn('this comes after it');
        context.metric('last', 2);
        writeFileSync(context.output('out') + '/file', '');
        ${end}
      } }),
    };`,
  );
  lab.write('  tell: { uses: ./teller.js }\n');
}

test.each([
  ['ends well', '', { tell: 'ok' }],
  ['fails', 'throw new Error("no more");', { tell: 'failed' }],
  ['ends its process itself', 'process.exit(3);', { tell: 'failed' }],
])(
  'a stage that %s: all that it told is in the journal, in order, with the time it was told',
  async (_, end, status) => {
    await using lab = Lab.create();
    writeTeller(lab, end);
    const run = await lab.run();
    expect(run.status).toEqual(status);
    expect(run.stages[0]!.metrics).toEqual({ loss: 599, late: 1, last: 2 });
    const { events } = await lab.journal();
    const told = events.flatMap((event) =>
      event.type === 'metric' ? [event.name] : event.type === 'warning' ? [event.text] : [],
    );
    expect(told).toEqual([...Array<string>(600).fill('loss'), 'late', 'this comes after it', 'last']);
    const metrics = events.flatMap((event) => (event.type === 'metric' ? [event] : []));
    expect(metrics.slice(0, 600).map(({ step, value }) => [step, value])).toEqual(
      Array.from({ length: 600 }, (_, step) => [step, step]),
    );
    const at = (name: string) => Date.parse(metrics.findLast((metric) => metric.name === name)!.at);
    expect(at('late') - at('loss')).toBeGreaterThanOrEqual(300);
  },
);
