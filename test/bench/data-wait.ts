/** How long the device waits for what is read or drawn while it computes: real runs with the quickstart's networks and one at 112 px, on each number of threads. */
import type { JsonObject } from '../../engine/experiment/experiment.js';
import type { Benchmark } from './benchmark.js';
import { quickstart, settingsOf } from './networks.js';
import { runOnce } from './run-once.js';
import { makeScratch, removeScratch } from './scratch.js';

/** More than any experiment asks for. */
const everyAugmentation = {
  flip: 1, crop: [0.5, 1], erasing: 1, erasingArea: [0.02, 0.4], brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.2,
}; // prettier-ignore

export const dataWait: Benchmark = {
  name: 'data-wait',
  title: "the share of a stage's time in which the device waits for data, quickstart's networks, 32 px",
  async run({ threads }) {
    const [oracle, cemiface] = (await settingsOf(quickstart, 'oracle', 'cemiface')) as [
      JsonObject,
      JsonObject,
    ];
    const faces = { size: 32, identities: 400, perIdentity: 16, inquiry: { identities: 40 } };
    const generate = { m: 0.5, perIdentity: 8, steps: 8, inquiryFilter: 1 };
    const stages: Record<string, object> = {
      faces: { uses: 'faces-render', with: { ...faces, verification: { identities: 120, pairs: 2000 } } },
      large: { uses: 'faces-render', with: { size: 112, identities: 20, perIdentity: 4 } },
    };
    for (const cpus of threads) {
      const resources = { cpus };
      const model = `fr-train-${cpus}`;
      const generator = `diffusion-train-${cpus}`;
      const train = (dataset: string, settings: object) => ({
        uses: 'fr-train',
        inputs: { dataset },
        with: { ...settings, onCollapse: 'warn' },
        resources,
      });
      const sample = (eta: number) => ({
        uses: 'generate',
        inputs: { generator, inquiry: 'faces.inquiry', model },
        with: { ...generate, eta },
        resources,
      });
      Object.assign(stages, {
        [model]: train('faces', { ...oracle, steps: 150 }),
        [`fr-train-augmented-${cpus}`]: train('faces', {
          ...oracle,
          steps: 150,
          augmentation: everyAugmentation,
        }),
        [`fr-train-112-px-${cpus}`]: train('large', {
          backbone: 'small',
          batch: 64,
          steps: 20,
          augmentation: everyAugmentation,
        }),
        [generator]: {
          uses: 'diffusion-train',
          inputs: { dataset: 'faces', model },
          with: { ...cemiface, init: 'none', steps: 40, onCollapse: 'warn' },
          resources,
        },
        [`center-compute-${cpus}`]: {
          uses: 'center-compute',
          inputs: { dataset: 'faces', model },
          with: { from: 'mean' },
          resources,
        },
        [`evaluate-${cpus}`]: {
          uses: 'evaluate',
          inputs: { model, verification: 'faces.verification' },
          with: { onCollapse: 'warn' },
          resources,
        },
        [`generate-${cpus}`]: sample(0),
        [`generate-eta-1-${cpus}`]: sample(1),
      });
    }
    // JSON is YAML, too.
    const measured = run(JSON.stringify({ name: 'data-wait', stages }));
    const rows = measured
      .filter(({ metrics }) => 'data_wait' in metrics)
      .map(({ name, metrics }) => [
        name.replace(/-\d+$/, ''),
        name.split('-').at(-1)!,
        `${(100 * metrics['data_wait']!).toFixed(1)} %`,
        metrics['images_per_second']?.toFixed(0) ?? '',
      ]);
    return {
      rows: [],
      table: { head: ['', 'threads', 'waits', 'images/s'], rows },
      notes: ['augmented, and at 112 px: with every augmentation, at large values.'],
    };
  },
};

function run(experiment: string) {
  const folder = makeScratch();
  try {
    return runOnce(folder, experiment).stages;
  } finally {
    removeScratch(folder);
  }
}
