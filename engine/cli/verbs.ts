/** All verbs, in the order of the help. Each file declares its words and loads what it calls only when it is called. */
import type { Command } from 'commander';
import { cacheVerb } from './cache.js';
import { compareVerb } from './compare.js';
import { completionVerb } from './completion.js';
import { dagVerb } from './dag.js';
import { doctorVerb } from './doctor.js';
import { gcVerb } from './gc.js';
import { initVerb } from './init.js';
import { listVerb } from './list.js';
import { logsVerb } from './logs.js';
import { planVerb } from './plan.js';
import { reportVerb } from './report.js';
import { runVerb } from './run.js';
import { schemaVerb } from './schema.js';
import { showVerb } from './show.js';
import { statusVerb } from './status.js';
import { syncVerb } from './sync.js';
import { validateVerb } from './validate.js';
import { whyVerb } from './why.js';

/** Adds itself to the program. */
export type Verb = (program: Command) => Command;

export const verbs: readonly Verb[] = [
  initVerb,
  validateVerb,
  planVerb,
  runVerb,
  statusVerb,
  whyVerb,
  dagVerb,
  listVerb,
  showVerb,
  logsVerb,
  compareVerb,
  reportVerb,
  syncVerb,
  gcVerb,
  cacheVerb,
  doctorVerb,
  schemaVerb,
  completionVerb,
];
