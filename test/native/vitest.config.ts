/**
 * In a copy of the checkout that test/native/tensorflow.sh has made: `npx vitest run --config test/native/vitest.config.ts`. The device
 * `tensorflow` as it really is, and the suite of stage maths on it.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/native/*.test.ts', 'test/stages/maths/*.test.ts'],
    env: { CEMIFLOW_TEST_DEVICES: 'tensorflow' },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    pool: 'forks',
    // One of them takes files of the package away for a while.
    fileParallelism: false,
  },
});
