import { expect, it } from 'vitest';
import { prunedCondition, type AnswererIdentity } from './answerer.js';
import { keyPrefix } from './result.js';
import { findTasks } from './tasks/index.js';

const identity: AnswererIdentity = { model: 'm', options: { dtype: 'fp32' }, versions: { ort: '1.20' } };
const [task = expect.fail()] = findTasks(['pope']);
const key = (of: AnswererIdentity, revision?: string): string =>
  keyPrefix(of, { choices: 'letter' }, prunedCondition(2, 0.5), task, revision);

it('is another for other versions, other files and another revision of the data', () => {
  const keys = [
    key(identity),
    key({ ...identity, versions: { ort: '1.30' } }),
    key({ ...identity, options: { ...identity.options, files: 'abc' } }),
    key(identity, 'v2'),
  ];
  expect(new Set(keys).size).toBe(4);
  expect(key({ ...identity })).toBe(keys[0]);
});
