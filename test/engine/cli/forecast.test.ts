/** What `plan` expects a run to take, and what a run says the cache saved. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import type { Forecast } from '../../../engine/cli/forecast.js';
import { Lab } from '../run/lab.js';

/** Writes its output, and takes a good second. */
const program =
  "node -e 'require(`fs`).writeFileSync(process.argv[1] + `/a`, `a`); setTimeout(String, 1200)' ${{ outputs.out }}";

test('a plan without earlier runs says so; with them it says time, disk and memory, by itself and as JSON', async () => {
  await using lab = Lab.create();
  lab.write(`
  first: ${JSON.stringify({ uses: 'command', with: { run: program, outputs: { out: 'files' } } })}
  second: { uses: ./fake.js, after: [first], with: { value: 1 } }
`);
  const before = await lab.cemiflow('plan', 'x.yaml');
  expect(before.stderr).toMatch(/\nexpected: unknown; no earlier run of this program, fake$/);

  await lab.run();
  const forced = await lab.cemiflow('plan', 'x.yaml', '-f', 'first', '-f', 'second', '-j', '1');
  expect(forced.stderr).toMatch(
    /\nexpected: about \d.*s on \d+ CPUs?, -j 1; .+ of disk, up to .+ of memory\n {2}2 as they ran before \(-v: which\)$/,
  );
  const { stdout } = await lab.cemiflow('plan', 'x.yaml', '-f', 'first', '-f', 'second', '--json');
  const answer = JSON.parse(stdout) as { forecast: Forecast };
  const schema = readFileSync(new URL('../../../schemas/plan.schema.json', import.meta.url), 'utf8');
  const valid = new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(schema) as object);
  expect(valid(answer), JSON.stringify(valid.errors)).toBe(true);
  const { forecast } = answer;
  expect(forecast.stages.map(({ name, nearness }) => `${name} ${nearness}`)).toEqual([
    'first same',
    'second same',
  ]);
  expect(forecast.seconds).toBeGreaterThan(1.2);
  expect(forecast.seconds).toBeCloseTo(forecast.stageSeconds, 6);
  expect(forecast.unknown).toEqual([]);

  // Nothing to run: nothing expected, and what the cached ones took once.
  const idle = JSON.parse((await lab.cemiflow('plan', 'x.yaml', '--json')).stdout) as { forecast: Forecast };
  expect(idle.forecast).toMatchObject({ seconds: 0, diskBytes: 0, stages: [], unknown: [] });
  expect(idle.forecast.cachedSeconds).toBeCloseTo(forecast.stageSeconds, 6);
  expect((await lab.cemiflow('plan', 'x.yaml')).stderr).not.toContain('expected');

  const again = await lab.cemiflow('run', 'x.yaml');
  expect(again.stderr).toMatch(/\nok: 2 cached, in .+\nthe cache saved about \d.*s$/);
  expect((await lab.cemiflow('run', 'x.yaml', '-q')).stderr).not.toContain('saved');
});

test('a training that cannot fit is told before it starts, with what to change, though nothing like it ever ran', async () => {
  await using lab = Lab.create();
  lab.write(`
  faces: { uses: faces-render, with: { identities: 4, perIdentity: 2, size: 112 } }
  fr: { uses: fr-train, inputs: { dataset: faces }, with: { batch: 90000, steps: 1 } }
`);
  const { stderr } = await lab.cemiflow('plan', 'x.yaml');
  expect(stderr).toMatch(
    /\n! fr does not fit: about \S+ TiB of memory expected, and .+ of (the machine|a control group)'s .+ are available\. Lower its with\.batch \(now 90000\), or run it where there is more\.\n?$/,
  );
  const { stdout } = await lab.cemiflow('plan', 'x.yaml', '--json');
  const { forecast } = JSON.parse(stdout) as { forecast: Forecast };
  const schema = readFileSync(new URL('../../../schemas/plan.schema.json', import.meta.url), 'utf8');
  const valid = new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(schema) as object);
  expect(valid({ stages: [], forecast }), JSON.stringify(valid.errors)).toBe(true);
  expect(forecast.tooLarge.map(({ name }) => name)).toEqual(['fr']);
});
