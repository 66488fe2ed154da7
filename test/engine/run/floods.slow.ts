/** A gigabyte of output and a hundred thousand files: the sizes at which memory and disk would tell. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { logFile } from '../../../engine/journal/run-folder.js';
import type { RunSummary } from '../../../engine/run/summary.js';
import { Lab } from './lab.js';

const MiB = 1024 ** 2;

/** Runs x.yaml. @returns its answer, and the most memory that the engine itself held, bytes; 0 where there is no /proc */
async function run(lab: Lab): Promise<{ summary: RunSummary; peak: number }> {
  const engine = lab.start('run', 'x.yaml', '--json');
  let peak = 0;
  const look = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${engine.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // It has ended, or there is no /proc.
    }
  }, 100);
  const { stdout } = await engine;
  clearInterval(look);
  return { summary: JSON.parse(stdout) as RunSummary, peak };
}

test('a gigabyte of output: memory below 300 MiB, a log below 17 MiB with its first and last lines', async () => {
  await using lab = Lab.create();
  lab.write(`
  it:
    uses: command
    with:
      run: |
        echo the first line
        yes 'epoch 12 step 3400 loss 0.1234 images/s 345' | head -c 1000000000 || true
        echo
        echo the last line
        echo 1 > \${{ outputs.out }}/it
      outputs: { out: files }
`);
  const { summary, peak } = await run(lab);
  expect(summary.ok).toBe(true);
  expect(peak).toBeLessThan(300 * MiB);
  const log = readFileSync(logFile(lab.path('runs', summary.run), 'it'), 'utf8');
  expect(log.length).toBeLessThan(17 * MiB);
  expect(log).toContain('\nthe first line\n');
  expect(log).toContain('\nthe last line\n');
  expect(log).toMatch(/^--- 9\d\d\.\d MiB of output left out here$/m);
});

test('a hundred thousand files are one result, read-only, and cached the second time', async () => {
  await using lab = Lab.create();
  lab.write(`
  it:
    uses: command
    with:
      run: |
        cd \${{ outputs.out }}
        seq 100000 | xargs touch
        echo 1 > 1
      outputs: { out: files }
`);
  const { summary } = await run(lab);
  const folder = summary.stages[0]!.outputs['out']!.path;
  expect(readdirSync(folder).length).toBe(100_000);
  expect(statSync(folder).mode & 0o222).toBe(0);
  expect((await run(lab)).summary.stages[0]!.status).toBe('cached');
});
