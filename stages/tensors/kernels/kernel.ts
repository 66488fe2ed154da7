/** What a kernel of the tracing backend is: it records nodes where other backends compute. */
import type { Graph } from '../graph.js';
import type { Symbolic } from '../symbol.js';

/** How one operation of tfjs is recorded. */
export interface TraceKernel {
  /** tfjs' name of the operation. */
  name: string;
  record(inputs: unknown, attributes: unknown, graph: Graph): Symbolic | Symbolic[];
}

/** A kernel of named inputs. K are their names, A the type of its attributes. */
export function kernel<K extends string, A = unknown>(
  name: string,
  record: (inputs: Record<K, Symbolic>, attributes: A, graph: Graph) => Symbolic | Symbolic[],
): TraceKernel {
  return { name, record: record as TraceKernel['record'] };
}

/** A kernel of a list of inputs. */
export function listKernel<A = unknown>(
  name: string,
  record: (inputs: Symbolic[], attributes: A, graph: Graph) => Symbolic | Symbolic[],
): TraceKernel {
  return { name, record: record as TraceKernel['record'] };
}
