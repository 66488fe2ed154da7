/**
 * How much memory there is for stages: what the machine can give without swapping, or what is left of the limit of a control group
 * (a container, a systemd unit, a Slurm job). Version 2 of control groups and version 1.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';

export interface MachineMemory {
  /** Bytes that can still be taken. */
  availableBytes: number;
  /** The most there could be, if nothing else ran. */
  limitBytes: number;
  /** What sets the limit. */
  by: 'the machine' | 'a control group';
}

/** Where a version keeps what, in the folder of a group. */
const versions = [
  {
    line: /^0::(.*)$/m,
    mounts: ['sys/fs/cgroup', 'sys/fs/cgroup/unified'],
    limit: 'memory.max',
    used: 'memory.current',
    cache: /^inactive_file (\d+)$/m,
  },
  {
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m,
    mounts: ['sys/fs/cgroup/memory'],
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    cache: /^total_inactive_file (\d+)$/m,
  },
];

/** @param root of the file system. Where there is no /proc, all memory counts as available. */
export function machineMemory(root = '/'): MachineMemory {
  const figures = read(join(root, 'proc/meminfo'));
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(figures)?.[1]);
  const total = kib('MemTotal') * 1024 || totalmem();
  const memory: MachineMemory = {
    availableBytes: kib('MemAvailable') * 1024 || total,
    limitBytes: total,
    by: 'the machine',
  };
  const groups = read(join(root, 'proc/self/cgroup'));
  for (const version of versions) {
    const path = version.line.exec(groups)?.[1];
    if (path === undefined) continue;
    for (const mount of version.mounts)
      for (const folder of upwards(path)) {
        const group = join(root, mount, folder);
        // 'max', or a number near 2^63, where there is no limit.
        const limit = Number(read(join(group, version.limit)));
        if (!(limit > 0 && limit < total)) continue;
        // The kernel drops pages of files before it refuses memory.
        const cache = Number(version.cache.exec(read(join(group, 'memory.stat')))?.[1] ?? 0);
        const used = Number(read(join(group, version.used))) - cache;
        if (limit < memory.limitBytes) Object.assign(memory, { limitBytes: limit, by: 'a control group' });
        memory.availableBytes = Math.min(memory.availableBytes, Math.max(0, limit - used));
      }
  }
  return memory;
}

/** The group and those around it; in a container the path may be the host's, of which only '/' is seen. */
function upwards(path: string): string[] {
  const folders = [path];
  while (folders.at(-1) !== '/' && folders.at(-1) !== '.') folders.push(dirname(folders.at(-1)!));
  return folders;
}

/** '' for what is not there. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
