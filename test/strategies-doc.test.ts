// The tables of docs/results/strategies/README.md are those of the JSON beside it.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('shows what was measured', () => {
  const { status, stderr } = spawnSync(process.execPath, ['docs/results/strategies/page.mjs', '--check'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
