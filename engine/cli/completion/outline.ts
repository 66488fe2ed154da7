/** The names in an experiment file, without checking it: what can be completed must not wait for the file to be right. */
import { compose } from '../../experiment/compose.js';
import { Problems } from '../../experiment/problems.js';
import { entryOf, isMap, type Node } from '../../experiment/tree.js';
import type { Candidate } from './candidates.js';

export interface Outline {
  stages: Candidate[];
  profiles: Candidate[];
  /** Paths for --set that begin with this one: `params.` -> `params.identities=`, `stages.` -> `stages.faces.`. */
  below(path: string): Candidate[];
}

/** @returns undefined where there is no file that could be read */
export async function outline(
  file: string,
  profiles: readonly string[],
  set: readonly string[],
): Promise<Outline | undefined> {
  const root = await compose(file, { profiles, set }, new Problems());
  if (!root) return undefined;
  const names = (key: string) => {
    const map = entryOf(root, key)?.value;
    return isMap(map) ? [...map.entries] : [];
  };
  return {
    stages: names('stages').map(([text, { value }]) => {
      const uses = entryOf(value, 'uses')?.value;
      return { text, ...(uses?.type === 'scalar' ? { description: String(uses.value) } : {}) };
    }),
    profiles: names('profiles').map(([text]) => ({ text })),
    below(path) {
      const steps = path.split('.').slice(0, -1);
      const at = steps.reduce<Node | undefined>((node, step) => entryOf(node, step)?.value, root);
      if (!isMap(at)) return [];
      const before = steps.map((step) => `${step}.`).join('');
      return [...at.entries]
        .filter(([key]) => key !== 'profiles')
        .map(([key, { value }]) => ({
          text: `${before}${key}${isMap(value) ? '.' : '='}`,
          ...(value.type === 'scalar' && value.value !== null
            ? { description: `now ${String(value.value).split('\n', 1)[0]!}` }
            : {}),
        }));
    },
  };
}
