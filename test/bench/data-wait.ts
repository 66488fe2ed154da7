/** How long the device waits for batches while the quickstart's networks are trained: real runs, on each number of threads. */
import type { RunSummary } from '../../engine/run/summary.js';
import type { Benchmark } from './benchmark.js';
import { quickstart, settingsOf } from './networks.js';
import { runOnce } from './run-once.js';
import { makeScratch, removeScratch } from './scratch.js';

export const dataWait: Benchmark = {
  name: 'data-wait',
  title: "the share of a training's time in which the device waits for batches, quickstart's networks, 32 px",
  async run({ threads }) {
    const [oracle, cemiface] = await settingsOf(quickstart, 'oracle', 'cemiface');
    const rows: string[][] = [];
    for (const cpus of threads) {
      const { stages } = run({
        name: 'data-wait',
        stages: {
          faces: { uses: 'faces-render', with: { size: 32, identities: 400, perIdentity: 4 } },
          oracle: {
            uses: 'fr-train',
            inputs: { dataset: 'faces' },
            with: { ...oracle, steps: 300, onCollapse: 'warn' },
            resources: { cpus },
          },
          cemiface: {
            uses: 'diffusion-train',
            inputs: { dataset: 'faces', model: 'oracle' },
            with: { ...cemiface, init: 'none', steps: 60, onCollapse: 'warn' },
            resources: { cpus },
          },
        },
      });
      for (const { kind, metrics } of stages.filter(({ metrics }) => 'data_wait' in metrics))
        rows.push([
          kind,
          String(cpus),
          `${(100 * metrics['data_wait']!).toFixed(1)} %`,
          metrics['images_per_second']!.toFixed(0),
        ]);
    }
    return {
      rows: [],
      table: { head: ['', 'threads', 'waits', 'images/s'], rows },
      notes: [],
    };
  },
};

/** @param experiment JSON is YAML too */
function run(experiment: object): RunSummary {
  const folder = makeScratch();
  try {
    return runOnce(folder, JSON.stringify(experiment));
  } finally {
    removeScratch(folder);
  }
}
