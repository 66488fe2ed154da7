/** What the harness runs: the experiment beside this file, its program, and photographs that are rendered here. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { packageRoot } from '../../engine/cli/invocation.js';
import { Studio } from '../../stages/faces/render/order.js';
import { FaceRenderer } from '../../stages/faces/render/renderer.js';
import type { Vary } from '../../stages/faces/render/shot.js';

const people = 8;
const each = 5;
const size = 160;
const vary: Vary = {
  yaw: 20, pitch: 8, roll: 4, expression: 0.5, age: 0.1, light: 0.6, glasses: 0, occluders: 0, background: 1, framing: 1,
  blur: 0.2, noise: 0.3,
}; // prettier-ignore

/** @returns the experiment's file */
export async function writeMaterial(folder: string): Promise<string> {
  const from = join(packageRoot, 'test/kill');
  mkdirSync(folder, { recursive: true });
  for (const name of ['experiment.yaml', 'program.mjs']) copyFileSync(join(from, name), join(folder, name));
  const studio = new Studio(new FaceRenderer(size), 1, 0);
  for (let person = 0; person < people; person++) {
    const own = join(folder, 'photos', `person-${person}`);
    mkdirSync(own, { recursive: true });
    for (let image = 0; image < each; image++) {
      const pixels = new Uint8Array(size * size * 3);
      studio.take({ purpose: 'photographs', person, image, vary }, pixels, 0);
      // A frame around it: a face that fills the picture is hard to find.
      await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
        .extend({ top: 60, bottom: 60, left: 60, right: 60, background: '#777777' })
        .png()
        .toFile(join(own, `${image}.png`));
    }
  }
  return join(folder, 'experiment.yaml');
}
