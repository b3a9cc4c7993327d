// The tables of docs/results/README.md are those of the points.json beside it.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('shows what was measured', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/results-tables.mjs', '--check'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
