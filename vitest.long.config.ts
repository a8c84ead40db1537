import { defineConfig } from 'vitest/config';

/** Runs of minutes that are apart from `npm test`: `npm run chaos`, `npm run soak`, and both in .ci/run. */
export default defineConfig({
  test: {
    include: ['test/chaos/**/*.test.ts', 'test/soak/**/*.test.ts'],
    setupFiles: ['test/support/setup.ts'],
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    fileParallelism: false,
    reporters: ['default', ['json', { outputFile: 'var/tests.json' }]],
  },
});
