import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, expect, it } from 'vitest';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { prunedCondition, UNPRUNED } from './answerer.js';
import { mergeRuns } from './merge.js';
import { runEvaluation, type RunOptions } from './runner.js';
import { parseTask } from './tasks/parse-task.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-merge-'));
const task = (name: string) =>
  parseTask(
    JSON.stringify({
      name,
      data: { kind: 'repository', repository: 'test/rows', split: 'test' },
      images: { fields: ['image'] },
      prompt: ['{question}'],
      answer: { field: 'answer' },
      metric: 'exact-match',
      maxTokens: 4,
    }),
    'x.json',
  );
const options = (out: string, part: Partial<RunOptions> = {}): RunOptions => ({
  out: join(root, out),
  tasks: [task('one'), task('two')],
  conditions: [UNPRUNED, prunedCondition(2, 0.5), prunedCondition(2, 0.5, 'random', 1)],
  data: { folders: [root] },
  ...part,
});
const model = () => fakeAnswerer({ truth: (prompt) => prompt.split(' ').at(-1) });
const bytes = (out: string, name: string): string => readFileSync(join(root, out, name), 'utf8');

beforeAll(async () => {
  mkdirSync(join(root, 'test/rows'), { recursive: true });
  await sharp({ create: { width: 4, height: 4, channels: 3, background: '#123456' } })
    .png()
    .toFile(join(root, 'test/rows/a.png'));
  const rows = Array.from({ length: 53 }, (_, i) => ({
    question: `say ${i} w${i}`,
    answer: `w${i}`,
    image: 'a.png',
  }));
  writeFileSync(join(root, 'test/rows/test.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
});

it.each([
  ['one by one', {}],
  ['in batches', { batch: 4 }],
  ['drawn', { limit: 20, sampling: { how: 'random', seed: 5 } }],
] as [string, Partial<RunOptions>][])(
  '%s: parts merged are byte for byte the run of one machine',
  async (name, part) => {
    await runEvaluation(model(), options(`whole ${name}`, part));
    const folders = ['2', '0', '1'].map((index) => join(root, `${name} ${index}`));
    for (const index of [0, 1, 2])
      await runEvaluation(model(), options(`${name} ${index}`, { ...part, shard: { index, count: 3 } }));
    await mergeRuns(folders, join(root, `merged ${name}`));
    for (const file of ['results.jsonl', 'summary.json'])
      expect(bytes(`merged ${name}`, file)).toBe(bytes(`whole ${name}`, file));
  },
);

it('refuses parts that are missing, twice there, of another run, or ended early', async () => {
  const part = async (out: string, index: number, more: Partial<RunOptions> = {}): Promise<string> => {
    await runEvaluation(model(), options(out, { limit: 8, shard: { index, count: 2 }, ...more }));
    return join(root, out);
  };
  const [first, second] = [await part('a0', 0), await part('a1', 1)];
  const out = join(root, 'refused');
  await expect(mergeRuns([first], out)).rejects.toThrow(/part 1\/2 is missing/);
  await expect(mergeRuns([first, second, second], out)).rejects.toThrow(/part 1\/2 is there twice/);
  const other = await part('b1', 1, { limit: 9 });
  await expect(mergeRuns([first, other], out)).rejects.toThrow(/parts of different runs/);
  const ended = await part('c1', 1, { signal: AbortSignal.abort() });
  await expect(mergeRuns([first, ended], out)).rejects.toThrow(/has not ended yet/);
  await runEvaluation(model(), options('whole', { limit: 8 }));
  await expect(mergeRuns([join(root, 'whole')], out)).rejects.toThrow(/a whole run/);
  await expect(mergeRuns([join(root, 'absent')], out)).rejects.toMatchObject({ code: 'io' });
  await expect(runEvaluation(model(), options('x', { shard: { index: 2, count: 2 } }))).rejects.toThrow(
    /no part 2 of 2/,
  );
});

it('asks again what may have changed: the files of a dataset', async () => {
  const run = options('changed', { tasks: [task('one')], conditions: [UNPRUNED], limit: 3 });
  await runEvaluation(model(), run);
  const file = join(root, 'test/rows/test.jsonl');
  const before = readFileSync(file, 'utf8');
  const again = model();
  await runEvaluation(again, run);
  expect(again.asked).toEqual([]);
  writeFileSync(file, before.replace('"answer":"w52"', '"answer":"w53"'));
  const summary = await runEvaluation(again, run);
  expect(again.asked).toHaveLength(3);
  expect(summary.datasets?.['one']).toMatchObject({
    repository: 'test/rows',
    revision: expect.stringMatching(/^files:/) as string,
  });
  writeFileSync(file, before);
});
