/**
 * The folder of one run, runs/<id>/: what lies where, how it is named, and whether its engine still lives.
 *   journal.jsonl      every event (events.ts)
 *   logs/<stage>.log   what the stage said, all attempts of this run one after the other
 *   experiment.yaml    the composed file, before expressions
 *   owner.json         the engine's process; its modification time is the engine's heartbeat
 *   report.html        the report, once written
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { livesStill, readOwner } from '../cache/owner.js';
import type { Digest } from '../digest.js';

export const HEARTBEAT_SECONDS = 10;
/** An engine on another machine is taken for dead after so long without a heartbeat. */
const SILENCE_SECONDS = 60;

/** The cache of results, shared by all runs of a runs folder. */
export const cacheRoot = (runsDir: string): string => join(runsDir, 'cache');

/** Where an artifact of that cache lies, if it is still there. Looking needs no open cache. */
export function artifactsIn(runsDir: string): (digest: Digest) => string | undefined {
  const objects = join(cacheRoot(runsDir), 'objects');
  return (digest) => {
    const folder = `${objects}${sep}${digest.slice(0, 2)}${sep}${digest}`;
    return existsSync(folder) ? folder : undefined;
  };
}

export const journalFile = (folder: string): string => join(folder, 'journal.jsonl');
export const ownerFile = (folder: string): string => join(folder, 'owner.json');
export const experimentCopy = (folder: string): string => join(folder, 'experiment.yaml');
export const reportFile = (folder: string): string => join(folder, 'report.html');

/** File systems allow 255 bytes a name; room is left for the ending. */
const longestName = 200;

/** The log of an instance. Names stay readable; where letters had to go, a digest keeps two names apart. */
export function logFile(folder: string, stage: string): string {
  const plain = stage.replace(/[^A-Za-z0-9@=,.+_-]/g, '_').slice(0, longestName);
  const tail = plain === stage ? '' : `-${createHash('sha256').update(stage).digest('hex').slice(0, 8)}`;
  return join(folder, 'logs', `${plain}${tail}.log`);
}

/** `20261124-181502-ab12`: local time, so that a person finds the run of this afternoon, and four digits of chance. */
export function newRunId(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `${day}-${time}-${randomBytes(2).toString('hex')}`;
}

export const isRunId = (name: string): boolean => /^\d{8}-\d{6}-[0-9a-f]{4}$/.test(name);

/** Whether the engine of a run that has not ended still works on it. */
export function engineLives(folder: string): boolean {
  let text: string;
  let beat: number;
  try {
    text = readFileSync(ownerFile(folder), 'utf8');
    beat = statSync(ownerFile(folder)).mtimeMs;
  } catch {
    // A folder copied without it, or an engine killed before its first line.
    return false;
  }
  const owner = readOwner(text);
  if (!owner) return false;
  const lives = livesStill(owner);
  return lives === 'alive' || (lives === 'unknown' && Date.now() - beat < SILENCE_SECONDS * 1000);
}
