/** The suites that take minutes: `npx vitest run --config test/slow.config.ts`, after a build. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/**/*.slow.ts'], testTimeout: 900_000, pool: 'forks' },
});
