/** What memory means for stages that are about to run: how much each is expected to take, and a warning before one begins that has too little. */
import { inWords } from '../cache/trouble.js';
import type { StageInstance } from '../experiment/experiment.js';
import { readEarlier } from '../plan/earlier.js';
import { type Earlier, expectedMemory } from '../plan/forecast.js';
import { type MachineMemory, machineMemory } from './machine-memory.js';

/** @returns undefined where it fits */
export function tooLarge(
  { settings }: Pick<StageInstance, 'settings'>,
  bytes: number,
  { availableBytes, limitBytes, by }: MachineMemory,
): { text: string; remedy: string } | undefined {
  if (bytes <= availableBytes) return undefined;
  const { batch } = settings;
  const lower =
    typeof batch === 'number' && batch > 1
      ? `Lower its with.batch (now ${batch})`
      : 'Give it less to do at a time';
  return {
    text: `about ${inWords(bytes)} of memory expected, and ${inWords(availableBytes)} of ${by}'s ${inWords(limitBytes)} are available`,
    remedy: `${lower}, ${bytes <= limitBytes ? 'or end what else takes memory' : 'or run it where there is more'}.`,
  };
}

export interface MemoryNeeds {
  /** What stages may take together, bytes. */
  readonly room: number;
  /** Expected bytes of a stage; 0 where nothing is known. */
  of(instance: StageInstance): number;
  /** A sentence or two for a stage that begins; undefined where it fits by all that is known. */
  warning(instance: StageInstance): string | undefined;
}

/** @param device as asked for on the command line */
export function memoryNeeds(
  cacheRoot: string,
  instances: ReadonlyMap<string, StageInstance>,
  device: string,
): MemoryNeeds {
  // As it is before the first stage: what those of this run take is kept account of by the slots.
  const memory = machineMemory();
  const known = new Map<string, number>();
  let earlier: Earlier | undefined;
  const of = (instance: StageInstance): number => {
    let bytes = known.get(instance.name);
    if (bytes === undefined) {
      earlier ??= readEarlier(cacheRoot);
      bytes = expectedMemory(instance, instances, earlier, device) ?? 0;
      known.set(instance.name, bytes);
    }
    return bytes;
  };
  return {
    room: memory.availableBytes,
    of,
    warning(instance) {
      const found = tooLarge(instance, of(instance), memory);
      return found && `${found.text}. ${found.remedy}`;
    },
  };
}
