/** Results for tests of what is made of them. */
import type { Result } from '../../src/eval/result.js';

/** A result that says little besides what is given. */
export function anyResult(part: Partial<Result> & Pick<Result, 'sample'>): Result {
  return {
    ...{ key: part.sample, condition: 'unpruned', task: 't', prompt: 'What?', prediction: 'a dog' },
    ...{ choice: null, options: null, score: 1, answers: ['a dog'], category: null, group: null, where: '' },
    cost: {
      ...{ tokens: 10, imageTokens: 8, keptImageTokens: 4, generatedTokens: 1 },
      ...{ visionMs: 1, prefillMs: 2, decodeMs: 3 },
    },
    ...part,
  };
}
