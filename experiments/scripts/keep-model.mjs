// Keeps a model that a run made, as experiments/pretrained/ has it: config.json, model.safetensors, the sample sheet, and
// record.json, which says which run made it and is checked when the weights are loaded.
//
//   node experiments/scripts/keep-model.mjs RUNS_FOLDER RUN STAGE TARGET_FOLDER
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [runs, run, stage, target] = process.argv.slice(2);
if (!target) {
  console.error('usage: node experiments/scripts/keep-model.mjs RUNS_FOLDER RUN STAGE TARGET_FOLDER');
  process.exit(2);
}
const events = readFileSync(join(runs, run, 'journal.jsonl'), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const started = events.find((event) => event.type === 'run-started');
const ended = events.find((event) => event.type === 'stage-ended' && event.stage === stage);
const output = ended && Object.values(ended.outputs).find((one) => one.type === 'model');
if (!output) {
  console.error(`run ${run} has no model of stage ${stage}`);
  process.exit(1);
}

const from = join(runs, 'cache', 'objects', output.digest.slice(0, 2), output.digest);
mkdirSync(target, { recursive: true });
for (const file of ['config.json', 'model.safetensors', 'sample.png'])
  if (existsSync(join(from, file))) copyFileSync(join(from, file), join(target, file));

const points = events.filter(
  (event) => event.type === 'metric' && event.stage === stage && event.name === 'loss',
);
const every = Math.ceil(points.length / 25);
const record = {
  digest: createHash('sha256')
    .update(readFileSync(join(target, 'model.safetensors')))
    .digest('hex'),
  experiment: `experiments/${basename(started.file)}`,
  stage,
  commit: started.git?.commit ?? null,
  changed: started.git?.dirty ?? null,
  seed: started.seed,
  params: started.params,
  version: started.version,
  device: ended.device ?? started.device,
  started: started.at,
  seconds: Math.round(ended.seconds),
  steps: points.at(-1)?.step ?? null,
  losses: points
    .filter((_, i) => i % every === every - 1 || i === points.length - 1)
    .map(({ step, value }) => ({ step, loss: Number(value.toPrecision(5)) })),
};
writeFileSync(join(target, 'record.json'), `${JSON.stringify(record, null, 2)}\n`);
console.log(
  `${target}: ${record.steps} steps, last loss ${record.losses.at(-1)?.loss}, sha256 ${record.digest}`,
);
