// The tables of docs/results/README.md are those of the points.json beside it, and what other documents say was measured
// is of the measurements.json of its folder.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it.each(['scripts/results-tables.mjs', 'scripts/measured.mjs', 'docs/results/strategies/page.mjs'])(
  'shows what was measured: %s',
  (script) => {
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  },
);
