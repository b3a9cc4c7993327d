import { expect, it } from 'vitest';
import type { AnswerCost } from './answerer.js';
import { costOf } from './cost.js';
import type { Result } from './result.js';
import { ResultTable, type TaskResults } from './results/table.js';

const result = (cost: Partial<AnswerCost>, sample: number): Result => ({
  ...{
    key: '',
    condition: '',
    task: '',
    sample: String(sample),
    prompt: '',
    prediction: '',
    choice: null,
    options: null,
  },
  ...{ score: null, answers: [], category: null, group: null, where: '' },
  cost: {
    ...{
      tokens: 1,
      imageTokens: 1,
      keptImageTokens: 1,
      generatedTokens: 1,
      visionMs: 1,
      prefillMs: 1,
      decodeMs: 1,
    },
    ...cost,
  },
});

const of = (...costs: Partial<AnswerCost>[]): TaskResults[] => [ResultTable.of(costs.map(result)).of('', '')];

it('takes a smaller image’s FLOPs as a share of the full image’s', () => {
  // unpruned, but of a smaller image: by itself it would cost all of itself
  const small = of({ flops: 50, flopsUnpruned: 50, kvBytes: 5, kvBytesUnpruned: 5 });
  const full = of({ flops: 100, flopsUnpruned: 100, kvBytes: 20, kvBytesUnpruned: 20 });
  expect(costOf(small, full)).toMatchObject({ flopsRatio: 0.5, kvRatio: 0.25 });
  expect(costOf(small, [])).toMatchObject({ flopsRatio: 1, kvRatio: 1 });
  expect(costOf(of({}), full)).toMatchObject({ flops: null, flopsRatio: null });
});

it('has one median: the mean of the two in the middle', () => {
  expect(costOf(of({ prefillMs: 10 }, { prefillMs: 20 }), []).prefillMs).toBe(15);
  expect(costOf([], []).prefillMs).toBe(0);
});

it("adds the vision encoder's FLOPs where they are known, and says nothing of a sum where they are not", () => {
  const large = of({ flops: 60, visionFlops: 90 });
  const small = of({ flops: 100, visionFlops: 20 });
  expect(costOf(large, small)).toMatchObject({ flopsRatio: 0.6, visionFlops: 90, totalFlopsRatio: 1.25 });
  expect(costOf(of({ flops: 60 }), small)).toMatchObject({ visionFlops: null, totalFlopsRatio: null });
});
