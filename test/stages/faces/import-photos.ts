/** What tests of the import share: photographs of rendered faces, whose landmarks are known, and folders of them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Point, templateFor } from '../../../stages/faces/import/similarity.js';
import type { Picture } from '../../../stages/faces/import/warp.js';
import { Studio } from '../../../stages/faces/render/order.js';
import { FaceRenderer } from '../../../stages/faces/render/renderer.js';

const plain = {
  yaw: 0,
  pitch: 0,
  roll: 0,
  expression: 0,
  age: 0,
  light: 0.2,
  glasses: 0,
  occluders: 0,
  background: 0.3,
  framing: 0,
  blur: 0,
  noise: 0,
};

export interface Scene extends Picture {
  /** The five points, where the renderer put them. */
  points: Point[];
}

const backdrop = '#556677';
const faceSize = 160;

/** An aligned face of 160 pixels. */
export function face(person: number, image = 0): Uint8Array {
  const pixels = new Uint8Array(faceSize * faceSize * 3);
  const studio = new Studio(new FaceRenderer(faceSize), 1, 0);
  studio.take(
    { purpose: 'photographs', person, image, vary: { ...plain, light: image > 0 ? 0.5 : 0.2 } },
    pixels,
    0,
  );
  return pixels;
}

/** A photograph: a face, turned clockwise by some degrees, with its middle at a place of a wider picture. */
export async function scene(
  person: number,
  { degrees = 0, at = { x: 170, y: 150 }, width = 340, height = 300, image = 0 } = {},
): Promise<Scene> {
  const turned = await sharp(face(person, image), { raw: { width: faceSize, height: faceSize, channels: 3 } })
    .rotate(degrees, { background: backdrop })
    .png()
    .toBuffer({ resolveWithObject: true });
  const [left, top] = [Math.round(at.x - turned.info.width / 2), Math.round(at.y - turned.info.height / 2)];
  const data = await sharp({ create: { width, height, channels: 3, background: backdrop } })
    .composite([{ input: turned.data, left, top }])
    .removeAlpha()
    .raw()
    .toBuffer();
  const angle = (degrees * Math.PI) / 180;
  const points = templateFor(faceSize, 0).map((point) => {
    const [x, y] = [point.x + 0.5 - faceSize / 2, point.y + 0.5 - faceSize / 2];
    return {
      x: left + turned.info.width / 2 + Math.cos(angle) * x - Math.sin(angle) * y - 0.5,
      y: top + turned.info.height / 2 + Math.sin(angle) * x + Math.cos(angle) * y - 0.5,
    };
  });
  return { width, height, data, points };
}

/** A class-per-folder collection of small pictures in one colour each, for tests that look for no face. */
export async function collection(folder: string, people: Record<string, number>): Promise<string> {
  let colour = 0;
  for (const [name, count] of Object.entries(people)) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 1; i <= count; i++)
      writeFileSync(
        join(folder, name, `${name}_${String(i).padStart(4, '0')}.png`),
        await sharp({
          create: { width: 20, height: 20, channels: 3, background: { r: ++colour, g: 100, b: 200 } },
        })
          .png()
          .toBuffer(),
      );
  }
  return folder;
}
