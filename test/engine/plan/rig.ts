/** Experiments of made-up stages whose results are made by hand: planning them needs no stage to run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from '../../../engine/cache/cache.js';
import type { Experiment, InputSource, StageInstance } from '../../../engine/experiment/experiment.js';
import { planAll, type PlanOptions } from '../../../engine/plan/make-plan.js';
import type { Decision, StageResult } from '../../../engine/plan/plan.js';
import type { StageDeclaration } from '../../../stages/contract.js';
import { by, temporaryCache, temporaryFolder, write } from '../cache/rig.js';

const declaration: StageDeclaration = {
  kind: './stage.js',
  summary: 'made up',
  schema: {},
  inputs: { '*': { types: 'any', description: '' } },
  outputs: { out: { type: 'files', description: '' } },
  seeded: true,
  device: false,
  load: () => Promise.reject(new Error('a plan runs nothing')),
};

export interface Lab {
  folder: string;
  cache: Cache;
  /** A stage instance; `inputs` by name: an instance's name, several, or `path:...` in the lab's folder. */
  stage(name: string, change?: StageChange): StageInstance;
  plan(stages: readonly StageInstance[], options?: PlanOptions): Promise<Map<string, Decision>>;
  experiment(stages: readonly StageInstance[]): Experiment;
  /** Plans and makes results by hand until nothing is left to do; the names of what was made, in order. */
  run(
    stages: readonly StageInstance[],
    content?: (name: string) => string,
    options?: PlanOptions,
  ): Promise<string[]>;
}

export interface StageChange {
  kind?: string;
  settings?: StageInstance['settings'];
  inputs?: Readonly<Record<string, string | readonly string[]>>;
  seed?: number;
  seeded?: boolean;
  cpus?: number;
  module?: string;
  point?: StageInstance['point'];
  after?: readonly string[];
}

export async function openLab(): Promise<Lab> {
  const cache = await temporaryCache();
  const folder = temporaryFolder();
  const module = join(folder, 'stage.js');
  writeFileSync(module, 'export const stage = {};');
  const source = (from: string): InputSource =>
    from.startsWith('path:')
      ? { from: 'path', path: join(folder, from.slice(5)) }
      : { from: 'stage', stage: from, output: 'out', type: 'files' };
  const lab: Lab = {
    folder,
    cache,
    stage: (name, change = {}) => ({
      name,
      stage: name.split('@')[0]!,
      kind: change.kind ?? './stage.js',
      declaration: { ...declaration, seeded: change.seeded ?? true },
      module: change.module ?? module,
      point: change.point ?? {},
      settings: change.settings ?? {},
      inputs: Object.fromEntries(
        Object.entries(change.inputs ?? {}).map(([input, from]) => [
          input,
          [from].flat().map((one) => source(one)),
        ]),
      ),
      outputs: declaration.outputs as StageInstance['outputs'],
      after: change.after ?? [],
      seed: change.seed ?? 1,
      resources: { cpus: change.cpus ?? 1, gpus: 0 },
      retry: { times: 0, on: [], backoff: 0 },
      place: { file: 'x.yaml', line: 3, column: 5 },
    }),
    experiment: (stages) => ({
      name: 'x',
      file: join(folder, 'x.yaml'),
      seed: 1,
      params: {},
      stages,
      report: {},
      composed: '',
      origins: {},
    }),
    plan: (stages, options) => planAll(lab.experiment(stages), cache, options),
    async run(stages, content = (name) => `content of ${name}`, options) {
      const made: string[] = [];
      for (;;) {
        const force = new Set([...(options?.force ?? [])].filter((name) => !made.includes(name)));
        const decisions = await lab.plan(stages, { ...options, force });
        const next = [...decisions.values()].find(({ act }) => act === 'run');
        if (next?.act !== 'run') return made;
        await commit(cache, next, content(next.stage));
        made.push(next.stage);
      }
    },
  };
  return lab;
}

async function commit(
  cache: Cache,
  decision: Extract<Decision, { act: 'run' }>,
  content: string,
): Promise<StageResult> {
  const { attempt } = await cache.beginAttempt(decision.key, { force: true });
  write(await attempt!.outputFolder('out'), { content });
  return attempt!.commit({
    components: decision.components,
    outputs: { out: 'files' },
    metrics: {},
    warnings: [],
    by: by({ stage: decision.stage, at: new Date().toISOString() }),
  });
}
