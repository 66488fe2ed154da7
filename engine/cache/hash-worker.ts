/** A thread of hasher.ts: hashes the files it is told, and answers with their digests or with what went wrong. */
import { parentPort } from 'node:worker_threads';
import { hashFileSync } from './hash-file.js';
import type { HashAnswer, HashTask } from './hasher.js';

const port = parentPort!;
port.on('message', ({ files }: HashTask) => {
  const answer: HashAnswer = { hashes: [] };
  try {
    for (const { path, size } of files) answer.hashes.push(hashFileSync(path, size));
  } catch (error) {
    // An error's own fields do not cross between threads.
    const { message, code, path, syscall, errno } = error as NodeJS.ErrnoException;
    answer.trouble = { message, code, path, syscall, errno };
  }
  port.postMessage(answer);
});
