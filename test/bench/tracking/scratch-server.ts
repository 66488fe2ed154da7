/** A real MLflow server for the time of a benchmark. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MlflowServer, python } from '../../mlflow/server.js';
import type { Measured } from '../benchmark.js';
import { makeScratch, removeScratch } from '../scratch.js';

export async function withServer(
  measure: (server: MlflowServer, scratch: string) => Promise<Measured>,
  niceness = 0,
  workers = 1,
): Promise<Measured> {
  // Before anything is begun: says how to get it where it is not there.
  python();
  return inScratch(async (scratch) => {
    const folder = join(scratch, 'server');
    mkdirSync(folder);
    const server = new MlflowServer(folder);
    try {
      await server.start(niceness, workers);
      return await measure(server, scratch);
    } finally {
      await server.kill();
    }
  });
}

export async function inScratch(measure: (scratch: string) => Promise<Measured>): Promise<Measured> {
  const scratch = makeScratch();
  try {
    return await measure(scratch);
  } finally {
    removeScratch(scratch);
  }
}
