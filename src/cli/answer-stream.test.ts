import { expect, it } from 'vitest';
import { AnswerStream } from './answer-stream.js';

it.each([
  [[' yes'], 'yes'],
  [[' ', '\n', ' a', ' dog ', 'and', ' a cat', ' ', '\n\n'], 'a dog and a cat'],
  [['one\n', '\ntwo'], 'one\n\ntwo'],
  [[' ', ''], ''],
])('%j is printed as %j', (pieces, printed) => {
  let out = '';
  const stream = new AnswerStream((text) => (out += text));
  for (const piece of pieces) stream.add(piece);
  expect(out).toBe(printed);
});
