// Opened models: calls that overlap, end early or fail leave each other alone.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scene } from '../../test/server/scene-turn.js';
import type { Family } from '../scenes/question.js';
import type { Message } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { openModel, type OpenedModel } from './model.js';

const message = (family: Family, index: number): Message => {
  const { question, images } = scene(family, index);
  return { role: 'user', text: question, images };
};
const LONG = 'what is this '.repeat(1000);

let pruned: OpenedModel;
let original: OpenedModel;
beforeAll(async () => {
  const loading = { dtype: 'fp32' };
  const fastv = { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined };
  pruned = await openModel(EMBEDDED_MODEL, { loading, fastv });
  original = await openModel(EMBEDDED_MODEL, { loading, conversation: pruned.conversation });
});
afterAll(async () => {
  await pruned.close();
  await pruned.close();
  await original.close();
});

describe('ask', () => {
  it('answers, with what it took, with and without pruning', async () => {
    for (const model of [original, pruned]) {
      const decoder = model.model.sessions['decoder_model_merged'];
      let streamed = '';
      const answer = await model.ask([message('caption', 3)], {
        maxNewTokens: 12,
        onText: (text) => (streamed += text),
      });
      expect(answer.text).toBe(streamed.trim());
      expect(answer.tokens).toBeGreaterThan(4);
      expect(answer.prefillMs).toBeGreaterThan(0);
      expect(answer.ttftMs).toBeGreaterThan(answer.prefillMs);
      expect(answer.totalMs).toBeGreaterThan(answer.ttftMs);
      expect(answer.tokensPerSecond).toBeGreaterThan(0);
      expect(answer.report?.rows[0]?.keptImageTokens).toBe(model === pruned ? 72 : undefined);
      // nothing is left behind in the model
      expect(model.model.sessions['decoder_model_merged']).toBe(decoder);
    }
  });

  it('overlaps: report and times are those of the call', async () => {
    const ratios = [0, 0.25, 0.5, 0.75];
    const answers = await Promise.all(
      ratios.map((ratio, i) => pruned.ask([message('count-all', i)], { maxNewTokens: 4, ratio })),
    );
    for (const [i, { report, prefillMs }] of answers.entries()) {
      expect(report?.ratio).toEqual([ratios[i]]);
      expect(report?.rows[0]?.keptImageTokens).toBe(144 * (1 - (ratios[i] ?? 0)));
      expect(prefillMs).toBe(report?.ms.prefill);
    }
    const alone = await pruned.ask([message('count-all', 2)], { maxNewTokens: 4, ratio: 0.5 });
    expect(answers[2]?.text).toBe(alone.text);
  });

  it.each([
    ['pruned', () => pruned],
    ['original', () => original],
  ])('that fails or is aborted leaves the %s model as it was', async (_, of) => {
    const model = of();
    const decoder = model.model.sessions['decoder_model_merged'];
    const before = await model.ask([message('color', 2)], { maxNewTokens: 4 });
    const stop = new AbortController();
    const reason = new Error('enough');
    const ended = model.ask([message('caption', 1)], {
      maxNewTokens: 20,
      signal: stop.signal,
      onText: () => {
        stop.abort(reason);
      },
    });
    await expect(ended).rejects.toBe(reason);
    await expect(model.ask([{ role: 'user', text: LONG }], { maxNewTokens: 1 })).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(
        /^the prompt has \d+ tokens, and the model has room for 2048$/u,
      ) as string,
    });
    expect(model.model.sessions['decoder_model_merged']).toBe(decoder);
    expect((await model.ask([message('color', 2)], { maxNewTokens: 4 })).text).toBe(before.text);
  });

  it('refuses another decoder together with pruning', async () => {
    await expect(openModel(EMBEDDED_MODEL, { fastv: {}, decoder: 'x.onnx' })).rejects.toMatchObject({
      code: 'invalid-option',
    });
  });
});

describe('a chat', () => {
  it('goes on after a turn that was too long, on the same cache', async () => {
    const [first, next] = [message('existence', 0), 'What color is the background?'];
    const without = pruned.chat();
    await without.ask(first.text, first.images ?? [], { maxNewTokens: 8 });
    const expected = await without.ask(next, [], { maxNewTokens: 8 });

    const chat = pruned.chat();
    await chat.ask(first.text, first.images ?? [], { maxNewTokens: 8 });
    await expect(chat.ask(LONG, [], { maxNewTokens: 8 })).rejects.toMatchObject({ code: 'invalid-input' });
    const answer = await chat.ask(next, [], { maxNewTokens: 8 });
    expect(answer.text).toBe(expected.text);
    expect(answer.report?.rows[0]?.imageTokens).toBe(0);
    expect(chat.messages.map(({ text }) => text)).toEqual(without.messages.map(({ text }) => text));
  });

  it('reads the conversation anew after a turn that was ended in its middle', async () => {
    const first = message('existence', 0);
    const chat = pruned.chat();
    await chat.ask(first.text, first.images ?? [], { maxNewTokens: 8 });
    const stop = new AbortController();
    const onText = (): void => {
      stop.abort(new Error('enough'));
    };
    const options = { maxNewTokens: 20, signal: stop.signal, onText };
    await expect(chat.ask('Describe it.', [], options)).rejects.toThrow('enough');
    const answer = await chat.ask('What color is the background?', [], { maxNewTokens: 8 });
    // the picture of the first turn is there again
    expect(answer.report?.rows[0]?.imageTokens).toBe(144);
    expect(chat.messages).toHaveLength(4);
    await chat.forget();
    expect(chat.messages).toEqual([]);
  });
});
