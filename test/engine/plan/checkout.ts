/** A small real experiment as data: stages of ours and of a user's own, files, packages. Written into folders in many ways. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Cache } from '../../../engine/cache/cache.js';
import type { Experiment } from '../../../engine/experiment/experiment.js';
import { loadExperiment } from '../../../engine/experiment/load.js';
import { printDiagnostics } from '../../../engine/experiment/print-diagnostics.js';
import { planAll } from '../../../engine/plan/make-plan.js';
import type { Decision } from '../../../engine/plan/plan.js';
import type { Json, JsonObject } from '../../../stages/contract.js';
import { registry } from '../../../stages/registry.js';
import { by, temporaryFolder, write } from '../cache/rig.js';

/** A pseudo-random number in [0, 1) at each call, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Stage extends JsonObject {
  uses: string;
}

export interface Checkout {
  file: JsonObject & { params: JsonObject; stages: Record<string, Stage> };
  /** Everything beside the experiment file, by path. */
  files: Record<string, string>;
  profiles: string[];
  set: string[];
}

const ownStage = `import { strong } from './helper.mjs';
export const stage = {
  kind: 'own', summary: 'made up', seeded: false, device: false,
  schema: { type: 'object', additionalProperties: false, properties: {
    strength: { type: 'number', default: 1 }, map: { type: 'object', default: {} } } },
  inputs: {
    data: { types: 'any', description: 'anything' },
    more: { types: 'any', description: 'anything', optional: true, many: true },
  },
  outputs: { out: { type: 'files', description: 'something' } },
  load: async () => ({ run: () => strong }),
};
`;

/** Fresh each time, so that a test may change it as it likes. */
export const checkout = (): Checkout => ({
  file: {
    name: 'x',
    seed: 1,
    params: { identities: 20, margin: 0.4 },
    stages: {
      faces: {
        uses: 'faces-render',
        with: { identities: '${{ params.identities }}', perIdentity: 4, size: 32 },
      },
      photos: {
        uses: './stages/own.mjs',
        inputs: { data: 'path:data' },
        with: { strength: 3, map: { a: 1, b: [2, 3] } },
      },
      tool: {
        uses: 'command',
        inputs: { seen: 'faces', pictures: 'photos' },
        with: {
          run: 'python3 sharpen.py ${{ inputs.seen }} ${{ outputs.found }}',
          code: ['sharpen.py'],
          outputs: { found: 'files' },
          env: { LEVEL: '3' },
        },
      },
      oracle: {
        uses: 'fr-train',
        inputs: { dataset: 'faces' },
        with: { loss: 'adaface', margin: '${{ params.margin }}', epochs: 2 },
        resources: { cpus: 2 },
      },
      fr: {
        uses: 'fr-train',
        matrix: { loss: ['arcface', 'cosface'], epochs: [1, 2, 3] },
        seeds: [1, 2],
        inputs: { dataset: 'faces' },
        with: { loss: '${{ matrix.loss }}', epochs: '${{ matrix.epochs }}' },
      },
      score: {
        uses: 'evaluate',
        matrix: 'fr',
        inputs: { model: 'fr', verification: 'faces.verification' },
      },
      all: {
        uses: './stages/own.mjs',
        inputs: { data: 'tool', more: 'oracle' },
        with: { strength: 2 },
      },
    },
    report: { baseline: 'score@loss=cosface,epochs=1,seed=1' },
  },
  files: {
    'data/a.txt': 'a photograph',
    'data/deep/b.txt': 'another one',
    'sharpen.py': 'print("metric sharpness 1")\n',
    'stages/own.mjs': ownStage,
    'stages/helper.mjs': "import { used } from 'used';\nexport const strong = used + 1;\n",
    'node_modules/used/package.json': '{ "name": "used", "version": "1.0.0", "main": "index.mjs" }',
    'node_modules/used/index.mjs': 'export const used = 1;\n',
    'node_modules/other/package.json': '{ "name": "other", "version": "1.0.0" }',
  },
  profiles: [],
  set: [],
});

/** Writes it into a folder of its own and loads it. @param text the experiment file, if it is not as `stringify` has it */
export async function loaded(
  { file, files, profiles, set }: Checkout,
  text = stringify(file, { aliasDuplicateObjects: false }),
): Promise<Experiment> {
  const folder = write(join(temporaryFolder(), 'somewhere'), { ...files, 'x.yaml': text });
  const found = await loadExperiment('x.yaml', { profiles, set, cwd: folder, env: {} }, registry);
  if (!found.ok) throw new Error(printDiagnostics(found.diagnostics, { color: false, cwd: folder }));
  return found.experiment;
}

/**
 * Makes by hand what runs until all is cached; other keys make other bytes, but of `alike` stages, which make the same.
 * @returns the instances, in order
 */
export async function runAll(
  experiment: Experiment,
  cache: Cache,
  alike: (name: string) => boolean = () => false,
): Promise<string[]> {
  const ran: string[] = [];
  for (;;) {
    const decisions = await planAll(experiment, cache);
    const ready = [...decisions.values()].filter((decision) => decision.act === 'run');
    if (ready.length === 0) return ran;
    for (const decision of ready) {
      await commit(experiment, decision, cache, alike(decision.stage));
      ran.push(decision.stage);
    }
  }
}

async function commit(
  experiment: Experiment,
  { key, components, stage }: Extract<Decision, { act: 'run' }>,
  cache: Cache,
  alike: boolean,
): Promise<void> {
  const { outputs } = experiment.stages.find(({ name }) => name === stage)!;
  const { attempt } = await cache.beginAttempt(key);
  // Two stages with one key: the first has made it.
  if (!attempt) return;
  const types = Object.fromEntries(Object.entries(outputs).map(([name, { type }]) => [name, type]));
  for (const name of Object.keys(types))
    write(await attempt.outputFolder(name), { content: alike ? name : `${name} ${key}` });
  await attempt.commit({ components, outputs: types, metrics: {}, warnings: [], by: by({ stage }) });
}

/** Names of the instances that would not be served by the cache. */
export async function reruns(experiment: Experiment, cache: Cache): Promise<string[]> {
  const decisions = await planAll(experiment, cache);
  return [...decisions.values()].filter(({ act }) => act !== 'reuse').map(({ stage }) => stage);
}

/** The same map with its keys in another order, at every depth; lists stay. */
export function shuffled<T extends Json>(value: T, random: () => number): T {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, random)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = inRandomOrder(Object.entries(value), random);
  return Object.fromEntries(entries.map(([key, item]) => [key, shuffled(item, random)])) as T;
}

export function inRandomOrder<T>(items: readonly T[], random: () => number): T[] {
  const rest = [...items];
  const order: T[] = [];
  while (rest.length > 0) order.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return order;
}
