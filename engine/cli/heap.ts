/**
 * Lets V8 look for garbage sooner, and give more memory back: else its heap grows to a multiple of what a run of thousands of stages holds,
 * since each leaves a little behind and much of what it needed in between. Small runs take what V8 finds best, and so does a plan, which
 * is over before there is much to collect.
 */
import { setFlagsFromString } from 'node:v8';
import { collectGarbage } from '../collector.js';

const MANY_STAGES = 2000;

/** Of this process; what it starts is not touched. @param stages that are to run now */
export function keepHeapSmall(stages: number): void {
  if (stages <= MANY_STAGES) return;
  setFlagsFromString('--optimize-for-size');
  // How far the heap may grow was settled when V8 last looked: it must look once more.
  collectGarbage();
}
