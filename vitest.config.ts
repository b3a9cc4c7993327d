import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// As in bin/fastv.js; the processes that run tests take it over.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
// Tests keep nothing in the cache of whoever runs them.
process.env['FASTV_CACHE'] ??= join(import.meta.dirname, 'node_modules', '.cache', 'fastv-test');

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'web/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // ONNX Runtime's native sessions are not safe to share between worker threads.
    pool: 'forks',
  },
});
