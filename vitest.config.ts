import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * Files that need a process of their own: they replace a module of the program, add to its graph, or measure its memory.
 * All others share one process for each core, one after the other: importing the program takes longer than most files
 * do. test/testkit/leaves-nothing.ts sees that none leaves anything to the next.
 */
const ownProcess = [
  'test/access/second-fence.test.ts',
  'test/graph/runtime-commands.test.ts',
  'test/modules/snapshots/slow-readers.test.ts',
];

export default defineConfig({
  resolve: {
    // graphql has a build for bundlers beside the one that Node loads; libraries get the latter, and so must we.
    alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve('graphql')) }],
  },
  test: {
    globalSetup: ['test/testkit/global-setup.ts'],
    setupFiles: ['test/testkit/leaves-nothing.ts'],
    // Most of a test's time is spent waiting for Postgres, so no core is kept free.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'own process', include: ownProcess } },
      {
        extends: true,
        test: { name: 'shared process', include: ['test/**/*.test.ts'], exclude: ownProcess, isolate: false },
      },
    ],
  },
});
