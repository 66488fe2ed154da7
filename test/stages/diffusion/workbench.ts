/** Tiny faces, a tiny E_id and a stage context with real folders, for running the generator stages whole. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonObject, StageContext, StageDeclaration } from '../../../stages/contract.js';
import { ImageSetWriter } from '../../../stages/data/image-set.js';
import type { SetProvenance } from '../../../stages/data/provenance.js';
import { classifierName, recogniserForward, writeRecognition } from '../../../stages/recognition/model.js';
import { toNamed } from '../../../stages/tensors/named-arrays.js';
import { initialBuffers, initialWeights } from '../../../stages/tensors/network.js';
import { Random } from '../../../stages/tensors/random.js';

export const size = 8;

export const tinyUnet: JsonObject = {
  unet: {
    base: 4,
    multipliers: [1, 2],
    attentionAt: [2],
    headChannels: 4,
    groups: 2,
    timeWidth: 8,
    decoder: 'light',
    learnedVariance: false,
  },
  condition: { tokens: 2, channels: 6, grid: 2 },
};

const rendered: SetProvenance = {
  kind: 'faces-render',
  asked: { identities: 3, images: 12 },
  delivered: { identities: 3, images: 12 },
  alignment: 'arcface',
  realData: [],
  settings: {},
  seed: 0,
};

/** What a stage said while it ran. */
export interface Said {
  metrics: Map<string, number>;
  log: string[];
  warnings: string[];
}

export interface RunOptions {
  settings: JsonObject;
  inputs: Record<string, string>;
  seed?: number;
  /** Aborts once so much is done. */
  abortAt?: number;
  /** Names the checkpoint folder: a run with the same name resumes. */
  checkpoint?: string;
}

export class Workbench {
  readonly folder = mkdtempSync(join(tmpdir(), 'cemiflow-diffusion-'));
  #runs = 0;

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  make(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Identities of a colour each, with noise. */
  faces(name: string, identities: number, each: number): string {
    const folder = this.make(name);
    const writer = ImageSetWriter.open(folder, { width: size, height: size });
    for (let identity = 0; identity < identities; identity++) {
      const colour = new Random(1, name, identity);
      const base = [colour.int(256), colour.int(256), colour.int(256)];
      for (let k = 0; k < each; k++) {
        const noise = new Random(2, name, identity, k);
        const pixels = Uint8Array.from(
          { length: size * size * 3 },
          (_, i) => (base[i % 3]! + noise.int(64)) & 255,
        );
        writer.add(pixels, identity);
      }
    }
    writer.finish({ provenance: rendered });
    return folder;
  }

  recogniser(name: string, seed = 5): string {
    const folder = this.make(name);
    const architecture = {
      widths: [4, 8],
      blocks: [1, 1],
      stemStride: 1,
      se: false,
      embeddingSize: 6,
      inputSize: size,
    };
    const { layout } = recogniserForward({ architecture });
    const tensors = toNamed(layout, initialWeights(layout, seed, 'test'), initialBuffers(layout));
    tensors.set(classifierName, { shape: [3, 6], data: new Float32Array(18).fill(1) });
    writeRecognition(
      folder,
      {
        format: 'cemiflow-model/1',
        kind: 'recognition',
        architecture,
        classes: 3,
        input: { channels: 'RGB', range: [-1, 1], width: size, height: size },
        provenance: { kind: 'recognition', architecture: 'tiny', data: rendered },
      },
      tensors,
    );
    return folder;
  }

  /** Runs a stage and gives the folder of its first output. */
  async run(declaration: StageDeclaration<never>, options: RunOptions): Promise<Said & { output: string }> {
    const { inputs, seed = 1 } = options;
    const settings = fill(declaration, options.settings);
    const aborter = new AbortController();
    const said: Said = { metrics: new Map(), log: [], warnings: [] };
    const run = `run-${this.#runs++}`;
    const output = this.make(join(run, 'output'));
    const context: StageContext<never> = {
      settings: settings as never,
      input: (name) => ({ type: 'files', path: inputs[name]!, digest: '', from: name }),
      inputs: () => [],
      has: (name) => name in inputs,
      output: () => output,
      artifact: () => {
        throw new Error('no references here');
      },
      checkpoint: this.make(options.checkpoint ?? join(run, 'checkpoint')),
      seed,
      device: 'auto',
      threads: 1,
      experimentFolder: this.folder,
      progress: (done) => {
        if (options.abortAt !== undefined && done >= options.abortAt)
          aborter.abort(new Error('stopped by the test'));
      },
      metric: (name, value) => said.metrics.set(name, value),
      log: (line) => said.log.push(line),
      warn: (line) => said.warnings.push(line),
      signal: aborter.signal,
    };
    const { run: work } = await declaration.load();
    await work(context);
    return { ...said, output };
  }
}

/** Settings with the schema's defaults. Throws what ajv says where they do not fit. */
export function fill(declaration: Pick<StageDeclaration<never>, 'schema'>, settings: JsonObject): JsonObject {
  const ajv = new Ajv2020({ useDefaults: true, strict: false });
  const validate = ajv.compile(declaration.schema);
  const copy = structuredClone(settings);
  if (!validate(copy)) throw new Error(ajv.errorsText(validate.errors));
  return copy;
}
