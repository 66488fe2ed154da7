/**
 * Where in its checkpoint a stage keeps work done on a device. Bits differ between devices, so an attempt goes on only with what
 * the same one computed; the work of another stays, for an attempt that computes on that again.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { StageContext } from '../contract.js';
import type { Device } from '../tensors/device.js';

/** @returns a folder that need not exist yet: who saves makes it, so that work too short to save leaves nothing behind */
export function deviceFolder(
  { checkpoint, log }: Pick<StageContext, 'checkpoint' | 'log'>,
  { name }: Pick<Device, 'name'>,
): string {
  const folder = join(checkpoint, name);
  const others = readdirSync(checkpoint, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== name,
  );
  if (others.length > 0 && !existsSync(folder))
    log(
      `an earlier attempt computed on ${others.map((entry) => entry.name).join(' and ')}, this one computes on ${name} and begins anew: ` +
        `bits differ between devices. --device ${others[0]!.name} goes on with the earlier work`,
    );
  return folder;
}
