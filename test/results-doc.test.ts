// The tables of docs/results/README.md are those of the points.json beside it, those of docs/performance.md those of
// docs/results/performance/measurements.json.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it.each(['scripts/results-tables.mjs', 'docs/results/performance/page.mjs'])(
  'shows what was measured: %s',
  (script) => {
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  },
);
