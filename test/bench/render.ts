/** How fast faces-render draws: the quickstart's people on one thread, as the stage makes them. */
import { type Production, takePictures } from '../../stages/faces/render/production.js';
import type { Vary } from '../../stages/faces/render/shot.js';
import type { Benchmark, Row } from './benchmark.js';
import { race } from './measure.js';
import { quickstart, settingsOf } from './networks.js';

const perPerson = 16;

export const render: Benchmark = {
  name: 'render',
  title: 'faces-render on one thread',
  async run() {
    const [faces] = await settingsOf(quickstart, 'faces');
    const vary = faces!['vary'] as unknown as Vary;
    const rows: Row[] = [];
    for (const [size, amount] of [
      [32, 256],
      [112, 128],
    ] as const) {
      const production: Production = {
        count: amount,
        order: (i) => ({ purpose: 'bench', person: Math.floor(i / perPerson), image: i % perPerson, vary }),
        setting: { size, seed: 1, population: 0 },
        threads: 1,
        signal: new AbortController().signal,
        take: () => undefined,
      };
      const [seconds] = await race([{ run: () => takePictures(production) }], {
        rounds: 5,
        seconds: 10,
        warmUp: true,
      });
      rows.push({
        what: `${amount} images of ${size} px`,
        seconds: seconds!,
        work: { amount, unit: 'images' },
      });
    }
    return { rows, notes: [] };
  },
};
