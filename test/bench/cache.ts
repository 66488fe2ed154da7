/** How fast artifacts are digested, beside sha256 of as many bytes in memory on all cores, which no digest can avoid. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { digestOfListing, listArtifact } from '../../engine/cache/artifact.js';
import type { Benchmark, Row } from './benchmark.js';
import { race } from './measure.js';
import { makeScratch, removeScratch } from './scratch.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Small files are read and hashed in place, middle ones on several threads, large ones piece by piece. */
const shapes = [
  { files: 2000, bytes: 8 * KiB, what: '2,000 files of 8 KiB' },
  { files: 32, bytes: 4 * MiB, what: '32 files of 4 MiB' },
  { files: 1, bytes: 128 * MiB, what: '1 file of 128 MiB' },
];

export const cache: Benchmark = {
  name: 'cache',
  title: 'digest of an artifact whose files are in memory already (page cache)',
  async run() {
    const scratch = makeScratch();
    const rows: Row[] = [];
    for (const { files, bytes, what } of shapes) {
      const folder = join(scratch, `${files}`);
      mkdirSync(folder);
      for (let i = 0; i < files; i++) writeFileSync(join(folder, `${i}`), randomBytes(bytes));
      const threads = await bareThreads();
      const [ours, bare] = await race(
        [
          { run: () => digestOfListing(folder, listArtifact(folder, what), { modes: true }) },
          { run: () => threads.hash(files, bytes) },
        ],
        { rounds: 5, seconds: 6, warmUp: true },
      );
      await threads.end();
      rows.push({
        what,
        seconds: ours!,
        work: { amount: (files * bytes) / MiB, unit: 'MiB' },
        peer: { name: 'bare sha256 on all cores', seconds: bare! },
      });
    }
    rows.push(await listing(scratch));
    removeScratch(scratch);
    return { rows, notes: ['One file is hashed by one core, and so are its bytes in memory.'] };
  },
};

/** What a status of unchanged artifacts costs. */
async function listing(scratch: string): Promise<Row> {
  const folder = join(scratch, 'many');
  const paths = Array.from({ length: 100_000 }, (_, i) => join(folder, `${Math.floor(i / 1000)}`, `${i}`));
  for (const [i, path] of paths.entries()) {
    if (i % 1000 === 0) mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'x');
  }
  const [ours, bare] = await race(
    [{ run: () => listArtifact(folder, 'many') }, { run: () => paths.forEach((path) => statSync(path)) }],
    { rounds: 7, seconds: 6, warmUp: true },
  );
  return {
    what: '100,000 unchanged files, looked at',
    seconds: ours!,
    work: { amount: paths.length, unit: 'files' },
    peer: { name: 'statSync of each', seconds: bare! },
  };
}

/** A thread that hashes as many bytes as it is told, in memory. */
const bareThread = `
const { parentPort } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const memory = Buffer.alloc(4 * 1024 * 1024, 7);
parentPort.on('message', ({ files, bytes }) => {
  for (let i = 0; i < files; i++) {
    const hash = createHash('sha256');
    for (let left = bytes; left > 0; left -= memory.length) hash.update(memory.subarray(0, left));
    hash.digest();
  }
  parentPort.postMessage(undefined);
});`;

async function bareThreads() {
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(bareThread, { eval: true }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'online')));
  return {
    hash: (files: number, bytes: number) =>
      Promise.all(
        workers.slice(0, files).map((worker) => {
          worker.postMessage({ files: Math.ceil(files / workers.length), bytes });
          return once(worker, 'message');
        }),
      ),
    end: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
