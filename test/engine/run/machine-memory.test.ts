/** How much memory is found, in file trees as kernels and containers show them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { machineMemory } from '../../../engine/run/machine-memory.js';

const made: string[] = [];
afterEach(() => made.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

function machine(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'memory-'));
  made.push(root);
  const all = { 'proc/meminfo': 'MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable:    5000 kB\n', ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
const kb = (n: number) => n * 1024;
const mine = 'sys/fs/cgroup/user.slice/job';

test.each<{ where: string; files: Record<string, string>; memory: object }>([
  {
    where: 'without a limit',
    files: { 'proc/self/cgroup': '0::/user.slice/job\n', [`${mine}/memory.max`]: 'max\n' },
    memory: { availableBytes: kb(5000), limitBytes: kb(8000), by: 'the machine' },
  },
  {
    where: 'in a group whose parent is limited, pages of files not counted',
    files: {
      'proc/self/cgroup': '0::/user.slice/job\n',
      [`${mine}/memory.max`]: 'max\n',
      'sys/fs/cgroup/user.slice/memory.max': `${kb(3000)}\n`,
      'sys/fs/cgroup/user.slice/memory.current': `${kb(2500)}\n`,
      'sys/fs/cgroup/user.slice/memory.stat': `anon 5\ninactive_file ${kb(2000)}\nactive_file 7\n`,
    },
    memory: { availableBytes: kb(2500), limitBytes: kb(3000), by: 'a control group' },
  },
  {
    where: 'in a large group of a machine that is full',
    files: {
      'proc/self/cgroup': '0::/user.slice/job\n',
      [`${mine}/memory.max`]: `${kb(7000)}\n`,
      [`${mine}/memory.current`]: `${kb(100)}\n`,
    },
    memory: { availableBytes: kb(5000), limitBytes: kb(7000), by: 'a control group' },
  },
  {
    where: "in a container of version 1, whose path is the host's",
    files: {
      'proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${kb(2000)}\n`,
      'sys/fs/cgroup/memory/memory.usage_in_bytes': `${kb(1800)}\n`,
      'sys/fs/cgroup/memory/memory.stat': `cache 1\ntotal_inactive_file ${kb(300)}\n`,
    },
    memory: { availableBytes: kb(500), limitBytes: kb(2000), by: 'a control group' },
  },
  {
    where: 'in version 1 without a limit',
    files: {
      'proc/self/cgroup': '4:memory:/\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    },
    memory: { availableBytes: kb(5000), limitBytes: kb(8000), by: 'the machine' },
  },
])('$where', ({ files, memory }) => {
  expect(machineMemory(machine(files))).toEqual(memory);
});

test('here', () => {
  const { availableBytes, limitBytes } = machineMemory();
  expect(availableBytes).toBeGreaterThan(2 ** 20);
  expect(limitBytes).toBeGreaterThanOrEqual(availableBytes);
});
