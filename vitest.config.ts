import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Tests that need a process to themselves: they put something else in a module's place, give up being root, count or weigh
 * a whole process, or are clients of HTTP/2, in whose process Node 20 may damage the heap (test/support/http2.ts).
 */
const alone = [
  'test/advisories/**/*.test.ts',
  'test/e2e/identity/certificate.test.ts',
  'test/e2e/observability/**/*.test.ts',
  'test/endurance/**/*.test.ts',
  'test/e2e/official-client/large.test.ts',
  'test/limits/anomaly.test.ts',
  'test/manual/openapi/import.test.ts',
  'test/protocols/mcp-hostile.test.ts',
  'test/protocols/sandbox-unprivileged.test.ts',
  'test/server/http2.test.ts',
];

/** Runs of minutes have a configuration of their own. */
const long = ['test/chaos/**', 'test/soak/**'];

export default defineConfig({
  test: {
    setupFiles: ['test/support/setup.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Vitest would wait one second alone; what a busy machine does late is no failure.
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    // Most of a test's time is waiting, and Vitest leaves a core free otherwise.
    maxWorkers: Math.max(3, availableParallelism()),
    reporters: ['default', ['json', { outputFile: 'var/tests.json' }]],
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...alone, ...long],
          // A process loads what it tests once, which takes longer than most files' tests.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: alone } },
    ],
  },
});
