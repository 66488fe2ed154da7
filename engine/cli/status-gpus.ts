/** `cemiflow status --gpus`: the cards of this machine and who holds which, by all engines and all users. */
import { duration } from '../plan/why.js';
import { discoverGpus, type Gpu } from '../run/gpu-list.js';
import { type GpuHolder, gpuHolders, leasesFolder } from '../run/gpus.js';
import { fromHere } from './invocation.js';
import type { CommonOptions } from './options.js';
import { colorsFor, columns, printJson, printLines } from './output.js';

export async function statusOfGpus(options: CommonOptions): Promise<void> {
  const visible = await discoverGpus();
  const held = new Map(gpuHolders().map((holder) => [holder.gpu.id, holder]));
  // CUDA_VISIBLE_DEVICES may hide from us what others hold.
  const hidden = [...held.values()]
    .map(({ gpu }) => gpu)
    .filter(({ id }) => !visible.some((gpu) => gpu.id === id));
  const rows = [
    ...visible.map((gpu) => ({ gpu, visible: true, holder: held.get(gpu.id) })),
    ...hidden.map((gpu) => ({ gpu, visible: false, holder: held.get(gpu.id) })),
  ];
  if (options.json) {
    return printJson({
      leases: leasesFolder(),
      gpus: rows.map(({ gpu: { token, id, name }, visible, holder }) => ({
        number: token,
        id,
        name,
        visible,
        holder: holder ? asJson(holder) : null,
      })),
    });
  }
  if (rows.length === 0)
    return printLines([
      'no GPUs: nvidia-smi lists none, or CUDA_VISIBLE_DEVICES hides them (cemiflow doctor)',
    ]);
  const c = colorsFor(process.stdout, options.color);
  printLines(
    columns(
      rows.map(({ gpu, visible, holder }) => [
        gpu.token,
        nameOf(gpu),
        holder ? 'in use' : 'free',
        holder ? inWords(holder) : '',
        visible ? '' : 'not visible here',
      ]),
      (cell, column, row) => (column === 2 ? (rows[row]!.holder ? c.yellow : c.green)(cell) : cell),
    ),
  );
  if (options.verbose) process.stderr.write(`leases: ${fromHere(leasesFolder())}\n`);
}

const nameOf = ({ name, id, token }: Gpu) => (token === id ? name : `${name} ${id.slice(0, 12)}`);

const asJson = ({ pid, worker, host, run, stage, since }: GpuHolder) => ({
  pid: worker?.pid ?? pid,
  engine: pid,
  host,
  run,
  stage,
  since,
});

function inWords({ pid, worker, run, stage, since }: GpuHolder): string {
  const seconds = (Date.now() - Date.parse(since)) / 1000;
  return `${stage} of run ${run}, process ${worker?.pid ?? pid}, for ${duration(Math.max(0, seconds))}`;
}
