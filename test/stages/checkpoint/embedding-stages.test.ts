/** Stages that embed many images: stopped in the middle and run again they go on there, and end in the same bytes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { InputArtifact, StageDeclaration } from '../../../stages/contract.js';
import { stage as centerCompute } from '../../../stages/centers/center-compute.stage.js';
import { stage as evaluate } from '../../../stages/evaluation/evaluate.stage.js';
import { stage as quality } from '../../../stages/evaluation/quality.stage.js';
import { stage as frTrain } from '../../../stages/recognition/fr-train.stage.js';
import { bytesOf, pattern, provenance, StageLab, writeVerification } from '../recognition/stage-lab.js';

const size = 16; // of which 256 images are embedded at a time
const lab = new StageLab();
afterAll(() => lab[Symbol.dispose]());

let dataset: InputArtifact;
let model: InputArtifact;
beforeAll(async () => {
  dataset = lab.patterns({ identities: 10, each: 60, size });
  const network = { widths: [4], blocks: [1], stemStride: 2, embeddingSize: 8 };
  const settings = { backbone: 'custom', network, batch: 16, steps: 10, scale: 8, onCollapse: 'warn' };
  model = lab.input('model', (await lab.run(frTrain, { inputs: { dataset }, settings })).outputs['model']!);
});

function verification(): InputArtifact {
  const folder = lab.path('verification');
  const images = Array.from({ length: 600 }, (_, i) => pattern(i >> 2, i & 3, size));
  const protocol = (name: string) => ({
    name,
    images: Uint8Array.from(images.flatMap((image) => [...image])),
    pairs: Int32Array.from({ length: 600 }, (_, i) => i),
    same: Uint8Array.from({ length: 300 }, (_, i) => i & 1),
    folds: Int32Array.from({ length: 300 }, (_, i) => i >> 7),
    identitiesDisjoint: true,
  });
  writeVerification(folder, { width: size, height: size }, [protocol('general'), protocol('age_gap')], {
    ...provenance,
    alignment: 'arcface',
  });
  return lab.input('verification', folder);
}

test.each([
  {
    stage: centerCompute as StageDeclaration<never>,
    inputs: () => ({ dataset, model }),
    stopAt: 256,
    goesOn: 'resuming the embeddings of dataset at image 256 of 600',
  },
  {
    stage: evaluate as StageDeclaration<never>,
    inputs: () => ({ model, verification: verification() }),
    stopAt: 600 + 512, // in the second protocol
    goesOn: 'resuming the embeddings of age_gap at image 512 of 600',
  },
  {
    stage: quality as StageDeclaration<never>,
    inputs: () => ({
      dataset,
      judge: model,
      reference: lab.patterns({ identities: 10, each: 60, size, first: 10 }),
    }),
    stopAt: 600 + 256,
    goesOn: 'resuming the embeddings of reference at image 256 of 600',
  },
])('$stage.kind', async ({ stage, inputs: make, stopAt, goesOn }) => {
  const inputs = make();
  const whole = await lab.run(stage, { inputs });
  const checkpoint = lab.path('checkpoint');
  const stop = new AbortController();
  await expect(
    lab.run(stage, {
      inputs,
      checkpoint,
      signal: stop.signal,
      progress: (done) => {
        if (done >= stopAt) stop.abort(new Error('stopped by the test'));
      },
    }),
  ).rejects.toThrow('stopped by the test');
  const resumed = await lab.run(stage, { inputs, checkpoint });
  expect(resumed.lines).toContain(goesOn);
  const [output] = Object.keys(whole.outputs);
  expect(bytesOf(resumed.outputs[output!]!)).toEqual(bytesOf(whole.outputs[output!]!));
  for (const { metrics } of [whole, resumed]) metrics.delete('data_wait');
  expect(resumed.metrics).toEqual(whole.metrics);
});
