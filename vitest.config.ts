import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Runs of minutes have a configuration of their own.
    exclude: [...configDefaults.exclude, 'test/chaos/**', 'test/soak/**'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Vitest would wait one second alone; what a busy machine does late is no failure.
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    // Most of a test's time is waiting, and Vitest leaves a core free otherwise.
    maxWorkers: Math.max(2, availableParallelism()),
    reporters: ['default', ['json', { outputFile: 'var/tests.json' }]],
  },
});
