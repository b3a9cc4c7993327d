import { expect, it } from 'vitest';
import { TASKS } from './index.js';
import { parseTask } from './parse-task.js';

it('reads every built-in task back from JSON as it is', () => {
  for (const task of TASKS.values()) expect(parseTask(JSON.stringify(task), 'task.json')).toEqual(task);
});

const good = {
  name: 'mine',
  data: { kind: 'repository', repository: 'me/mine', split: 'test' },
  images: { fields: ['image'] },
  prompt: ['{question}'],
  answer: { field: 'answer' },
  metric: 'exact-match',
  maxTokens: 8,
};

it('fills in what need not be said', () => {
  expect(parseTask(JSON.stringify(good), 'mine.json')).toMatchObject({ about: 'mine', source: 'mine.json' });
});

it.each([
  ['{', 'no JSON'],
  ['[]', 'a record'],
  [JSON.stringify({ ...good, name: '../x' }), 'lower-case'],
  [JSON.stringify({ ...good, typo: 1 }), 'no field "typo"'],
  [JSON.stringify({ ...good, metric: 'magic' }), 'one of exact-match'],
  [JSON.stringify({ ...good, prompt: [] }), 'list of texts'],
  [JSON.stringify({ ...good, maxTokens: 0 }), 'whole number'],
  [JSON.stringify({ ...good, data: { kind: 'ftp' } }), 'one of scenes'],
  [JSON.stringify({ ...good, data: { kind: 'scenes', split: 'test', family: 'x' } }), 'one of existence'],
  [JSON.stringify({ ...good, data: { kind: 'repository', split: 'x' } }), 'a text'],
  [JSON.stringify({ ...good, images: { video: 'v', frames: 1.5 } }), 'whole number'],
  [JSON.stringify({ ...good, answer: { choice: 'a', as: 'x' } }), 'one of index'],
  [JSON.stringify({ ...good, answer: {} }), 'a text'],
  [JSON.stringify({ ...good, answer: { field: 'a', typo: 1 } }), 'no field "typo"'],
  [JSON.stringify({ ...good, choices: {} }), 'a text'],
  ['null', 'a record'],
])('refuses %s', (text, message) => {
  expect(() => parseTask(text, 'mine.json')).toThrow(message);
  expect(() => parseTask(text, 'mine.json')).toThrow(
    expect.objectContaining({ code: 'invalid-option' }) as Error,
  );
});

it.each([
  [{ maxTokens: 'x' }, 'maxTokens'],
  [{ data: { kind: 'repository', repository: 'a/b' } }, 'data.split'],
  [{ answer: { choice: 'a', as: 'x' } }, 'answer.as'],
  [{ images: { video: 'v', frames: 0 } }, 'images.frames'],
  [{ prompt: ['a', 1] }, 'prompt.1'],
  [{ where: { index: { below: 0 } } }, 'where.index.below'],
  [{ group: { field: 'x' } }, 'group.modulo'],
])('names the field that is wrong in %j', (part, field) => {
  expect(() => parseTask(JSON.stringify({ ...good, ...part }), 'mine.json')).toThrow(
    expect.objectContaining({ where: `mine.json, ${field}` }) as Error,
  );
});
