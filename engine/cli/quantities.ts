/** Durations and sizes as people type them, and times and counts as the cache's verbs print them. */
import { InvalidArgumentError } from 'commander';

const secondsOf = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;
const powers = ['', 'k', 'm', 'g', 't'];

/** "30d", "12h", "1.5h", "2w", "0" -> seconds. */
export function durationSeconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*([smhdw])?$/i.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() as keyof typeof secondsOf | undefined;
  if (!match || (unit === undefined && Number(match[1]) !== 0)) {
    throw new InvalidArgumentError(
      'It is no duration: give a number with s, m, h, d or w (seconds, minutes, hours, days, weeks), such as 30d.',
    );
  }
  return Number(match[1]) * (unit === undefined ? 0 : secondsOf[unit]);
}

/** "50GB", "800MB", "1.5TiB", "0" -> bytes. As disks are sold, GB is 1000^3; GiB is 1024^3. */
export function sizeBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(?:([kmgt]?)(i?)b?)$/i.exec(text.trim());
  const bare = match && match[2] === '' && !/b$/i.test(text.trim());
  if (!match || (match[2] === '' && match[3] !== '') || (bare && Number(match[1]) !== 0)) {
    throw new InvalidArgumentError(
      'It is no size: give a number with B, KB, MB, GB, TB or KiB, MiB, GiB, TiB, such as 50GB.',
    );
  }
  const base = match[3] === '' ? 1000 : 1024;
  return Math.floor(Number(match[1]) * base ** powers.indexOf(match[2]!.toLowerCase()));
}

/** "3 days ago": how long since a time in milliseconds. */
export function ago(then: number, now = Date.now()): string {
  const seconds = (now - then) / 1000;
  // A clock that was ahead, and was set back.
  if (seconds < 60) return seconds < -60 ? 'in the future' : 'just now';
  const [unit, size] = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ].find(([, size]) => seconds >= (size as number)) as [string, number];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}
