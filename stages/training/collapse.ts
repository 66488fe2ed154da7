/**
 * What happens when work turns out to have come to nothing (a network that guesses, embeddings that are all alike): the stage ends
 * with the reason, so that nothing is built on it, or warns where the setting `onCollapse` asks for that. How it shows is each
 * stage's own knowledge.
 */
import { type StageContext, StageError } from '../contract.js';

export type OnCollapse = 'fail' | 'warn';

/** @throws StageError where onCollapse is fail */
export function collapsed(
  context: Pick<StageContext, 'warn'>,
  onCollapse: OnCollapse,
  what: string,
  remedy: string,
): void {
  if (onCollapse === 'fail')
    throw new StageError(what, `${remedy} with.onCollapse: warn goes on all the same.`);
  context.warn(`${what}. ${remedy}`);
}

/** One bad report is chance or a spike that passes; three in a row are a state. */
export class Streak {
  /** @param length so far, where a training resumes */
  constructor(public length = 0) {}

  /** @returns true once, when the third in a row is bad */
  see(bad: boolean): boolean {
    this.length = bad ? this.length + 1 : 0;
    return this.length === 3;
  }
}
