/** The GPUs that an engine may use: what nvidia-smi lists, as far as an inherited CUDA_VISIBLE_DEVICES lets us see it. */
import { execa } from 'execa';

export interface Gpu {
  /** What CUDA_VISIBLE_DEVICES takes: a number, or a UUID where the user gave one and for slices of a card (MIG). */
  token: string;
  /** The same card has the same id whatever number a user gave it. */
  id: string;
  name: string;
}

interface Card extends Gpu {
  /** Where it is cut into slices (MIG), CUDA computes on these only, one to a process. */
  slices: Gpu[];
}

/** In the order in which a program would count them. [] without a driver. */
export async function discoverGpus(environment: NodeJS.ProcessEnv = process.env): Promise<Gpu[]> {
  const { exitCode, stdout } = await execa('nvidia-smi', ['-L'], {
    reject: false,
    timeout: 10_000,
    env: environment as Record<string, string>,
  });
  const cards = exitCode === 0 ? parseList(stdout) : [];
  const visible = environment['CUDA_VISIBLE_DEVICES'];
  if (visible !== undefined) return onlyVisible(cards, visible);
  return cards.flatMap(({ slices, ...card }) => (slices.length > 0 ? slices : card));
}

/** The lines of `nvidia-smi -L`: a card, then its slices, indented. */
function parseList(text: string): Card[] {
  const cards: Card[] = [];
  for (const line of text.split('\n')) {
    const card = /^GPU (\d+): (.+) \(UUID: (\S+)\)\s*$/.exec(line);
    if (card) cards.push({ token: card[1]!, name: card[2]!, id: card[3]!, slices: [] });
    const slice = /^\s+(MIG \S+)\s.*\(UUID: (\S+)\)\s*$/.exec(line);
    const whole = cards.at(-1);
    if (slice && whole)
      whole.slices.push({ token: slice[2]!, id: slice[2]!, name: `${whole.name} ${slice[1]}` });
  }
  return cards;
}

/** As CUDA reads it: numbers, UUIDs or the beginning of one; what comes after the first entry that names nothing is hidden. */
function onlyVisible(cards: readonly Card[], value: string): Gpu[] {
  const visible: Gpu[] = [];
  for (const token of value.split(',').map((text) => text.trim())) {
    const gpu = named(cards, token);
    if (!gpu) break;
    // Twice the same is once: it cannot be leased twice.
    if (!visible.some(({ id }) => id === gpu.id)) visible.push({ ...gpu, token });
  }
  return visible;
}

function named(cards: readonly Card[], token: string): Gpu | undefined {
  const first = (card: Card | undefined) => card?.slices[0] ?? card;
  if (/^\d+$/.test(token)) return first(cards.find((card) => card.token === token));
  if (token.startsWith('GPU-')) {
    const meant = cards.filter(({ id }) => id.startsWith(token));
    return meant.length === 1 ? first(meant[0]) : undefined;
  }
  if (!token.startsWith('MIG-')) return undefined;
  // In a container nvidia-smi may not list the slice that it was given.
  const slice = cards.flatMap(({ slices }) => slices).find(({ id }) => id === token);
  return slice ?? { token, id: token, name: token };
}
