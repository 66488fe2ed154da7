import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { StageError } from '../../../stages/contract.js';
import { openRecogniser } from '../../../stages/recognition/embed.js';
import { stage } from '../../../stages/recognition/fr-train.stage.js';
import { rateAt } from '../../../stages/recognition/settings.js';
import { openDevice } from '../../../stages/tensors/device.js';
import { bytesOf, settingsOf, StageLab } from './stage-lab.js';

const network = { widths: [8, 16], blocks: [1, 1], stemStride: 2, embeddingSize: 16 };
const quick = {
  backbone: 'custom',
  network,
  batch: 32,
  scale: 16,
  margin: 0.2,
  schedule: 'cosine',
  warmup: 10,
};

test.each(['cosface', 'arcface', 'adaface'] as const)(
  'a small network learns to tell eight patterned identities apart with %s',
  async (loss) => {
    using lab = new StageLab();
    const dataset = lab.patterns({ identities: 8, each: 12, size: 16 });
    const ran = await lab.run(stage, { inputs: { dataset }, settings: { ...quick, loss, steps: 80 } });
    expect(ran.metrics.get('accuracy')).toBeGreaterThan(0.9);
    const losses = ran.points.filter(({ name }) => name === 'loss').map(({ value }) => value);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    const config = JSON.parse(readFileSync(join(ran.outputs['model']!, 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      kind: 'recognition',
      classes: 8,
      architecture: { widths: [8, 16], inputSize: 16 },
    });
    expect(config.provenance.training).toMatchObject({
      loss,
      steps: 80,
      batch: 32,
      scale: 16,
      seed: 1,
      images: 96,
    });
    expect(config.provenance.weights).toMatch(/^[0-9a-f]{64}$/);
  },
);
