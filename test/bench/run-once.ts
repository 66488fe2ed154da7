/** One real run of an experiment, on ONNX Runtime and with a stage at a time, for what stages measure of themselves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunSummary } from '../../engine/run/summary.js';
import { execute } from './engine/contest.js';
import { program } from './engine/ours.js';

/**
 * @param folder of the run, which is there
 * @param experiment the text of its file
 * @throws an Error with what the run said, where it fails
 */
export function runOnce(folder: string, experiment: string): RunSummary {
  writeFileSync(join(folder, 'experiment.yaml'), experiment);
  const words = [program, 'run', 'experiment.yaml', '--json', '-j', '1', '--device', 'onnx'];
  return JSON.parse(execute({ program: process.execPath, words, cwd: folder })) as RunSummary;
}
