/** Samples what the machine does while a run goes on: processor, memory, disk, and the run's GPUs. Names are those of MLflow's system metrics. */
import { statfsSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { execa } from 'execa';
import type { JournalEvent } from '../journal/events.js';
import type { Untimed } from '../journal/writer.js';

const everyMilliseconds = 10_000;
const firstMilliseconds = 1000;

export interface SystemWatch {
  stop(): void;
}

/**
 * @param disk a folder on the disk that the run writes to
 * @param gpus ids of the cards to ask nvidia-smi about; [] asks nothing
 */
export function watchSystem(
  disk: string,
  gpus: readonly string[],
  tell: (event: Extract<Untimed<JournalEvent>, { type: 'system' }>) => void,
): SystemWatch {
  let stopped = false;
  let step = 0;
  let before = processorTimes();
  let timer = setTimeout(sample, firstMilliseconds);
  timer.unref();

  function sample(): void {
    const now = processorTimes();
    const [busy, all] = [now.busy - before.busy, now.all - before.all];
    before = now;
    const used = totalmem() - freemem();
    const values = {
      cpu_utilization_percentage: all > 0 ? round((100 * busy) / all) : 0,
      system_memory_usage_megabytes: round(used / 1e6),
      system_memory_usage_percentage: round((100 * used) / totalmem()),
      ...diskUse(disk),
    };
    void gpuUse(gpus).then((cards) => {
      if (stopped) return;
      tell({ type: 'system', step: step++, values: { ...values, ...cards } });
      timer = setTimeout(sample, everyMilliseconds);
      timer.unref();
    });
  }

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const round = (value: number): number => Math.round(value * 10) / 10;

function processorTimes(): { busy: number; all: number } {
  let [busy, all] = [0, 0];
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.irq + times.idle;
    busy += sum - times.idle;
    all += sum;
  }
  return { busy, all };
}

function diskUse(folder: string): Record<string, number> {
  try {
    const { blocks, bavail, bsize } = statfsSync(folder);
    return {
      disk_available_megabytes: round((bavail * bsize) / 1e6),
      disk_usage_percentage: round((100 * (blocks - bavail)) / blocks),
    };
  } catch {
    return {};
  }
}

/** Of each card utilisation, memory and power; what a card does not tell is left out. */
async function gpuUse(ids: readonly string[]): Promise<Record<string, number>> {
  if (ids.length === 0) return {};
  const fields = 'uuid,utilization.gpu,memory.used,memory.total,power.draw';
  const { exitCode, stdout } = await execa(
    'nvidia-smi',
    [`--query-gpu=${fields}`, '--format=csv,noheader,nounits'],
    { reject: false, timeout: 5000 },
  );
  if (exitCode !== 0) return {};
  const values: Record<string, number> = {};
  for (const line of stdout.split('\n')) {
    const [id = '', ...figures] = line.split(',').map((field) => field.trim());
    const card = ids.indexOf(id);
    if (card < 0) continue;
    const [busy, used, total, power] = figures.map(Number) as [number, number, number, number];
    const named = {
      utilization_percentage: busy,
      memory_usage_megabytes: used,
      memory_usage_percentage: round((100 * used) / total),
      power_usage_watts: power,
    };
    for (const [name, value] of Object.entries(named))
      if (Number.isFinite(value)) values[`gpu_${card}_${name}`] = value;
  }
  return values;
}
