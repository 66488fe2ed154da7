/**
 * Lets V8 wait longer before it compiles a function for speed. A command lives for a second, and of a run with nothing to do two fifths of
 * the processor time on Node 20 went into such code, a fifth on 22; a function that runs for long still gets there. Stages are other
 * processes and are left alone.
 */
import { setFlagsFromString } from 'node:v8';

/** Some fifteen times what V8 has. By the major version of Node, as names differ; on 24, with a quicker compiler between, it gains nothing. */
const flags: Readonly<Record<string, string>> = {
  20: '--interrupt-budget=1000000',
  22: '--invocation-count-for-turbofan=50000',
};

export function compileLate(): void {
  const flag = flags[process.versions.node.split('.', 1)[0]!];
  if (flag !== undefined) setFlagsFromString(flag);
}
