/** What the engine asks of the list of stage kinds; stages/registry.ts is the real one, tests bring their own. */
import type { StageDeclaration } from '../../stages/contract.js';

export interface StageRegistry {
  get(kind: string): StageDeclaration | undefined;
  /** Names of all kinds, for messages and completion. */
  kinds(): string[];
}
