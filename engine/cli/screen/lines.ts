/** The sentences of a run, one an event, for both views: the plain one adds the time, the live one lets them scroll above itself. */
import { say } from '../../plan/why.js';
import type { RunEvent } from '../../run/events.js';
import type { Colors } from '../output.js';
import type { RunState } from './run-state.js';
import { count, duration, fewMetrics, leftInWords, memory, planTally, printable, symbols } from './words.js';

export interface LineOptions {
  colors: Colors;
  quiet: boolean;
  verbose: boolean;
}

/** Lines for what has just happened; [] for what needs none. `state` has taken the event already. */
export function linesFor(event: RunEvent, state: RunState, options: LineOptions): string[] {
  const { colors: c, quiet, verbose } = options;
  switch (event.type) {
    case 'run-started':
      return [];
    case 'planned': {
      if (quiet) return [];
      const [cached, run, maybe] = [state.planned('reuse'), state.planned('run'), state.planned('maybe')];
      return [
        `${c.bold(state.name)}: run ${state.run}, ${count(state.total, 'stage')}: ${planTally({ cached, run, maybe })}`,
      ];
    }
    case 'stage-started': {
      if (quiet) return [];
      const again = event.attempt > 1 ? ` (attempt ${event.attempt})` : '';
      const decision = state.decision(event.stage);
      const why = verbose && decision && decision.act !== 'reuse' ? decision.because.map(say) : [];
      return [`${event.stage} started${again}`, ...why.map((reason) => c.dim(`  ${reason}`))];
    }
    case 'stage-ended':
      return endLine(event, state, options);
    case 'warning':
      return [`${c.yellow(`${symbols.warning} ${event.stage}`)}: ${event.text}`];
    case 'waiting':
      return quiet ? [] : [`${event.stage} waits: ${event.text}`];
    case 'retrying':
      return [
        `${c.yellow(`${symbols.warning} ${event.stage}`)}: ${printable(event.error)}; attempt ${event.attempt} of ${event.of} in ${duration(event.seconds)}`,
      ];
    case 'stopping': {
      const { running } = event;
      if (running.length === 0) return ['interrupted'];
      return [
        `interrupted: ${running.join(', ')} ${running.length === 1 ? 'writes a checkpoint' : 'write checkpoints'}; once more to kill`,
      ];
    }
    case 'left-behind':
      return event.processes.map(
        (left) => `${c.yellow(symbols.warning)} ended ${leftInWords(left)}, whose engine was killed`,
      );
    case 'tracking':
      return quiet && !event.trouble ? [] : [event.trouble ? c.yellow(event.text) : c.dim(event.text)];
    case 'log':
      return verbose
        ? event.lines.split('\n').map((line) => `${c.dim(`${event.stage} |`)} ${printable(line)}`)
        : [];
    case 'metric':
    case 'system':
    case 'progress':
    case 'run-ended':
      return [];
  }
}

function endLine(
  event: Extract<RunEvent, { type: 'stage-ended' }>,
  state: RunState,
  { colors: c, quiet, verbose }: LineOptions,
): string[] {
  const { stage, status, seconds } = event;
  const took = duration(seconds);
  switch (status) {
    case 'ok': {
      const figures = [fewMetrics(event.metrics), verbose ? memory(event.peakRssBytes) : ''].filter(Boolean);
      const more = figures.length > 0 ? c.dim(`  ${figures.join(` ${symbols.dot} `)}`) : '';
      return quiet ? [] : [`${c.green(symbols.ok)} ${stage} ${c.dim(took)}${more}`];
    }
    case 'cached':
      if (quiet || (state.wasPlannedCached(stage) && !verbose)) return [];
      return [
        `${c.cyan(symbols.cached)} ${stage} ${c.dim(state.wasPlannedCached(stage) ? 'cached' : `cached: ${state.whyCached(stage)}`)}`,
      ];
    case 'failed':
      return [`${c.red(symbols.failed)} ${stage} ${c.red('failed')} after ${took}: ${event.error ?? ''}`];
    case 'cancelled':
      return [`${c.yellow(symbols.cancelled)} ${stage} cancelled after ${took}: ${event.error ?? ''}`];
    case 'skipped':
      return verbose ? [c.dim(`${symbols.skipped} ${stage} not started: ${event.error ?? ''}`)] : [];
  }
}
