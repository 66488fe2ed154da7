/** The forecast of a plan, and what the cache saved a run: the figures put together, and said. */
import { availableParallelism } from 'node:os';
import { inWords } from '../cache/trouble.js';
import type { Experiment, StageInstance } from '../experiment/experiment.js';
import { readEarlier } from '../plan/earlier.js';
import { forecast, type StageForecast, type UnknownStage } from '../plan/forecast.js';
import type { Decision } from '../plan/plan.js';
import { dependencies } from '../plan/select.js';
import { type Room, type Task, timetable } from '../plan/timetable.js';
import { duration } from '../plan/why.js';
import { gpusOf } from '../run/gpus.js';
import { type MachineMemory, machineMemory } from '../run/machine-memory.js';
import { tooLarge } from '../run/memory-need.js';
import type { StageEnded } from '../report/run.js';

export interface Forecast {
  /** Expected from start to end, if all that may have to run does, and what is not known takes no time. */
  seconds: number;
  /** Of all stages, one after the other. */
  stageSeconds: number;
  diskBytes: number;
  peakRssBytes: number;
  jobs: number | null;
  cpus: number;
  gpus: number;
  memory: MachineMemory;
  /** Stages that are expected to take more memory than is available, by themselves. */
  tooLarge: { name: string; peakRssBytes: number; text: string; remedy: string }[];
  /** Whether stages that could run side by side have to wait for each other's memory. */
  memoryBound: boolean;
  stages: StageForecast[];
  unknown: UnknownStage[];
  /** What the cached stages took when they were made, one after the other. */
  cachedSeconds: number;
}

export interface ForecastOptions {
  cacheRoot: string;
  device: string;
  jobs?: number | undefined;
}

export async function forecastOf(
  experiment: Experiment,
  decisions: ReadonlyMap<string, Decision>,
  { cacheRoot, device, jobs }: ForecastOptions,
): Promise<Forecast> {
  const instances = experiment.stages.filter(({ name }) => decisions.has(name));
  const open = instances.filter(({ name }) => decisions.get(name)!.act !== 'reuse');
  const { stages, unknown } =
    open.length > 0
      ? forecast(instances, decisions, readEarlier(cacheRoot), device)
      : { stages: new Map<string, StageForecast>(), unknown: [] };
  const memory = machineMemory();
  const room = await roomFor(open, jobs, memory);
  const estimates = new Map(
    unknown.map(({ name, peakRssBytes = 0 }) => [name, { seconds: 0, peakRssBytes }]),
  );
  const expected = (name: string) => stages.get(name) ?? estimates.get(name);
  const tasks = open.map((instance) => taskOf(instance, expected(instance.name), device, room));
  const table = timetable(tasks, room);
  const cached = [...decisions.values()].flatMap((decision) =>
    decision.act === 'reuse' ? [decision.result.by.seconds] : [],
  );
  const all = [...stages.values()];
  return {
    ...table,
    stageSeconds: total(all.map(({ seconds }) => seconds)),
    diskBytes: total(all.map(({ diskBytes }) => diskBytes)),
    jobs: jobs ?? null,
    cpus: room.cpus,
    gpus: room.gpus,
    memory,
    tooLarge: open.flatMap((instance) => {
      const peakRssBytes = expected(instance.name)?.peakRssBytes ?? 0;
      const found = tooLarge(instance, peakRssBytes, memory);
      return found ? [{ name: instance.name, peakRssBytes, ...found }] : [];
    }),
    memoryBound:
      table.peakRssBytes > 0 &&
      timetable(tasks, { ...room, memory: Infinity }).peakRssBytes > table.peakRssBytes,
    stages: all,
    unknown,
    cachedSeconds: total(cached),
  };
}

async function roomFor(
  instances: readonly StageInstance[],
  jobs: number | undefined,
  { availableBytes }: MachineMemory,
): Promise<Room> {
  const room = { jobs: jobs ?? Infinity, cpus: availableParallelism(), memory: availableBytes };
  if (!instances.some(({ resources }) => resources.gpus > 0)) return { ...room, gpus: 0 };
  const { discoverGpus } = await import('../run/gpu-list.js');
  return { ...room, gpus: (await discoverGpus()).length };
}

function taskOf(
  instance: StageInstance,
  known: { seconds: number; peakRssBytes: number } | undefined,
  device: string,
  room: Room,
): Task {
  return {
    name: instance.name,
    needs: dependencies(instance),
    seconds: known?.seconds ?? 0,
    peakRssBytes: known?.peakRssBytes ?? 0,
    cpus: instance.resources.cpus,
    gpus: gpusOf(instance, device, room.gpus),
  };
}

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** For people. Nothing where nothing is to run. */
export function forecastLines(forecasts: Forecast, verbose: boolean): string[] {
  const { seconds, stageSeconds, diskBytes, peakRssBytes, jobs, cpus, stages, unknown } = forecasts;
  if (unknown.length === 0 && stages.length === 0) return [];
  const reasons = [...new Set(unknown.map(({ because }) => because))];
  const kinds = reasons.map((because) => because.replace(/^no earlier run of /, ''));
  const memory = memoryLines(forecasts);
  if (stages.length === 0) return [`expected: unknown; no earlier run of ${kinds.join(', ')}`, ...memory];
  const lines: string[] = [];
  const least = unknown.length > 0 ? 'at least ' : 'about ';
  const slots = `${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}${jobs === null ? '' : `, -j ${jobs}`}`;
  const serial = stageSeconds > 1.05 * seconds ? `; one after the other ${duration(stageSeconds)}` : '';
  lines.push(
    `expected: ${least}${duration(seconds)} on ${slots}${serial}; ${inWords(diskBytes)} of disk, up to ${inWords(peakRssBytes)} of memory`,
  );
  const count = (nearness: StageForecast['nearness']) =>
    stages.filter((stage) => stage.nearness === nearness).length;
  const basis = [
    [count('same'), 'as they ran before'],
    [count('scaled'), 'scaled from another amount of work'],
    [count('near'), 'from runs that differ in more than that'],
  ] as const;
  const words = basis.flatMap(([n, what]) => (n > 0 ? [`${n} ${what}`] : []));
  lines.push(`  ${words.join(', ')}${verbose ? '' : ' (-v: which)'}`);
  if (verbose) lines.push(...stages.map((stage) => `  ${stageLine(stage)}`));
  for (const because of reasons) {
    const names = unknown.filter((stage) => stage.because === because).map(({ name }) => name);
    const some =
      names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
    lines.push(`  unknown: ${some} (${because})`);
  }
  return [...lines, ...memory];
}

/** What will not fit, and what fits only one after the other. */
function memoryLines({ tooLarge: large, memoryBound, memory: { availableBytes } }: Forecast): string[] {
  const lines = large.map(({ name, text, remedy }) => `! ${name} does not fit: ${text}. ${remedy}`);
  if (memoryBound)
    lines.push(
      `  stages wait for each other where together they would take more than the ${inWords(availableBytes)} of memory that are available; smaller batches would let more run side by side`,
    );
  return lines;
}

function stageLine({ name, seconds, nearness, scale, from, differs }: StageForecast): string {
  const times = Math.abs(scale - 1) < 0.005 ? '' : `, times ${Number(scale.toPrecision(3))}`;
  const how =
    nearness === 'same'
      ? 'as'
      : nearness === 'scaled'
        ? 'from'
        : `differs in ${differs.slice(0, 4).join(', ')}${differs.length > 4 ? ', ...' : ''} from`;
  return `${name} ${duration(seconds)}: ${how} ${from.stage} of run ${from.run}${times}`;
}

/**
 * What a run would have taken longer without the cache: all its stages played through, against those that ran.
 * '' where it saved less than a second.
 */
export function savedLine(
  experiment: Experiment,
  ends: ReadonlyMap<string, StageEnded>,
  jobs: number | undefined,
): string {
  const room: Room = {
    jobs: jobs ?? Infinity,
    cpus: availableParallelism(),
    gpus: Infinity,
    memory: Infinity,
  };
  const tasks = (cachedToo: boolean) =>
    experiment.stages.flatMap((instance) => {
      const end = ends.get(instance.name);
      if (!end) return [];
      const seconds = end.status === 'cached' ? (cachedToo ? (end.from?.seconds ?? 0) : 0) : end.seconds;
      return [taskOf(instance, { seconds, peakRssBytes: 0 }, 'auto', room)];
    });
  const saved = timetable(tasks(true), room).seconds - timetable(tasks(false), room).seconds;
  return saved < 1 ? '' : `the cache saved about ${duration(saved)}`;
}
