/**
 * Peak memory of every stage that reads or writes sets of images, with 1,000, 10,000 and 100,000 of them: real runs, each stage in its
 * process. Networks are tiny and images of 16 px, so that what is seen is what the images cost.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { ImageSetWriter } from '../../stages/data/image-set.js';
import type { SetProvenance } from '../../stages/data/provenance.js';
import { VerificationWriter } from '../../stages/data/verification-set.js';
import { Random } from '../../stages/tensors/random.js';
import type { Benchmark, Measured } from './benchmark.js';
import { runOnce } from './run-once.js';
import { makeScratch, removeScratch } from './scratch.js';

const counts = [1000, 10_000, 100_000];
const size = 16;
/** As many whatever the number of images: a recogniser's classes, an import's names and their pairs are no images. */
const people = 100;
const stride = size * size * 3;

const experiment = (images: number) => `
name: memory
seed: 1
stages:
  # An artifact like any other, which groups may refer to.
  set: { uses: command, inputs: { set: 'path:set' }, with: { run: 'cp -r \${{ inputs.set }}/. \${{ outputs.set }}', outputs: { set: images } } }
  fr-train:
    uses: fr-train
    inputs: { dataset: set }
    with: { backbone: custom, network: { widths: [4, 8], blocks: [1, 1], stemStride: 2, embeddingSize: 16 }, batch: 32, steps: 200, scale: 8, onCollapse: warn }
  diffusion-train:
    uses: diffusion-train
    inputs: { dataset: set, model: fr-train }
    with: &generator
      method: dcface
      batch: 16
      steps: 100
      onCollapse: warn
      unet: { base: 8, multipliers: [1, 2], attentionAt: [2], headChannels: 8, groups: 4, timeWidth: 16, decoder: light, learnedVariance: false }
      condition: { tokens: 2, channels: 8 }
  center-compute: { uses: center-compute, inputs: { dataset: set, model: fr-train }, with: { from: mean } }
  similarity-bucketing: { uses: similarity-bucketing, inputs: { dataset: set, centers: center-compute } }
  generate:
    uses: generate
    inputs: { generator: diffusion-train, inquiry: set, model: fr-train, style: set }
    with: { identities: ${people}, perIdentity: ${images / people - 1}, oversample: 1, steps: 1, inquiryFilter: 1, batch: 128 }
  quality: { uses: quality, inputs: { dataset: generate, reference: set, judge: fr-train } }
  evaluate: { uses: evaluate, inputs: { model: fr-train, verification: 'path:pairs' }, with: { onCollapse: warn } }
  faces-import:
    uses: faces-import
    inputs: { photos: 'path:photos' }
    with: { size: ${size}, align: crop, minImages: 1, split: { verification: 0.5, inquiry: 0 }, pairsPerFold: 100 }
  verification-pairs: { uses: verification-pairs, inputs: { dataset: faces-import }, with: { pairsPerFold: 100 } }
`;

export const memory: Benchmark = {
  name: 'memory',
  title: `peak memory by the number of images (${counts.map((count) => count.toLocaleString('en')).join(', ')})`,
  onlyNamed: true,
  async run() {
    const peaks = new Map<string, number[]>();
    const scratch = makeScratch();
    try {
      for (const count of counts) {
        const folder = join(scratch, String(count));
        mkdirSync(folder);
        await writeMaterial(folder, count);
        const { stages } = runOnce(folder, experiment(count));
        for (const { name, peakRssBytes } of stages.filter(({ kind }) => kind !== 'command'))
          peaks.set(name, [...(peaks.get(name) ?? []), peakRssBytes]);
      }
    } finally {
      removeScratch(scratch);
    }
    return measured(peaks);
  },
};

function measured(peaks: ReadonlyMap<string, readonly number[]>): Measured {
  const more = counts.at(-1)! - counts[0]!;
  const rows = [...peaks].map(([stage, bytes]) => [
    stage,
    ...bytes.map((peak) => `${(peak / 2 ** 20).toFixed(0)} MiB`),
    `${((bytes.at(-1)! - bytes[0]!) / more).toFixed(0)} B`,
  ]);
  const head = ['', ...counts.map((count) => count.toLocaleString('en')), 'an image more'];
  return {
    rows: [],
    table: { head, rows },
    notes: [`An image has ${stride} bytes of pixels; they are of ${people} people.`],
  };
}

/** A set, the same pictures as photographs, and pairs of as many images. */
async function writeMaterial(folder: string, count: number): Promise<void> {
  const pictures = Array.from({ length: 97 }, (_, i) => pattern(i));
  const each = count / people;
  const provenance: SetProvenance = {
    kind: 'faces-render',
    asked: { identities: people, images: count },
    delivered: { identities: people, images: count },
    alignment: 'none',
    realData: [],
    settings: {},
    seed: 0,
  };
  mkdirSync(join(folder, 'set'));
  const set = ImageSetWriter.open(join(folder, 'set'), { width: size, height: size });
  mkdirSync(join(folder, 'pairs'));
  const verification = new VerificationWriter(
    join(folder, 'pairs'),
    { width: size, height: size },
    provenance,
  );
  const protocol = verification.begin('general');
  for (let i = 0; i < count; i++) {
    set.add(pictures[(i * 31) % 97]!, Math.floor(i / each));
    protocol.add(pictures[(i * 17) % 97]!);
  }
  set.finish({ provenance });
  const pairs = 2000;
  protocol.finish({
    pairs: Int32Array.from({ length: 2 * pairs }, (_, i) => (i * 7919) % count),
    same: Uint8Array.from({ length: pairs }, (_, i) => i & 1),
    folds: Int32Array.from({ length: pairs }, (_, i) => Math.floor((i * 10) / pairs)),
    identitiesDisjoint: true,
  });
  verification.finish();

  const photographs = await Promise.all(
    pictures.map((pixels) =>
      sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
        .jpeg()
        .toBuffer(),
    ),
  );
  for (let person = 0; person < people; person++) {
    const own = join(folder, 'photos', `person-${person}`);
    mkdirSync(own, { recursive: true });
    for (let i = 0; i < each; i++)
      writeFileSync(join(own, `${i}.jpg`), photographs[(person * each + i) % 97]!);
  }
}

function pattern(number: number): Uint8Array {
  const random = new Random(1, 'memory', number);
  const noise = Array.from({ length: 6 }, () => 255 * random.uniform());
  return Uint8Array.from({ length: stride }, (_, i) => noise[i % 6]! * (0.5 + 0.5 * random.uniform()));
}
