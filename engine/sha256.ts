/** sha256 of what is in memory, in one call where this Node has it (from 20.12 on): a Hash object costs more than the hash of a small file. */
import * as crypto from 'node:crypto';

const { createHash } = crypto;
const atOnce = (crypto as { hash?: typeof crypto.hash }).hash;

/** @returns 64 lower-case hex digits; text is taken as UTF-8 */
export function sha256(content: string | Uint8Array): string {
  return atOnce ? atOnce('sha256', content) : createHash('sha256').update(content).digest('hex');
}
