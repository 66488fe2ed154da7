/** Measurements in words: one table a benchmark, and the machine they were made on. */
import { cpus, loadavg, totalmem, type as systemName, release } from 'node:os';
import { columns } from '../../engine/cli/output.js';
import type { Benchmark, Measured, Peer, Row } from './benchmark.js';
import { median, minimum } from './measure.js';

export interface Machine {
  cpu: string;
  cpus: number;
  memoryGiB: number;
  system: string;
  node: string;
  /** Processes that wanted to run, over the last minute. Above `cpus`, seconds mean little and ratios more. */
  load: number;
}

export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown CPU',
    cpus: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${systemName()} ${release()}`,
    node: process.version,
    load: loadavg()[0]!,
  };
}

export function machineLine({ cpu, cpus: count, memoryGiB, system, node, load }: Machine): string {
  return `${count} x ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}, load ${load.toFixed(1)}`;
}

/** The row's figures: rate and ratio from the shortest turns, which other work on the machine disturbs least. */
export function figuresOf({ seconds, processor, work, peer, peers }: Row) {
  const shortest = minimum(seconds);
  const against = (one: Peer) => ({
    name: one.name,
    min: minimum(one.seconds),
    ratio: shortest / minimum(one.seconds),
    ...(processor && one.processor ? { processorRatio: minimum(processor) / minimum(one.processor) } : {}),
  });
  return {
    min: shortest,
    median: median(seconds),
    turns: seconds.length,
    ...(processor ? { processor: minimum(processor) } : {}),
    ...(work ? { rate: work.amount / shortest, unit: `${work.unit}/s` } : {}),
    ...(peer ? { peer: against(peer) } : {}),
    ...(peers ? { peers: peers.map(against) } : {}),
  };
}

export function tableOf({ name, title }: Benchmark, { rows, table: own, notes }: Measured): string[] {
  const clocked = rows.some(({ processor }) => processor);
  const cells = rows.map((row) => {
    const figures = figuresOf(row);
    const { min, median: middle, turns, processor, rate, unit, peer, peers = peer ? [peer] : [] } = figures;
    return [
      row.what,
      duration(min),
      duration(middle),
      String(turns),
      rate === undefined ? '' : `${short(rate)} ${unit}`,
      peers.map(({ ratio, name: other }) => `${short(ratio)} x ${other}`).join(', '),
      ...(clocked ? [processor === undefined ? '' : duration(processor)] : []),
      ...(clocked ? [peers.map(({ processorRatio: ratio }) => (ratio ? short(ratio) : '')).join(', ')] : []),
    ];
  });
  const processor = clocked ? ['processor time', 'against'] : [];
  const table = own
    ? columns([[...own.head], ...own.rows.map((row) => [...row])])
    : columns([['', 'min', 'median', 'turns', 'rate', 'time against', ...processor], ...cells]);
  return [`${name}: ${title}`, ...[...table, ...notes].map((line) => `  ${line}`)];
}

function duration(seconds: number): string {
  if (seconds < 1e-3) return `${short(seconds * 1e6)} us`;
  return seconds < 1 ? `${short(seconds * 1e3)} ms` : `${short(seconds)} s`;
}

/** Three digits. */
function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
