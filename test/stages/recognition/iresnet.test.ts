/** Shapes of the IResNet family. What they compute: test/stages/maths. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import {
  describe as describeNetwork,
  earlyFeatures,
  iresnet,
  type IResNetConfig,
  iresnetProblems,
} from '../../../stages/recognition/iresnet.js';
import { presets } from '../../../stages/recognition/presets.js';
import { layoutOf } from '../../../stages/tensors/network.js';

beforeAll(() => tf.setBackend('cpu'));

test('the presets have the parameters that arcface_torch reports: 24.0 M for r18, 43.6 M for r50', () => {
  // Counted in the shapes alone: 3 x 3 and 1 x 1 filters, two numbers a norm channel, one slope a PReLU channel.
  const count = ({ widths, blocks, se, embeddingSize }: Omit<IResNetConfig, 'inputSize'>) => {
    let total = 27 * widths[0]! + 3 * widths[0]!;
    let from = widths[0]!;
    widths.forEach((to, stage) => {
      for (let block = 0; block < blocks[stage]!; block++) {
        total +=
          2 * from + 9 * from * to + 2 * to + to + 9 * to * to + 2 * to + (se ? (2 * to * to) / 16 : 0);
        if (block === 0) total += from * to + 2 * to;
        from = to;
      }
    });
    return total + 2 * from + from * 49 * embeddingSize + 2 * embeddingSize;
  };
  expect(count(presets.ir18) / 1e6).toBeCloseTo(24.0, 1);
  expect(count(presets.ir50) / 1e6).toBeCloseTo(43.6, 1);
  // And the layout agrees with the count, where it is quick to make.
  const small = { ...presets.small, inputSize: 32 };
  const layout = layoutOf((scope) => iresnet(scope, small, tf.zeros([2, 32, 32, 3])));
  const fc = 96 * 4 * 64;
  expect(layout.size).toBe(count(small) - 96 * 49 * 64 + fc);
});

test('the early feature map is the first stage, or the stem where that would be under 10 cells a side', () => {
  const shapeOf = (config: IResNetConfig) => {
    let shape: number[] = [];
    layoutOf((scope) => {
      shape = earlyFeatures(scope, config, tf.zeros([1, config.inputSize, config.inputSize, 3])).shape;
    });
    return shape;
  };
  expect(shapeOf({ ...presets.small, inputSize: 32 })).toEqual([1, 16, 16, 24]);
  expect(shapeOf({ ...presets.small, inputSize: 64 })).toEqual([1, 16, 16, 24]);
});

test('shapes that cannot be are told, and known ones are named', () => {
  expect(iresnetProblems({ ...presets.small, inputSize: 8 })).toEqual([
    'images of 8 px are too small for a network that shrinks them 16 times',
  ]);
  expect(iresnetProblems({ ...presets.small, blocks: [1], inputSize: 32 })[0]).toContain(
    '3 widths and 1 blocks',
  );
  expect(describeNetwork({ ...presets.irse50, inputSize: 112 })).toBe(
    'irse50 (IR-SE 64/128/256/512 x 3/4/14/3, 512-d)',
  );
  expect(describeNetwork({ ...presets.tiny, embeddingSize: 32, inputSize: 32 })).toBe(
    'IResNet 16/32/64 x 1/1/1, 32-d',
  );
});
