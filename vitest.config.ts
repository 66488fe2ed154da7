import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Suites of their own: a real tracking server (npm run test:mlflow), a real TensorFlow (test/native/).
    exclude: ['test/native/**', ...(process.env['MLFLOW_PYTHON'] ? [] : ['test/mlflow/**'])],
    // Real processes and real training steps: slow machines must not fail for being slow.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    poolOptions: { forks: { maxForks: 2 } },
  },
});
