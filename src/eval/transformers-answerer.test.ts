import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { strategies } from '../strategies/index.js';
import {
  downsampledCondition,
  prunedCondition,
  tokensCondition,
  UNPRUNED,
  type Answer,
  type Ask,
  type Condition,
} from './answerer.js';
import { runEvaluation } from './runner.js';
import { poolFeatures } from './pool-features.js';
import { findTasks } from './tasks/index.js';
import { openTask } from './tasks/open-task.js';
import { openTransformersAnswerer } from './transformers-answerer.js';

type Opened = Awaited<ReturnType<typeof openTransformersAnswerer>>;
let model: Opened;
const asks: Ask[] = [];
const conditions: Condition[] = [
  UNPRUNED,
  prunedCondition(2, 0.5),
  prunedCondition(3, 0.75),
  prunedCondition(2, 0.5, 'random', 1),
  prunedCondition(0, 0.5, 'grid'),
  // every other strategy of the list is asked for by its name, and by nothing else
  ...strategies
    .filter(({ name }) => !['attention', 'random', 'grid'].includes(name))
    .map(({ name }) => prunedCondition(3, 0.5, name)),
  downsampledCondition(0.75),
];

/** Answers to questions that are asked one by one. */
async function one(questions: readonly Ask[], condition: Condition): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const question of questions) answers.push(...(await model.answer([question], condition)));
  return answers;
}

beforeAll(async () => {
  model = await openTransformersAnswerer({ model: EMBEDDED_MODEL, name: 'scenes-llava', cache: false });
  for (const name of ['scenes-existence', 'scenes-multi-image']) {
    const opened = openTask(findTasks([name])[0] ?? expect.fail());
    for await (const sample of opened.samples()) {
      asks.push({ images: await sample.images(), prompt: sample.prompt, maxTokens: 4 });
      if (asks.length % 3 === 0) break;
    }
  }
  await model.prepare?.(conditions);
}, 120_000);
afterAll(() => model.close?.());

describe('the embedded model as an answerer', () => {
  it(
    'answers under every condition, and says what was kept and what it cost',
    { timeout: 300_000 },
    async () => {
      for (const condition of conditions) {
        const answers = await model.answer(asks, condition);
        expect(answers).toHaveLength(asks.length);
        answers.forEach(({ cost }, i) => {
          const whole = 144 * (asks[i]?.images.length ?? 0);
          const scale = condition.imageScale ** 2;
          expect(cost.imageTokens).toBe(whole * scale);
          expect(cost.keptImageTokens).toBe(
            Math.round(whole * scale * (1 - (condition.pruning?.ratio ?? 0))),
          );
          expect(cost.prefillMs).toBeGreaterThan(0);
          expect(cost.flops).toBeGreaterThan(0);
          expect(cost.shapeFrom).toBe('graph');
          if (condition.pruning === null) expect(cost.flops).toBe(cost.flopsUnpruned);
          else expect(cost.flops).toBeLessThan(cost.flopsUnpruned ?? 0);
        });
      }
    },
  );

  it(
    'runs the vision encoder once an image, and says the same as without a cache',
    { timeout: 300_000 },
    async () => {
      const cold = await openTransformersAnswerer({
        model: EMBEDDED_MODEL,
        name: 'scenes-llava',
        cache: false,
        featureBytes: 0,
      });
      await cold.prepare?.(conditions);
      const { runs } = model.vision;
      for (const condition of conditions) {
        const cached = await model.answer(asks, condition);
        const computed = await cold.answer(asks, condition);
        expect(cached.map((a) => a.text)).toEqual(computed.map((a) => a.text));
      }
      expect(model.vision.runs).toBe(runs);
      expect(cold.vision.hits).toBe(0);
      await cold.close?.();
    },
  );

  it('gives the same features from the cache, bit by bit', async () => {
    const candidates = ['yes', 'no', 'left', 'two'];
    const ask: Ask = {
      images: asks[0]?.images ?? [],
      prompt: 'Is there a dog in the image?',
      maxTokens: 1,
      candidates,
    };
    for (const condition of [UNPRUNED, prunedCondition(2, 0.5)]) {
      const cold = await openTransformersAnswerer({ model: EMBEDDED_MODEL, cache: false, featureBytes: 0 });
      await cold.prepare?.([condition]);
      const [first] = await model.answer([ask], condition);
      const [again] = await model.answer([ask], condition);
      const [computed] = await cold.answer([ask], condition);
      expect(again?.logLikelihoods).toEqual(first?.logLikelihoods);
      if (condition === UNPRUNED) expect(computed?.logLikelihoods).toEqual(first?.logLikelihoods);
      await cold.close?.();
    }
  });

  it('draws for each sample anew, and the same again', async () => {
    const ask: Ask = { ...(asks[0] ?? expect.fail()), maxTokens: 1, candidates: ['yes', 'no'] };
    const random = prunedCondition(2, 0.5, 'random', 1);
    const said = async (sample: string) =>
      (await model.answer([{ ...ask, sample }], random))[0]?.logLikelihoods;
    const first = await said('pope\n1');
    expect(await said('pope\n2')).not.toEqual(first);
    expect(await said('pope\n1')).toEqual(first);
  });

  it('answers in batches as one by one', async () => {
    const many: Ask[] = [];
    for (const name of ['scenes-existence', 'scenes-text', 'scenes-multi-image', 'scenes-count-class']) {
      const opened = openTask(findTasks([name])[0] ?? expect.fail());
      let count = 0;
      for await (const sample of opened.samples()) {
        many.push({ images: await sample.images(), prompt: sample.prompt, maxTokens: 8 });
        if (++count === 4) break;
      }
    }
    const choices = many.slice(0, 5).map((ask) => ({ ...ask, candidates: ['yes', 'no'] }));
    for (const condition of conditions) {
      const batches = await model.batches?.(many, condition, 4);
      expect(batches?.flat().sort((a, b) => a - b)).toEqual(many.map((_, i) => i));
      expect(Math.max(...(batches?.map((b) => b.length) ?? []))).toBeGreaterThan(1);
      expect(batches?.every((b) => b.length <= 4)).toBe(true);
      const lengths = new Set<number>();
      for (const batch of batches ?? []) {
        const own = batch.flatMap((i) => many[i] ?? []);
        const alone = await one(own, condition);
        const together = await model.answer(own, condition);
        const said = (all: typeof together) =>
          all.map(({ text, cost }) => [text, cost.generatedTokens, cost.tokens, cost.keptImageTokens]);
        expect(said(together), condition.name).toEqual(said(alone));
        if (own.length > 1) for (const { cost } of together) lengths.add(cost.generatedTokens);
      }
      // rows of a batch that end at different steps
      expect(lengths.size).toBeGreaterThan(1);
      const [alone, together] = [await one(choices, condition), await model.answer(choices, condition)];
      together.forEach(({ logLikelihoods }, i) => {
        expect(logLikelihoods).toHaveLength(2);
        logLikelihoods?.forEach((value, j) => {
          expect(value).toBeCloseTo(alone[i]?.logLikelihoods?.[j] ?? NaN, 4);
        });
      });
    }
  }, 240_000);

  it('asks what does not fit together alone', async () => {
    const [first, second] = asks;
    if (first === undefined || second === undefined) expect.fail();
    const longer = { ...first, prompt: `${first.prompt} Look well.` };
    const batches = await model.batches?.([first, longer, first, { ...first, maxTokens: 9 }], UNPRUNED, 4);
    expect(batches).toEqual([[0, 2], [1], [3]]);
    expect(await model.batches?.([first, second], UNPRUNED, 1)).toEqual([[0], [1]]);
  });

  it('keeps a number of tokens, or as many as make a mean over layers', async () => {
    const one = asks.slice(0, 1);
    const [kept] = await model.answer(one, tokensCondition(2, { keep: 40 }));
    expect(kept?.cost.keptImageTokens).toBe(40);
    const [all] = await model.answer(one, tokensCondition(2, { keep: 1000 }));
    expect(all?.cost.keptImageTokens).toBe(144);
    // 10 layers, 2 of them with all 144: 2 · 144 + 8 · 54 = 10 · 72
    const [mean] = await model.answer(one, tokensCondition(2, { mean: 72 }));
    expect(mean?.cost.keptImageTokens).toBe(54);
    await expect(model.answer(one, tokensCondition(2, { mean: 20 }))).rejects.toThrow(
      /are 29 on average already/,
    );
    expect(tokensCondition(2, { mean: 72 }).name).toBe('K2-M72-attention');
  });

  it('keeps as many tokens as hold a share of the attention, and shares them among images', async () => {
    const one = asks.slice(0, 1);
    const keptAt = async (condition: Condition): Promise<number | undefined> =>
      (await model.answer(one, condition))[0]?.cost.keptImageTokens;
    const half = await keptAt(tokensCondition(2, { mass: 0.5 }));
    const most = await keptAt(tokensCondition(2, { mass: 0.95 }));
    // at K = 3 it is another row of attention; both K are asked of one answerer
    const later = await keptAt(tokensCondition(3, { mass: 0.5 }));
    expect(await keptAt(tokensCondition(2, { mass: 0.5 }))).toBe(half);
    expect([half, most, later].every((kept) => kept !== undefined && kept > 0 && kept < 144)).toBe(true);
    expect(half).toBeLessThan(most ?? 0);
    expect(
      tokensCondition(2, { mass: 0.9 }, { strategy: 'scope', weights: 'sizes', perImage: 'even' }).name,
    ).toBe('K2-A90-scope+sizes+even-images');
    const two = { ...asks[0], images: [...(asks[0]?.images ?? []), ...(asks[1]?.images ?? [])] } as Ask;
    const [shared] = await model.answer(
      [two],
      prunedCondition(2, 0.5, { strategy: 'attention', perImage: 'even' }),
    );
    expect(shared?.cost.keptImageTokens).toBe(144);
  });

  it('lets the processor’s threads sleep while they wait, as many as it is told', async () => {
    const create = vi.spyOn(InferenceSession, 'create');
    const given = async (threads: object): Promise<unknown> => {
      create.mockClear();
      const other = await openTransformersAnswerer({ model: EMBEDDED_MODEL, cache: false, ...threads });
      try {
        await other.answer(asks.slice(0, 1), prunedCondition(2, 0.5));
      } finally {
        await other.close?.();
      }
      return create.mock.calls.map((call): unknown => {
        const { intraOpNumThreads, extra } = (call as unknown[])[1] as InferenceSession.SessionOptions;
        return { intraOpNumThreads, extra };
      });
    };
    try {
      const extra = { session: { intra_op: { allow_spinning: '0' } } };
      // vision encoder, embed_tokens, decoder
      expect(await given({ threads: 1 })).toEqual(new Array(3).fill({ intraOpNumThreads: 1, extra }));
      expect(await given({})).toEqual(new Array(3).fill({ intraOpNumThreads: undefined, extra }));
    } finally {
      create.mockRestore();
    }
  });

  it('counts the same for a question of a batch as for one by itself', async () => {
    const batch = asks.slice(0, 3);
    const alone = await one(batch, UNPRUNED);
    const together = await model.answer(batch, UNPRUNED);
    const counted = (answers: readonly Answer[]): unknown =>
      answers.map(({ cost }) => [cost.flops, cost.visionFlops, cost.kvBytes]);
    expect(alone[0]?.cost.visionFlops).toBeGreaterThan(1e8);
    expect(counted(together)).toEqual(counted(alone));
  });

  it('runs in the runner', async () => {
    const out = mkdtempSync(join(tmpdir(), 'fastv-answerer-'));
    const summary = await runEvaluation(model, {
      out,
      tasks: findTasks(['scenes-color']),
      conditions,
      limit: 4,
    });
    expect(summary.cells.map((c) => c.samples)).toEqual(new Array(conditions.length).fill(4));
    expect(summary.versions['onnxruntime-node']).toMatch(/^\d/);
    expect(readFileSync(join(out, 'results.jsonl'), 'utf8').trim().split('\n')).toHaveLength(
      4 * conditions.length,
    );
  });
});

describe('poolFeatures', () => {
  it('averages over areas', () => {
    const grid = Float32Array.from({ length: 16 }, (_, i) => i);
    expect([...poolFeatures(grid, 1, 4, 2, 1)]).toEqual([2.5, 4.5, 10.5, 12.5]);
    expect([...poolFeatures(grid, 1, 4, 4, 1)]).toEqual([...grid]);
    const ones = poolFeatures(new Float32Array(2 * 25 * 3).fill(1), 2, 5, 3, 3);
    for (const v of ones) expect(v).toBeCloseTo(1, 6);
  });
});
