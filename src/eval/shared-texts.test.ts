import { expect, it } from 'vitest';
import type { Result } from './result.js';
import { SharedTexts } from './shared-texts.js';

const text = JSON.stringify({
  ...{
    key: 'k',
    condition: 'unpruned',
    task: 't',
    sample: 's',
    prompt: 'What?',
    prediction: 'a dog',
    choice: null,
  },
  ...{ options: null, score: 1, answers: ['a dog', 'dog'], category: null, group: 'g', where: 'file, row 1' },
  ...{ image: 'i', place: 3, cost: { tokens: 1 } },
});

it('holds a list of answers once, and changes nothing', () => {
  const texts = new SharedTexts();
  const [first, second] = [texts.share(JSON.parse(text) as Result), texts.share(JSON.parse(text) as Result)];
  expect(first).toEqual(JSON.parse(text));
  expect(JSON.stringify(first)).toBe(text);
  expect(second.answers).toBe(first.answers);
});

it('leaves what is no result as it is', () => {
  const strange = { key: 'k', answers: 'none', prompt: 7 } as unknown as Result;
  expect(new SharedTexts().share(strange)).toMatchObject({ key: 'k', answers: 'none', prompt: 7 });
});
