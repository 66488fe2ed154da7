/** A folder of real files and a small registry, for tests of loading. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Experiment, Loaded, LoadOptions } from '../../../engine/experiment/experiment.js';
import { loadExperiment } from '../../../engine/experiment/load.js';
import { printDiagnostics } from '../../../engine/experiment/print-diagnostics.js';
import type { StageRegistry } from '../../../engine/experiment/registry-type.js';
import type {
  ArtifactType,
  InputDeclaration,
  OutputDeclaration,
  StageDeclaration,
} from '../../../stages/contract.js';

const input = (types: ArtifactType[] | 'any', more: Partial<InputDeclaration> = {}): InputDeclaration => ({
  types,
  description: 'What it works on.',
  ...more,
});
const output = (type: ArtifactType): OutputDeclaration => ({ type, description: 'What it makes.' });

/** Kinds with every sort of setting, input and output; none of them can run. */
const kinds: StageDeclaration[] = [
  {
    kind: 'faces',
    summary: 'makes faces',
    schema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        identities: { type: 'integer', minimum: 1, default: 10, description: 'How many people.' },
        size: { type: 'integer', enum: [32, 64, 112], default: 112 },
        glasses: { type: 'boolean', default: false },
      },
    },
    inputs: {},
    outputs: { images: output('images'), inquiry: output('images'), verification: output('verification') },
    seeded: true,
    device: false,
    load: never,
  },
  {
    kind: 'train',
    summary: 'trains a network',
    schema: {
      type: 'object',
      additionalProperties: false,
      required: ['loss'],
      properties: {
        loss: { enum: ['adaface', 'arcface', 'cosface'], description: 'The margin loss.' },
        lambda: { type: 'number', minimum: 0, default: 0.05, description: 'Weight of a part.' },
        lr: { type: 'number', exclusiveMinimum: 0, default: 0.1, description: 'Learning rate.' },
        milestones: { type: 'array', items: { type: 'integer' }, minItems: 1, default: [8, 12] },
        network: {
          type: 'object',
          additionalProperties: false,
          default: {},
          properties: {
            widths: { type: 'array', items: { type: 'integer', minimum: 1 }, default: [16, 32] },
            blocks: { type: 'integer', default: 2 },
          },
        },
      },
    },
    inputs: {
      dataset: input(['images', 'groups']),
      model: input(['model'], { optional: true }),
      photos: input(['files'], { optional: true }),
    },
    outputs: { model: output('model') },
    seeded: true,
    device: true,
    check: (settings) =>
      settings['loss'] === 'cosface' && Number(settings['lambda']) > 1
        ? [{ path: 'lambda', message: 'must not be above 1 with cosface' }]
        : [],
    load: never,
  },
  {
    kind: 'generate',
    summary: 'makes images',
    schema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        m: {
          default: 0,
          description: 'Wanted similarity: one, or several.',
          anyOf: [
            { type: 'number', minimum: -1, maximum: 1 },
            { type: 'array', items: { type: 'number', minimum: -1, maximum: 1 } },
          ],
        },
      },
    },
    inputs: { generator: input(['model']), inquiry: input(['images']) },
    outputs: { images: output('images') },
    seeded: true,
    device: true,
    load: never,
  },
  {
    kind: 'merge',
    summary: 'puts sets together',
    schema: { type: 'object', additionalProperties: false, properties: {} },
    inputs: { parts: input(['images'], { many: true }) },
    outputs: { images: output('images') },
    seeded: false,
    device: false,
    load: never,
  },
  {
    kind: 'evaluate',
    summary: 'measures a network',
    schema: { type: 'object', additionalProperties: false, properties: {} },
    inputs: { model: input(['model']), verification: input(['verification']) },
    outputs: { result: output('result') },
    seeded: false,
    device: true,
    load: never,
  },
  {
    kind: 'command',
    summary: 'runs a program',
    schema: {
      type: 'object',
      additionalProperties: false,
      required: ['run'],
      properties: {
        run: { type: 'string' },
        outputs: { type: 'object', default: {}, additionalProperties: { enum: ['model', 'files'] } },
        env: { type: 'object', default: {}, additionalProperties: { type: 'string' } },
      },
    },
    inputs: { '*': input('any', { many: true }) },
    outputs: (settings) =>
      Object.fromEntries(
        Object.entries(settings['outputs'] as Record<string, ArtifactType>).map(([name, type]) => [
          name,
          output(type),
        ]),
      ),
    seeded: true,
    device: false,
    load: never,
  },
];

function never(): Promise<never> {
  return Promise.reject(new Error('loading an experiment runs nothing'));
}

export const registry: StageRegistry = {
  get: (kind) => kinds.find((declaration) => declaration.kind === kind),
  kinds: () => kinds.map((declaration) => declaration.kind),
};

export class Lab {
  readonly folder = mkdtempSync(join(tmpdir(), 'cemiflow-experiment-'));

  write(name: string, text: string | Buffer): this {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return this;
  }

  load(options: Partial<LoadOptions> = {}, file = 'x.yaml'): Promise<Loaded> {
    return loadExperiment(file, { profiles: [], set: [], cwd: this.folder, env: {}, ...options }, registry);
  }

  /** The experiment; fails with what is wrong with it. */
  async valid(options: Partial<LoadOptions> = {}, file = 'x.yaml'): Promise<Experiment> {
    const loaded = await this.load(options, file);
    if (!loaded.ok) throw new Error(this.printed(loaded));
    return loaded.experiment;
  }

  /** What the user sees of a file that is wrong; '' where nothing is. */
  async screen(options: Partial<LoadOptions> = {}, file = 'x.yaml'): Promise<string> {
    return this.printed(await this.load(options, file));
  }

  private printed(loaded: Loaded): string {
    if (loaded.ok) return '';
    const text = printDiagnostics(loaded.diagnostics, { color: false, cwd: this.folder });
    return text.replaceAll(this.folder, '<folder>').trimEnd();
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Stages by name, written in YAML's short form, over a `faces` stage. */
export function stages(...lines: string[]): string {
  return ['stages:', '  faces: { uses: faces }', ...lines.map((line) => `  ${line}`)].join('\n');
}
