import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A real tracking server is a suite of its own: npm run test:mlflow.
    exclude: process.env['MLFLOW_PYTHON'] ? [] : ['test/mlflow/**'],
    // Real processes and real training steps: slow machines must not fail for being slow.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    poolOptions: { forks: { maxForks: 2 } },
  },
});
