/**
 * The PNM formats PGM (gray) and PPM (RGB), plain (P2, P3) and binary (P5, P6), of 8 or 16 bits: sharp's build reads none of them, and
 * face collections of the 1990s are full of them. https://netpbm.sourceforge.net/doc/pgm.html
 */
import type { Picture } from './warp.js';

export function isPnm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && [0x32, 0x33, 0x35, 0x36].includes(bytes[1]!) && isSpace(bytes[2]);
}

const isSpace = (byte: number | undefined) =>
  byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13);

/** RGB, scaled to 0..255 whatever the file's maximum. Throws an Error that says what is wrong with the file. */
export function readPnm(bytes: Uint8Array): Picture {
  let at = 2;
  /** The next run of digits, after white space and comments. */
  const number = (what: string): number => {
    for (; at < bytes.length; at++) {
      if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 10) at++;
      else if (!isSpace(bytes[at])) break;
    }
    const from = at;
    while (at < bytes.length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    if (from === at) throw new Error(`PNM: ${what} is missing`);
    return Number(Buffer.from(bytes.subarray(from, at)).toString('latin1'));
  };
  const kind = bytes[1]! - 0x30;
  const [width, height, maximum] = [number('the width'), number('the height'), number('the largest value')];
  if (width < 1 || height < 1 || width * height > 2 ** 28)
    throw new Error(`PNM: no picture of ${width}x${height}`);
  if (maximum < 1 || maximum > 65535) throw new Error(`PNM: the largest value is ${maximum}, not 1 to 65535`);
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const size = width * height * channels;
  const sampleBytes = maximum > 255 ? 2 : 1;
  const binary = kind >= 5;
  at += binary ? 1 : 0; // one white space, then the samples
  if (binary && bytes.length - at < size * sampleBytes)
    throw new Error(`PNM: cut short: ${bytes.length - at} of ${size * sampleBytes} bytes`);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < size; i++) {
    let value: number;
    if (!binary) value = number(`sample ${i + 1} of ${size}`);
    else {
      value = sampleBytes === 2 ? bytes[at]! * 256 + bytes[at + 1]! : bytes[at]!;
      at += sampleBytes;
    }
    const byte = Math.round((Math.min(value, maximum) * 255) / maximum);
    if (channels === 3) data[i] = byte;
    else data.fill(byte, 3 * i, 3 * i + 3);
  }
  return { width, height, data };
}
