/** `cemiflow doctor`: what this machine has, which devices work, and for each that does not the line that mends it. */
import { existsSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import type { Command } from 'commander';
import { fromHere, packageRoot, version } from './invocation.js';
import { type CommonOptions, jsonOption, runsDirOf } from './options.js';
import { colorsFor, columns, printJson, printLines } from './output.js';

export const doctorVerb = (program: Command): Command =>
  program
    .command('doctor')
    .description('say what this machine computes on, what does not work, and what would mend it')
    .addOption(jsonOption())
    .action(doctor);

async function doctor(_: unknown, command: Command): Promise<void> {
  const options = command.optsWithGlobals<CommonOptions>();
  const [{ inWords }, { discoverGpus }, { probeDevices }, { execa }] = await Promise.all([
    import('../cache/trouble.js'),
    import('../run/gpu-list.js'),
    import('../../stages/registry.js'),
    import('execa'),
  ]);
  const runsDir = runsDirOf(options);
  const git = await execa('git', ['--version'], { reject: false });
  const gpus = await discoverGpus();
  const devices = await probeDevices();
  const disk = freeBytes(runsDir);
  const cache = await cacheSize(runsDir);
  if (options.json) {
    return printJson({
      version: version(),
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
      freeMemoryBytes: freemem(),
      runsDir,
      freeDiskBytes: disk,
      cacheBytes: cache?.bytes ?? 0,
      git: git.exitCode === 0 ? git.stdout : null,
      gpus: gpus.map(({ token, id, name }) => ({ number: token, id, name })),
      devices,
    });
  }
  const c = colorsFor(process.stdout, options.color);
  printLines([
    ...columns([
      ['cemiflow', `${version()} in ${packageRoot}`],
      ['node', `${process.version} on ${process.platform} ${process.arch}`],
      [
        'processor',
        `${availableParallelism()} of ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}`,
      ],
      ['memory', `${inWords(totalmem())}, ${inWords(freemem())} free`],
      ['runs', `${fromHere(runsDir)}, ${disk === null ? 'unknown space' : inWords(disk)} free`],
      [
        'cache',
        cache === undefined
          ? 'nothing yet'
          : `${inWords(cache.bytes)} in ${cache.results} results (cemiflow cache ls, cemiflow gc)`,
      ],
      [
        'git',
        git.exitCode === 0
          ? git.stdout.replace('git version ', '')
          : 'not found: runs cannot note the commit',
      ],
      [
        'GPUs',
        gpus.length > 0
          ? gpus.map(({ token, name }) => `${token}: ${name}`).join(', ')
          : 'none that nvidia-smi lists',
      ],
    ]),
    '',
    'devices, best first; --device auto takes the first that works:',
    ...devices.flatMap((device) => {
      const name = device.name.padEnd(12);
      if (!device.works) {
        return [`  ${c.red('no ')} ${name}${device.why}`, `      ${' '.repeat(12)}${device.remedy}`];
      }
      const drawback =
        'why' in device && device.why !== undefined
          ? [`      ${' '.repeat(12)}auto passes it by: ${device.why}. ${device.remedy ?? ''}`]
          : [];
      return [`  ${c.green('yes')} ${name}${device.description}`, ...drawback];
    }),
  ]);
}

/** undefined where nothing has run yet. */
async function cacheSize(runsDir: string): Promise<{ bytes: number; results: number } | undefined> {
  const [{ openCache }, { takeInventory }, { cacheRoot }] = await Promise.all([
    import('../cache/cache.js'),
    import('../cache/inventory.js'),
    import('../journal/run-folder.js'),
  ]);
  const root = cacheRoot(runsDir);
  if (!existsSync(root)) return undefined;
  const cache = await openCache(root, { use: false });
  const { bytes, results } = takeInventory(cache);
  await cache.close();
  return { bytes, results: results.size };
}

/** Where runs go, or would go; null where it cannot be known. */
function freeBytes(folder: string): number | null {
  for (let at = folder; ; at = `${at}/..`) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return bavail * bsize;
    } catch {
      if (at.length > 4096) return null;
    }
  }
}
