/**
 * How long stages of known length take together: the scheduler's rule (what is ready and has the longest path below it goes
 * first, as CPUs, GPUs, memory and -j allow) played through with a clock of its own. Pure.
 */
export interface Task {
  name: string;
  /** Tasks that must have ended; names of others count as ended. */
  needs: readonly string[];
  seconds: number;
  peakRssBytes: number;
  cpus: number;
  gpus: number;
}

export interface Room {
  /** Stages at a time. */
  jobs: number;
  cpus: number;
  gpus: number;
  /** Bytes that stages may take together; one that takes more runs while no other does that takes any. */
  memory: number;
}

export interface Timetable {
  /** From the first start to the last end. */
  seconds: number;
  /** The most memory of stages at work at one moment, were each at its peak then. */
  peakRssBytes: number;
}

/** @param tasks in topological order */
export function timetable(tasks: readonly Task[], room: Room): Timetable {
  const path = pathsBelow(tasks);
  const byName = new Map(tasks.map((task) => [task.name, task]));
  const open = new Map(
    tasks.map(({ name, needs }) => [name, new Set(needs.filter((need) => byName.has(need)))]),
  );
  const dependents = new Map<string, string[]>();
  for (const [name, needs] of open)
    for (const need of needs) dependents.set(need, [...(dependents.get(need) ?? []), name]);

  const free = { ...room };
  const need = (task: Task) => ({
    cpus: Math.min(task.cpus, room.cpus),
    gpus: Math.min(task.gpus, room.gpus),
    memory: Math.min(task.peakRssBytes, room.memory),
  });
  const ready: Task[] = [];
  const working: { task: Task; until: number }[] = [];
  let clock = 0;
  let peakRssBytes = 0;

  const enqueue = (task: Task) => {
    // Binary insertion: the most urgent first, among equals the one that was ready first.
    let [low, high] = [0, ready.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (path.get(ready[middle]!.name)! >= path.get(task.name)!) low = middle + 1;
      else high = middle;
    }
    ready.splice(low, 0, task);
  };
  const start = () => {
    while (free.jobs > 0 && free.cpus > 0) {
      const index = ready.findIndex((task) => {
        const { cpus, gpus, memory } = need(task);
        return cpus <= free.cpus && gpus <= free.gpus && memory <= free.memory;
      });
      if (index < 0) return;
      const [task] = ready.splice(index, 1) as [Task];
      free.jobs -= 1;
      free.cpus -= need(task).cpus;
      free.gpus -= need(task).gpus;
      free.memory -= need(task).memory;
      working.push({ task, until: clock + task.seconds });
    }
  };

  for (const task of tasks) if (open.get(task.name)!.size === 0) enqueue(task);
  for (start(); working.length > 0; start()) {
    peakRssBytes = Math.max(
      peakRssBytes,
      working.reduce((total, { task }) => total + task.peakRssBytes, 0),
    );
    let next = 0;
    for (let i = 1; i < working.length; i++) if (working[i]!.until < working[next]!.until) next = i;
    const [{ task, until }] = working.splice(next, 1) as [(typeof working)[number]];
    clock = until;
    free.jobs += 1;
    free.cpus += need(task).cpus;
    free.gpus += need(task).gpus;
    free.memory += need(task).memory;
    for (const name of dependents.get(task.name) ?? []) {
      const needs = open.get(name)!;
      needs.delete(task.name);
      if (needs.size === 0) enqueue(byName.get(name)!);
    }
  }
  return { seconds: clock, peakRssBytes };
}

/** Seconds from the start of each task to the end of all below it. */
function pathsBelow(tasks: readonly Task[]): Map<string, number> {
  const below = new Map<string, number>();
  const paths = new Map<string, number>();
  for (const { name, needs, seconds } of [...tasks].reverse()) {
    const path = (below.get(name) ?? 0) + seconds;
    paths.set(name, path);
    for (const need of needs) below.set(need, Math.max(below.get(need) ?? 0, path));
  }
  return paths;
}
