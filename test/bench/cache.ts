/** How fast artifacts are digested, beside sha256 of the same bytes in memory on one thread, which no digest can avoid. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
      const contents = Array.from({ length: files }, (_, i) => readFileSync(join(folder, `${i}`)));
      const [ours, bare] = await race(
        [
          { run: () => digestOfListing(folder, listArtifact(folder, what), { modes: true }) },
          { run: () => contents.forEach((content) => createHash('sha256').update(content).digest()) },
        ],
        { rounds: 5, seconds: 6, warmUp: true },
      );
      rows.push({
        what,
        seconds: ours!,
        work: { amount: (files * bytes) / MiB, unit: 'MiB' },
        peer: { name: 'bare sha256', seconds: bare! },
      });
    }
    removeScratch(scratch);
    return { rows, notes: [] };
  },
};
