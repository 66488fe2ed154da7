/** What a process wrote, read from its pipe. */
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { eachBlock } from '../../../engine/run/lines.js';

test('a stream that has ended, or broken, before anybody read it is at its end', async () => {
  const ended = Readable.from([]);
  ended.resume();
  await once(ended, 'end');
  const broken = new Readable({ read: () => undefined });
  broken.destroy();
  await once(broken, 'close');
  const lines: string[] = [];
  await eachBlock(ended, (block) => lines.push(block));
  await eachBlock(broken, (block) => lines.push(block));
  expect(lines).toEqual([]);
});
