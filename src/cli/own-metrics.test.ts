import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findMetric } from '../eval/metrics/index.js';
import { scoreTask } from '../eval/score.js';
import { parseTask } from '../eval/tasks/parse-task.js';
import { ownMetrics } from './own-metrics.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-own-metrics-'));

function moduleOf(name: string, text: string): string {
  writeFileSync(join(root, name), text);
  return join(root, name);
}

const METRIC = `{
  name: 'length', label: 'length', about: 'letters of the reply', unit: 'points', higherIsBetter: false,
  scoreReply: (target, { text }) => ({ score: text.length, choice: null }),
  units: (samples) => samples.map(({ score }, i) => ({ samples: [i], values: [score] })),
  score: ([[mean]]) => mean,
}`;

it('makes a metric of a module known to tasks, and by its name', async () => {
  const metrics = await ownMetrics([moduleOf('length.mjs', `export default ${METRIC};`)]);
  const task = {
    name: 'mine',
    data: { kind: 'repository', repository: 'me/mine', split: 'test' },
    images: { fields: ['image'] },
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: 'length',
    maxTokens: 8,
  };
  expect(parseTask(JSON.stringify(task), 'mine.json', metrics).metric).toBe(metrics[0]);
  const samples = ['ab', 'abcd'].map((prediction) => ({
    ...{ prediction, answers: [], category: null, group: null },
    score: findMetric('length').scoreReply(
      { choices: null, answers: [], answerIndex: null },
      { text: prediction },
    ).score,
  }));
  expect(scoreTask(findMetric('length'), samples)).toMatchObject({ score: 3, higherIsBetter: false });
});

it.each([
  ['throws.mjs', 'throw new Error("no")', 'cannot be loaded'],
  ['nothing.mjs', 'export const a = 1;', 'a text as name'],
  ['half.mjs', 'export default { name: "x", label: "x", about: "x" };', 'a function as scoreReply'],
  ['taken.mjs', `export default { ...${METRIC}, name: 'vqa' };`, 'there is a metric "vqa" already'],
])('refuses %s', async (name, text, message) => {
  await expect(ownMetrics([moduleOf(name, text)])).rejects.toMatchObject({
    code: 'invalid-option',
    message: expect.stringContaining(message) as string,
  });
});
