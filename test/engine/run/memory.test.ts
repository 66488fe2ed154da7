/** What stages take is measured with all that they start, and what does not fit is said in words. */
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { RunSummary } from '../../../engine/run/summary.js';
import { tooLarge } from '../../../engine/run/memory-need.js';
import { Lab } from './lab.js';

const gib = 2 ** 30;
const machine = { availableBytes: 4 * gib, limitBytes: 8 * gib, by: 'a control group' } as const;

test.each([
  { bytes: 4 * gib, batch: 64, said: undefined },
  {
    bytes: 5 * gib,
    batch: 64,
    said: 'Lower its with.batch (now 64), or end what else takes memory.',
  },
  { bytes: 9 * gib, batch: 64, said: 'Lower its with.batch (now 64), or run it where there is more.' },
  { bytes: 9 * gib, batch: 1, said: 'Give it less to do at a time, or run it where there is more.' },
])('$bytes bytes with a batch of $batch: $said', ({ bytes, batch, said }) => {
  const found = tooLarge({ settings: { batch } }, bytes, machine);
  expect(found?.remedy).toBe(said);
  if (found) expect(found.text).toContain("4.00 GiB of a control group's 8.00 GiB are available");
});

/** 150 MiB in a child of the program, for half a second. */
const child =
  'setTimeout(String, 500, Buffer.alloc(150 * 2 ** 20, 1)); require(`fs`).writeFileSync(process.argv[1] + `/a`, `a`)';

test('the memory of a command is that of all its processes, in the result, in show and in the report', async () => {
  await using lab = Lab.create();
  const run = `node -e 'require("child_process").execFileSync("node", ["-e", process.argv[2], process.argv[1]])' \${{ outputs.out }} '${child}'`;
  lab.write(`
  heavy: ${JSON.stringify({ uses: 'command', with: { run, outputs: { out: 'files' } } })}
`);
  const { stages } = await lab.run();
  expect(stages[0]!.peakRssBytes).toBeGreaterThan(180 * 2 ** 20);
  expect((await lab.cemiflow('show')).stdout).toMatch(/heavy .*\d{3} MiB/);
});

test('a training that will not fit is told of before it starts: by plan, on the screen of run, and in its JSON', async () => {
  await using lab = Lab.create();
  // The set has four people: the training ends before it takes any memory.
  lab.write(`
  faces: { uses: faces-render, with: { identities: 4, perIdentity: 2, size: 112 } }
  fr: { uses: fr-train, inputs: { dataset: faces }, with: { batch: 90000, steps: 1, subset: { identities: 5, perIdentity: 1 } } }
`);
  const said = /about \S+ TiB of memory expected, and .+ are available\. Lower its with\.batch \(now 90000\)/;
  const plan = await lab.cemiflow('plan', 'x.yaml', '--json');
  const { forecast } = JSON.parse(plan.stdout) as { forecast: { tooLarge: { name: string }[] } };
  expect(forecast.tooLarge.map(({ name }) => name)).toEqual(['fr']);

  const { stdout, stderr } = await lab.cemiflow('run', 'x.yaml', '--json');
  const { stages } = JSON.parse(stdout) as RunSummary;
  const fr = stages.find(({ name }) => name === 'fr')!;
  expect(fr.error).toContain('5 people, and the data set has 4');
  expect(fr.warnings).toEqual([expect.stringMatching(said)]);
  expect(stderr).toMatch(said);
  const { order } = await lab.journal();
  expect(order.slice(order.indexOf('warning fr'))).toEqual([
    'warning fr',
    'stage-started fr',
    'stage-ended fr',
  ]);
});

/** A control group that allows so many bytes of memory; undefined where none can be made, and the test must be skipped. */
function limitedGroup(bytes: number): string | undefined {
  const versions = [
    { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
    { root: '/sys/fs/cgroup', limit: 'memory.max' },
  ];
  for (const { root, limit } of versions) {
    const group = `${root}/cemiflow-test-${process.pid}`;
    try {
      mkdirSync(group);
      onTestFinished(() => rmdirSync(group));
      writeFileSync(`${group}/${limit}`, String(bytes));
      return group;
    } catch {
      // Not ours to make, or of the other version.
    }
  }
  console.warn('SKIPPED: no control group can be made here');
  return undefined;
}

test('what the kernel ends for want of memory says so, how much it held and what to lower', async () => {
  const group = limitedGroup(150 * 2 ** 20);
  if (group === undefined) return;
  await using lab = Lab.create();
  const run = `echo $$ > ${group}/cgroup.procs\nexec node -e 'const held = []; setInterval(() => held.push(Buffer.alloc(2 ** 22, 1)), 5)'`;
  lab.write(`
  heavy: ${JSON.stringify({ uses: 'command', with: { run } })}
`);
  const { exitCode, stderr } = await lab.cemiflow('run', 'x.yaml');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /heavy failed: the kernel ended its process for want of memory \(SIGKILL\), having been seen with \S+ MiB\n {2}Lower its batch, or run fewer stages at a time/,
  );
});
