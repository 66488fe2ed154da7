/**
 * When: a stage is visited once all that it needs has ended well; those whose result is there already end at once, the others
 * wait for slots and run. It knows no cache, no process and no screen: the crew does.
 */
import type { Need, Slots } from './slots.js';

/**
 * What a failed stage means for the others.
 *   finish      what runs is finished, nothing new is started (the default)
 *   keep-going  only the stages that depend on it are skipped
 *   fail-fast   what runs is cancelled at once
 */
export type FailureMode = 'finish' | 'keep-going' | 'fail-fast';

export interface Node {
  name: string;
  /** Names of the nodes that must have ended well before. */
  needs: readonly string[];
}

/** How the visit of a stage ended. */
export type Visit = 'ok' | 'cached' | 'failed' | 'cancelled';

export interface Crew {
  /** Whether there is a result now that all needs have ended; else what running it takes. */
  look(name: string): Promise<{ end: 'cached' | 'failed' } | { need: Need }>;
  work(name: string): Promise<Visit>;
  /** It will not run; `because` is a sentence's end: "fr failed". */
  skip(name: string, because: string): void;
  /** End what runs, after a checkpoint. */
  cancel(reason: string): void;
}

/**
 * Visits every node; settles when nothing runs any more. The crew's functions must not reject: a rejection is a bug, and is
 * passed on once the rest has been cancelled.
 * @param stop aborted on the user's word: nothing new is started. What runs, the crew ends.
 */
export async function schedule(
  nodes: readonly Node[],
  crew: Crew,
  slots: Slots,
  { failureMode, stop }: { failureMode: FailureMode; stop: AbortSignal },
): Promise<void> {
  const open = new Map(nodes.map((node) => [node.name, new Set(node.needs)]));
  const dependents = new Map<string, string[]>();
  for (const { name, needs } of nodes) {
    for (const need of needs) {
      const known = dependents.get(need);
      if (known) known.push(name);
      else dependents.set(need, [name]);
    }
  }
  const ready = nodes.filter(({ needs }) => needs.length === 0).map(({ name }) => name);
  let halted: string | undefined;
  let bug: { error: unknown } | undefined;
  const halt = () => (stop.aborted ? 'the run was interrupted' : halted);

  await new Promise<void>((settle) => {
    let active = 0;
    const advance = () => {
      // What became ready together is looked at together, and only then queues: the most urgent one gets the slots, not the
      // one that was looked at first.
      const batch = ready.splice(0).filter((name) => open.delete(name));
      const looks = batch.map(look);
      const allLooked = Promise.allSettled(looks);
      batch.forEach((name, index) => {
        active++;
        void visit(name, looks[index]!, allLooked).then(
          (end) => {
            active--;
            after(name, end);
            advance();
          },
          (error: unknown) => {
            active--;
            bug ??= { error };
            halted = 'the engine failed';
            crew.cancel('the engine failed');
            advance();
          },
        );
      });
      if (active > 0) return;
      for (const name of open.keys()) crew.skip(name, halt() ?? 'it was never ready');
      open.clear();
      settle();
    };
    const after = (name: string, end: Visit | 'halted') => {
      if (end === 'ok' || end === 'cached') {
        for (const next of dependents.get(name) ?? []) {
          const needs = open.get(next);
          needs?.delete(name);
          if (needs?.size === 0) ready.push(next);
        }
        return;
      }
      if (end === 'failed' && failureMode !== 'keep-going') {
        halted ??= `${name} failed`;
        if (failureMode === 'fail-fast') crew.cancel(`${name} failed`);
      }
      if (end === 'halted') crew.skip(name, halt() ?? 'the run was interrupted');
      if (end === 'failed' || end === 'cancelled') skipBelow(name, end);
    };
    const skipBelow = (failed: string, end: 'failed' | 'cancelled') => {
      const below = [...(dependents.get(failed) ?? [])];
      for (let name = below.pop(); name !== undefined; name = below.pop()) {
        if (!open.delete(name)) continue;
        crew.skip(name, end === 'failed' ? `${failed} failed` : `${failed} was cancelled`);
        below.push(...(dependents.get(name) ?? []));
      }
    };
    const look = async (name: string) =>
      halt() === undefined ? crew.look(name) : ({ end: 'halted' } as const);
    const visit = async (
      name: string,
      looked: ReturnType<typeof look>,
      allLooked: Promise<unknown>,
    ): Promise<Visit | 'halted'> => {
      const found = await looked;
      if ('end' in found) return found.end;
      await allLooked;
      // Asked again when its turn comes: minutes may have passed in the queue.
      return slots.run(found.need, async () => (halt() === undefined ? crew.work(name) : 'halted'));
    };
    advance();
  });
  if (bug) throw bug.error;
}
