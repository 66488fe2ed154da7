/**
 * The numbers a training reported last. They go into its checkpoint, because an attempt that resumes behind its last report would
 * otherwise end without them: what a result says must not depend on where it was interrupted.
 */
import type { StageContext } from '../contract.js';

export type Told = { step: number; values: { [metric: string]: number } };

export function tell({ metric }: Pick<StageContext, 'metric'>, told: Told | undefined): void {
  for (const [name, value] of Object.entries(told?.values ?? {})) metric(name, value, told!.step);
}
