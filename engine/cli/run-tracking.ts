/** The tracking of `run`: which server, what is said about it while the run goes on, and the wait at the end. */
import type { Experiment } from '../experiment/experiment.js';
import type { Delivery } from '../tracking/engine-side.js';
import { TrackingSettingsError, type TrackingTarget, trackingTarget } from '../tracking/server-settings.js';

export interface RunTracking {
  target: TrackingTarget;
  /** @param folder of the run, whose journal has begun */
  begin(folder: string): void;
  /** After the run's end and its report. */
  finish(run: string, signal: AbortSignal): Promise<void>;
}

type Say = (text: string, trouble: boolean) => void;

/** undefined where no server is named, or what names one cannot be used: that is said, and the run goes on without. */
export async function openTracking(
  experiment: Experiment,
  runsDir: string,
  say: Say,
): Promise<RunTracking | undefined> {
  let target: TrackingTarget | undefined;
  try {
    target = trackingTarget(experiment.tracking, experiment.name, process.env);
  } catch (error) {
    if (!(error instanceof TrackingSettingsError)) throw error;
    say(`tracking: ${error.message}; the run goes on without. ${error.remedy}`, true);
  }
  if (!target) return undefined;
  const known = target;
  const { startDelivery } = await import('../tracking/engine-side.js');
  let delivery: Delivery | undefined;
  return {
    target,
    begin(folder) {
      delivery = startDelivery({ runsDir, folder, target: known, say });
    },
    async finish(run, signal) {
      const left = await delivery?.finish(signal);
      if (left !== undefined)
        say(`tracking: not everything is on the server yet (${left}). Later: cemiflow sync ${run}`, true);
    },
  };
}
