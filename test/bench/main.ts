/**
 * `npm run bench [-- NAME... | --list] [--json] [--sizes 100,1000] [--threads 1,2]`: times what cemiflow is made of, beside something
 * that does the same work, in about five minutes where nothing else runs. A name stands for every benchmark that begins with it; those that take
 * long run only where one does.
 */
import { parseArgs } from 'node:util';
import type { Benchmark } from './benchmark.js';
import { cache } from './cache.js';
import { compute } from './compute.js';
import { enginePeers, enginePlan, engineRun, engineStart } from './engine.js';
import { dataWait } from './data-wait.js';
import { memory } from './memory.js';
import { render } from './render.js';
import { trackingDelivery, trackingDeliveryOne } from './tracking/delivery.js';
import { trackingDown } from './tracking/down.js';
import { trackingOverhead } from './tracking/overhead.js';
import { figuresOf, machineLine, tableOf, thisMachine } from './tables.js';

const benchmarks: readonly Benchmark[] = [
  render,
  ...compute,
  engineStart,
  enginePlan,
  engineRun,
  enginePeers,
  cache,
  dataWait,
  memory,
  trackingOverhead,
  trackingDelivery,
  trackingDeliveryOne,
  trackingDown,
];

interface Words {
  names: string[];
  list: boolean;
  json: boolean;
  sizes: number[];
  threads: number[];
}

function readWords(): Words | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        sizes: { type: 'string', default: '100,1000' },
        threads: { type: 'string', default: '1,2' },
      },
    });
    const unknown = positionals.filter((word) => !benchmarks.some(({ name }) => name.startsWith(word)));
    if (unknown.length > 0) return `no benchmark's name begins with '${unknown.join("' or '")}'`;
    const sizes = values.sizes.split(',').map(Number);
    if (!sizes.every((size) => Number.isInteger(size) && size >= 10 && size <= 10_000))
      return `--sizes takes numbers of stages from 10 to 10000, as in 100,1000, not '${values.sizes}'`;
    const threads = values.threads.split(',').map(Number);
    if (!threads.every((count) => Number.isInteger(count) && count >= 1))
      return `--threads takes numbers of threads, as in 1,2, not '${values.threads}'`;
    return { names: positionals, list: values.list, json: values.json, sizes, threads };
  } catch (error) {
    return (error as Error).message;
  }
}

function namesAndTitles(): string[] {
  return benchmarks.map(({ name, title }) => `${name.padEnd(30)}${title}`);
}

async function main(): Promise<number> {
  const words = readWords();
  if (typeof words === 'string') {
    console.error(`${words}. These there are:\n${namesAndTitles().join('\n')}`);
    return 2;
  }
  const { names, list, json, sizes, threads } = words;
  if (list) {
    console.log(
      json
        ? JSON.stringify(
            benchmarks.map(({ name, title }) => ({ name, title })),
            null,
            2,
          )
        : namesAndTitles().join('\n'),
    );
    return 0;
  }
  const machine = thisMachine();
  if (!json) console.log(machineLine(machine));
  const chosen = benchmarks.filter(
    ({ name, onlyNamed }) =>
      (names.length === 0 && !onlyNamed) || names.some((word) => name.startsWith(word)),
  );
  const results = [];
  let failed = false;
  for (const benchmark of chosen) {
    const { name, title } = benchmark;
    if (process.stderr.isTTY) process.stderr.write(`${name} ...\r`);
    try {
      const measured = await benchmark.run({ sizes, threads });
      results.push({
        name,
        title,
        notes: measured.notes,
        ...(measured.table ? { table: measured.table } : {}),
        rows: measured.rows.map((row) => ({ what: row.what, ...figuresOf(row) })),
      });
      if (!json) console.log(`\n${tableOf(benchmark, measured).join('\n')}`);
    } catch (error) {
      // The others can still be measured.
      failed = true;
      results.push({ name, title, error: (error as Error).message });
      console.error(`\n${name} failed: ${(error as Error).message}`);
    }
  }
  if (json) console.log(JSON.stringify({ machine, benchmarks: results }, null, 2));
  return failed ? 1 : 0;
}

process.exitCode = await main();
