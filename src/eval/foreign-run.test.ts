import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeReport } from '../analysis/write-report.js';
import { compareRuns } from './compare-runs.js';
import { mergeRuns } from './merge.js';

it.each(['null', '[]', '{}', '{"tasks":7}', '{"tasks":[null],"conditions":[null]}'])(
  'a folder whose summary is %s is refused, typed',
  async (summary) => {
    const folder = mkdtempSync(join(tmpdir(), 'fastv-foreign-'));
    writeFileSync(join(folder, 'summary.json'), summary);
    writeFileSync(join(folder, 'results.jsonl'), 'null\n');
    for (const read of [
      () => writeReport(folder),
      () => mergeRuns([folder], join(folder, 'merged')),
      () => compareRuns([folder, folder]),
    ]) {
      await expect(read()).rejects.toMatchObject({ name: 'FastvError' });
    }
  },
);
