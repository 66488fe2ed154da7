/** Runs of which a server has not everything yet, and whose engine no longer works. */
import { listRuns } from '../journal/reader.js';
import { cursorsOf } from './cursor.js';
import type { TrackingTarget } from './server-settings.js';

export interface Unfinished {
  run: string;
  folder: string;
  target: TrackingTarget;
}

/** Oldest first. A run that was to be delivered and of which nothing was counts, too. */
export function unfinishedDeliveries(runsDir: string): Unfinished[] {
  return listRuns(runsDir)
    .reverse()
    .filter(({ state }) => state !== 'running')
    .flatMap(({ run, folder, started }) => {
      const cursors = cursorsOf(folder);
      const wanted = started.tracking;
      const begun = cursors.some(
        ({ uri, experiment }) => uri === wanted?.uri && experiment === wanted.experiment,
      );
      return [
        ...cursors
          .filter(({ complete }) => !complete)
          .map(({ uri, experiment }) => ({ run, folder, target: { uri, experiment } })),
        ...(wanted && !begun ? [{ run, folder, target: wanted }] : []),
      ];
    });
}
