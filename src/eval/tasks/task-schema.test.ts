// docs/task.schema.json is made here: FASTV_UPDATE_DOCS=1 npx vitest run src/eval/tasks/task-schema.test.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { taskJsonSchema } from './task-schema.js';

const FILE = new URL('../../../docs/task.schema.json', import.meta.url);

it('is what docs/task.schema.json says', () => {
  if (process.env['FASTV_UPDATE_DOCS'] === '1')
    writeFileSync(FILE, `${JSON.stringify(taskJsonSchema(), null, 2)}\n`);
  expect(JSON.parse(readFileSync(FILE, 'utf8'))).toEqual(taskJsonSchema());
});
