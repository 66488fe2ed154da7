/** A training in miniature: `points` steps of `work` loops each, and a metric told after every one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

export const stage = {
  kind: 'training',
  summary: 'tells metrics',
  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['points', 'work', 'names'],
    properties: { points: { type: 'integer' }, work: { type: 'integer' }, names: { type: 'integer' } },
  },
  inputs: {},
  outputs: { out: { type: 'files', description: 'the last loss' } },
  seeded: true,
  device: false,
  load: async () => ({ run }),
};

async function run(context) {
  const { points, work, names } = context.settings;
  let loss = 1;
  let calls = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  for (let step = 0; step < points; step++) {
    for (let i = 0; i < work; i++) loss = loss * 0.999999 + Math.sin(loss) * 1e-9;
    const before = performance.now();
    context.metric(`loss/${step % names}`, loss, Math.floor(step / names));
    calls += performance.now() - before;
    // As a training waits for its device: messages go out then.
    if (work > 0 || step % 100 === 99) await turn();
  }
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  context.metric('seconds', seconds);
  context.metric('cpu_seconds', (user + system) / 1e6);
  context.metric('call_seconds', calls / 1000 / points);
  writeFileSync(join(context.output('out'), 'loss'), String(loss));
}
