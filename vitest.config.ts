import { defineConfig } from 'vitest/config';

const words = process.argv.slice(2);
/** Without it these are left out, unless they are asked for: then they fail, and say how to get it. */
const mlflow =
  process.env['MLFLOW_PYTHON'] !== undefined || words.some((word) => word.includes('test/mlflow'));
if (!mlflow && !words.some((word) => word.startsWith('test/')))
  console.warn(
    'NOT TESTED: a real MLflow server. `npm run test:mlflow` says what it needs; .ci/run has it.\n',
  );

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Suites of their own: a real tracking server (npm run test:mlflow), a real TensorFlow (test/native/).
    exclude: ['test/native/**', ...(mlflow ? [] : ['test/mlflow/**'])],
    // Real processes and real training steps: slow machines must not fail for being slow.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    poolOptions: { forks: { maxForks: 2 } },
  },
});
