/** What a killed attempt finds again: rows, training states, and when they are saved. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  appendFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Cadence } from '../../../stages/checkpoint/cadence.js';
import { deviceFolder } from '../../../stages/checkpoint/device-folder.js';
import { RowCheckpoint } from '../../../stages/checkpoint/rows.js';
import { TrainingCheckpoint } from '../../../stages/checkpoint/training-state.js';

const root = mkdtempSync(join(tmpdir(), 'cemiflow-checkpoint-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(root, String(made++));

describe('rows', () => {
  const strides = { pixels: 2, similarity: 4 };
  const open = (folder: string, log: string[] = []) =>
    new RowCheckpoint(folder, 'rows', strides, (line) => log.push(line));
  const some = (...values: number[]) => ({
    pixels: Uint8Array.from(values.flatMap((value) => [value, value + 1])),
    similarity: Float32Array.from(values),
  });
  const similarities = (rows: ReturnType<typeof open>) => [
    ...new Float32Array(rows.read('similarity', 0, rows.count).buffer),
  ];

  test('are found again as far as they were saved; what was appended later, or half, is cut off', () => {
    const folder = fresh();
    const before = open(folder);
    expect(before.count).toBe(0);
    before.append(some(10, 20));
    before.save();
    before.append(some(30));
    before.close();
    appendFileSync(join(folder, 'rows.pixels'), 'x');

    const after = open(folder);
    expect(after.count).toBe(2);
    expect([...after.read('pixels', 1, 1)]).toEqual([20, 21]);
    after.append(some(31, 41));
    after.save();
    after.close();
    const again = open(folder);
    expect(similarities(again)).toEqual([10, 20, 31, 41]);
    expect(readFileSync(join(folder, 'rows.pixels'))).toHaveLength(8);
    again.close();
  });

  test('leave nothing on disk where none came', () => {
    const folder = fresh();
    open(folder).close();
    expect(() => readFileSync(folder)).toThrow('ENOENT');
  });

  test.each([
    ['a flipped bit', (file: string) => writeFileSync(file, Buffer.from([10, 11, 20, 22]))],
    ['a file cut short', (file: string) => truncateSync(file, 3)],
    ['a missing file', (file: string) => rmSync(file)],
    ['a torn count', (file: string) => writeFileSync(file.replace('pixels', 'json'), '{"rows": 2')],
  ])('with %s are made anew, which the log says', (_, damage) => {
    const folder = fresh();
    const before = open(folder);
    before.append(some(10, 20));
    before.save();
    before.close();
    damage(join(folder, 'rows.pixels'));
    const log: string[] = [];
    const after = open(folder, log);
    expect(after.count).toBe(0);
    expect(log.join()).toContain('damaged; they are made anew');
    after.append(some(1));
    after.save();
    after.close();
    const again = open(folder);
    expect(similarities(again)).toEqual([1]);
    again.close();
  });
});

describe('a training state', () => {
  const sizes = { weights: 3, m: 2 };
  const state = {
    step: 7,
    vectors: { weights: Float32Array.of(1, 2, 3), m: Float32Array.of(0.1, -0) },
    notes: { told: { step: 5, values: { loss: 0.1 + 0.2 } } },
  };
  const saved = () => {
    const folder = fresh();
    new TrainingCheckpoint(folder, sizes).save(state);
    return folder;
  };
  const read = (folder: string, log: string[] = []) =>
    new TrainingCheckpoint(folder, sizes).read({ log: (line) => log.push(line) });

  test('is found again to the last bit', () => {
    expect(read(saved())).toEqual(state);
    expect(read(fresh())).toBeUndefined();
  });

  test.each([
    ['a flipped bit', (bytes: Buffer) => bytes.with(bytes.length - 40, bytes.at(-40)! ^ 1)],
    ['half of it lost', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['nothing in it', () => Buffer.alloc(0)],
  ])('with %s is not used, which the log says', (_, damage) => {
    const folder = saved();
    const file = join(folder, 'training.safetensors');
    writeFileSync(file, damage(readFileSync(file)));
    const log: string[] = [];
    expect(read(folder, log)).toBeUndefined();
    expect(log.join()).toContain('training begins anew, its checkpoint is damaged');
  });

  test('of another network is refused', () => {
    const folder = saved();
    expect(() => new TrainingCheckpoint(folder, { ...sizes, m: 3 }).read({ log: () => undefined })).toThrow(
      "m does not have this training's 3 numbers",
    );
  });
});

describe('the cadence of saving', () => {
  /** When it saves in the first `seconds` of work, if a save costs so much. */
  async function savesIn(seconds: number, cost: number): Promise<number[]> {
    let now = 0;
    const saves: number[] = [];
    const cadence = new Cadence(() => now);
    while (now < 1000 * seconds) {
      now += 100;
      if (!cadence.due) continue;
      saves.push(now / 1000);
      await cadence.save(() => void (now += 1000 * cost));
    }
    return saves;
  }

  test('loses at most half of what was done, and 15 seconds', async () => {
    expect(await savesIn(75, 0)).toEqual([1, 3, 7, 15, 30, 45, 60, 75]);
  });

  test('takes at most a fiftieth of the time where a save is slow', async () => {
    const cost = 2;
    const saves = await savesIn(1000, cost);
    expect(saves.slice(0, 3)).toEqual([1, 103, 205]); // 2 s in each 102
    expect((saves.length * cost) / 1000).toBeLessThanOrEqual(0.0201);
  });
});

test('an attempt on another device begins anew, says which one would go on, and leaves its work there', () => {
  const checkpoint = fresh();
  const log: string[] = [];
  const on = (name: 'onnx' | 'tensorflow') =>
    deviceFolder({ checkpoint, log: (line) => log.push(line) }, { name });
  mkdirSync(checkpoint);
  mkdirSync(on('tensorflow'));
  expect(log).toEqual([]);
  expect(on('onnx')).toBe(join(checkpoint, 'onnx'));
  expect(log.join()).toMatch(
    /computed on tensorflow, this one computes on onnx.*--device tensorflow goes on/,
  );
  expect(on('tensorflow')).toBe(join(checkpoint, 'tensorflow'));
  expect(log).toHaveLength(1);
});
