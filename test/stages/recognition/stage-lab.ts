/**
 * What tests of the FR stages share: a temporary folder, contexts as the engine would give them, and small sets of
 * patterned "faces" (each identity its own colours and stripes, each image its own shift, light and noise).
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv/dist/2020.js';
import type {
  ArtifactType,
  InputArtifact,
  StageContext,
  StageDeclaration,
} from '../../../stages/contract.js';
import { ImageSetWriter } from '../../../stages/data/image-set.js';
import type { SetProvenance } from '../../../stages/data/provenance.js';
import {
  type ProtocolPairs,
  type VerificationInfo,
  VerificationWriter,
} from '../../../stages/data/verification-set.js';
import { Random } from '../../../stages/tensors/random.js';

/** Of a recogniser that learns patterns in a second or two; how long, its test says. */
export const quickTraining = {
  backbone: 'custom',
  network: { widths: [8, 16], blocks: [1, 1], stemStride: 2, embeddingSize: 16 },
  batch: 32,
  scale: 16,
  margin: 0.2,
  schedule: 'cosine',
};

export const provenance: SetProvenance = {
  kind: 'faces-render',
  asked: { identities: 8, images: 96 },
  delivered: { identities: 8, images: 96 },
  alignment: 'none',
  realData: [],
  settings: {},
  seed: 0,
};

export interface Recorded {
  metrics: Map<string, number>;
  /** In the order they came, with their steps. */
  points: { name: string; value: number; step: number | undefined }[];
  warnings: string[];
  lines: string[];
  outputs: Record<string, string>;
}

export class StageLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'cemiflow-test-'));
  #made = 0;

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A new empty folder. */
  path(name = 'folder'): string {
    const path = join(this.folder, `${name}-${this.#made++}`);
    mkdirSync(path);
    return path;
  }

  input(type: ArtifactType, path: string): InputArtifact {
    return { type, path, digest: digestOf(path), from: 'test' };
  }

  /** Runs a stage as an attempt does: settings checked and filled in by the schema. */
  async run<S>(
    stage: StageDeclaration<S>,
    given: {
      inputs: Record<string, InputArtifact>;
      settings?: object;
      seed?: number;
      device?: string;
      checkpoint?: string;
      signal?: AbortSignal;
      progress?: (done: number, total: number) => void;
      /** Further artifacts that references lead to. */
      artifacts?: InputArtifact[];
    },
  ): Promise<Recorded> {
    const settings = settingsOf(stage, given.settings ?? {});
    const names = Object.keys(typeof stage.outputs === 'function' ? stage.outputs(settings) : stage.outputs);
    const outputs = Object.fromEntries(names.map((name) => [name, this.path(name)]));
    const recorded: Recorded = { metrics: new Map(), points: [], warnings: [], lines: [], outputs };
    const known = [...Object.values(given.inputs), ...(given.artifacts ?? [])];
    const context: StageContext<S> = {
      settings,
      input(name) {
        const input = given.inputs[name];
        if (!input) throw new Error(`no input ${name}`);
        return input;
      },
      inputs: (name) => (given.inputs[name] ? [given.inputs[name]] : []),
      has: (name) => name in given.inputs,
      output: (name) => outputs[name]!,
      artifact: (digest) => known.find((input) => input.digest === digest)!.path,
      checkpoint: given.checkpoint ?? this.path('checkpoint'),
      seed: given.seed ?? 1,
      device: given.device ?? 'auto',
      threads: 1,
      experimentFolder: this.folder,
      progress: given.progress ?? (() => undefined),
      metric: (name, value, step) => {
        recorded.metrics.set(name, value);
        recorded.points.push({ name, value, step });
      },
      log: (line) => recorded.lines.push(line),
      warn: (line) => recorded.warnings.push(line),
      signal: given.signal ?? new AbortController().signal,
    };
    await (await stage.load()).run(context);
    return recorded;
  }

  /** Writes a set of patterned images and gives it as an input. */
  patterns(options: {
    identities: number;
    each: number;
    size: number;
    seed?: number;
    first?: number;
  }): InputArtifact {
    const { identities, each, size, seed = 5, first = 0 } = options;
    const folder = this.path('images');
    const writer = ImageSetWriter.open(folder, { width: size, height: size });
    for (let label = 0; label < identities; label++)
      for (let i = 0; i < each; i++) writer.add(pattern(first + label, i, size, seed), label);
    writer.finish({ provenance });
    return this.input('images', folder);
  }
}

/** A protocol in memory. @see VerificationWriter */
export interface WholeProtocol extends ProtocolPairs {
  name: string;
  /** uint8 [M, height, width, 3] */
  images: Uint8Array;
}

/** Writes a verification set of protocols in memory into `folder`. */
export function writeVerification(
  folder: string,
  size: { width: number; height: number },
  protocols: readonly WholeProtocol[],
  made: SetProvenance,
): VerificationInfo {
  const set = new VerificationWriter(folder, size, made);
  for (const { name, images, ...pairs } of protocols) {
    const protocol = set.begin(name);
    protocol.add(images);
    protocol.finish(pairs);
  }
  return set.finish();
}

/** One image of one identity, uint8 [size, size, 3]. */
export function pattern(identity: number, image: number, size: number, seed = 5): Uint8Array {
  const own = new Random(seed, 'identity', identity);
  const colours = Array.from({ length: 6 }, () => 40 + 175 * own.uniform());
  const across = 0.3 + 0.9 * own.uniform();
  const down = 0.3 + 0.9 * own.uniform();
  const varied = new Random(seed, 'image', identity, image);
  const shift = 1.5 * varied.uniform();
  const light = 0.8 + 0.4 * varied.uniform();
  const pixels = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const wave = 0.5 + 0.5 * Math.sin((across * x + down * y) * (20 / size) + shift);
      for (let c = 0; c < 3; c++) {
        const value = light * (colours[c]! * wave + colours[3 + c]! * (1 - wave)) + 16 * varied.normal();
        pixels[(y * size + x) * 3 + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  return pixels;
}

/** The settings with the schema's defaults. Throws where the schema or the stage's own check refuses them. */
export function settingsOf<S>(stage: StageDeclaration<S>, given: object): S {
  const settings = structuredClone(given) as S;
  const validate = new Ajv.default({ useDefaults: true, strict: false }).compile(stage.schema);
  if (!validate(settings)) throw new Error(JSON.stringify(validate.errors));
  const problems = stage.check?.(settings) ?? [];
  if (problems.length > 0)
    throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
  return settings;
}

/** A stand-in for the engine's digest: the same for the same path. */
function digestOf(path: string): string {
  return Buffer.from(path).toString('hex').padEnd(64, '0').slice(-64);
}

/** All files of a folder with their bytes, by name. */
export function bytesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path).toString('base64')];
    }),
  );
}
