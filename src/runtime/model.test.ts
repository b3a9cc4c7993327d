// Opened models: calls that overlap, end early or fail leave each other alone.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scene } from '../../test/server/scene-turn.js';
import type { Family } from '../scenes/question.js';
import type { Message } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { calibrate } from './calibrate.js';
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

describe('stream', () => {
  it('gives the answer piece by piece, and what it took', async () => {
    const question = [message('caption', 3)];
    const stream = pruned.stream(question, { maxNewTokens: 12 });
    const pieces: string[] = [];
    for await (const piece of stream) pieces.push(piece);
    const { text, report } = await stream.answer;
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('').trim()).toBe(text);
    expect(text).toBe((await pruned.ask(question, { maxNewTokens: 12 })).text);
    expect(report?.rows[0]?.keptImageTokens).toBe(72);
  });

  it('ends the call when nobody listens any more, and when it fails', async () => {
    const stream = pruned.stream([message('caption', 3)], { maxNewTokens: 64 });
    for await (const piece of stream) if (piece !== '') break;
    await expect(stream.answer).rejects.toThrow('nobody listens');
    const failing = pruned.stream([{ role: 'user', text: LONG }], { maxNewTokens: 4 });
    const listened = (async () => {
      for await (const piece of failing) expect(piece).toBe('');
    })();
    await expect(listened).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('calibrate', () => {
  it.each([
    [1, [0.25, 0.5], 0.5],
    [1, [], 0],
    [0.5, [0.25, 0.75], 0.25],
    [1, [0.25, 0.5, 0.75], 0.75],
  ])('takes the largest R up to which answers stay, %#', async (agreement, same, expected) => {
    const said: number[] = [];
    const ask = ((_: unknown, { ratio = 0 }: { ratio?: number }) => {
      said.push(ratio);
      return Promise.resolve({ text: ratio === 0 || same.includes(ratio) ? 'yes' : 'no', report: undefined });
    }) as unknown as OpenedModel['ask'];
    const steps: number[] = [];
    const found = await calibrate({ ...pruned, ask }, [[message('existence', 0)], [message('color', 1)]], {
      ratios: [0.75, 0.25, 0.5],
      agreement,
      onProgress: (done, total) => steps.push(done / total),
    });
    expect(found.ratio).toBe(expected);
    expect(found.tried.map(({ ratio }) => ratio)).toEqual([0.25, 0.5, 0.75]);
    expect(said.slice(0, 4)).toEqual([0, 0.25, 0.5, 0.75]);
    expect(steps.at(-1)).toBe(1);
  });

  it('asks the model itself', async () => {
    const { tried } = await calibrate(pruned, [[message('existence', 0)]], {
      ratios: [0.25],
      maxNewTokens: 4,
    });
    expect(tried[0]?.flopsRatio).toBeLessThan(1);
    expect([0, 1]).toContain(tried[0]?.agreement);
  });

  it('refuses what makes no sense', async () => {
    const sample = [message('existence', 0)];
    await expect(calibrate(original, [sample])).rejects.toThrow('does not prune');
    await expect(calibrate(pruned, [])).rejects.toThrow('nothing to ask');
    await expect(calibrate(pruned, [sample], { agreement: 0 })).rejects.toThrow('no share');
    await expect(calibrate(pruned, [sample], { ratios: [2] })).rejects.toThrow('make no sense');
  });
});

it('is ready after a warm-up, and is closed where it goes out of scope', async () => {
  const model = await openModel(EMBEDDED_MODEL, { conversation: pruned.conversation });
  await model.warmup();
  await model[Symbol.asyncDispose]();
  await expect(model.warmup()).rejects.toThrow();
});
