import { expect, it } from 'vitest';
import { parseYesNo } from './yes-no.js';

it.each([
  ['Yes', 'yes'],
  ['yes, there is a dog.', 'yes'],
  ['No.', 'no'],
  ['no, yes would be wrong', 'no'],
  ['There is not a dog.', 'no'],
  ["There isn't one", 'no'],
  ['y', 'yes'],
  ['N', 'no'],
  ['maybe', null],
  ['nothing', null],
  ['', null],
])('%j is %j', (reply, expected) => {
  expect(parseYesNo(reply)).toBe(expected);
});
