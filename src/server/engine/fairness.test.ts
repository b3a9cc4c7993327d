// Who asked first is answered first: nobody is passed by for being larger.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';
import { openModel } from '../../runtime/model.js';
import { sceneTurn } from '../../../test/server/scene-turn.js';
import { Engine } from './engine.js';
import type { Sampling } from './sampler.js';

const GREEDY: Sampling = {
  ...{ temperature: 0, seed: 0, frequencyPenalty: 0, presencePenalty: 0 },
  // an answer has as many tokens as it may
  logitBias: new Map([[2, -100]]),
};

let engine: Engine;
beforeAll(async () => {
  const model = await openModel(EMBEDDED_MODEL, {
    loading: { dtype: 'fp32' },
    fastv: { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined },
  });
  engine = await Engine.start(model, { sequences: 2, prefixCacheBytes: 0 });
});
afterAll(() => engine.close());

it('answers by arrival, however much each wants', async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const turn = sceneTurn('color', 1, { ratio: 0.5 });
  const prompt = await engine.prompt([turn]);
  const text = await engine.prompt([{ ...turn, message: { role: 'user', text: 'What?' }, images: [] }]);
  // one runs; the second one needs both places, and the small one behind it could have the free one
  const asked = [
    ['first', prompt, 1, 24],
    ['wants both places', prompt, 2, 8],
    ['small', text, 1, 1],
    ['wants more than there are', prompt, 3, 4],
    ['last', prompt, 1, 2],
  ] as const;
  await Promise.all(
    asked.map(async ([name, of, answers, maxTokens]) => {
      await engine.generate({
        ...{ prompt: of, maxTokens, stop: [], signal: new AbortController().signal },
        answers: Array<Sampling>(answers).fill(GREEDY),
        listener: {
          onPrefill: () => {
            begun.push(name);
          },
        },
      });
      ended.push(name);
    }),
  );
  const order = asked.map(([name]) => name);
  expect(begun).toEqual(order);
  expect(ended).toEqual(order);
});
