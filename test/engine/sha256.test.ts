/** The examples of FIPS 180-2, appendix B, and text beyond ASCII: on every Node, with and without crypto.hash. */
import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => {
  vi.doUnmock('node:crypto');
  vi.resetModules();
});

test.each([true, false])('sha256, crypto.hash at hand: %s', async (atHand) => {
  const crypto = await vi.importActual<typeof import('node:crypto')>('node:crypto');
  vi.doMock('node:crypto', () => (atHand ? crypto : { ...crypto, hash: undefined }));
  const { sha256 } = await import('../../engine/sha256.js');
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256('abc')).toBe(abc);
  expect(sha256(Buffer.from('xabcx').subarray(1, 4))).toBe(abc);
  expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(sha256('Zürich 😀')).toBe(sha256(Buffer.from('Zürich 😀')));
});
