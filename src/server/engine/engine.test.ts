// The engine against the library: the same answers, whatever runs beside them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';
import { openModel, type OpenedModel, type OpenOptions } from '../../runtime/model.js';
import { sceneTurn } from '../../../test/server/scene-turn.js';
import { openServed } from './open-served.js';
import { Engine, type FinishReason, type Generation, type GenerationResult } from './engine.js';
import type { Turn } from './prompt.js';
import type { Chosen, Sampling } from './sampler.js';

const GREEDY: Sampling = {
  temperature: 0,
  seed: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map(),
};

interface Answered extends GenerationResult {
  readonly texts: string[];
  readonly tokens: Chosen[][];
  readonly reasons: FinishReason[];
}

let library: OpenedModel;
let engine: Engine;
const OPTIONS: OpenOptions = {
  loading: { dtype: 'fp32' },
  fastv: { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined },
};
beforeAll(async () => {
  library = await openModel(EMBEDDED_MODEL, OPTIONS);
  engine = await Engine.start(await openServed(EMBEDDED_MODEL, OPTIONS), {
    sequences: 8,
    prefixCacheBytes: 64 * 2 ** 20,
  });
});
afterAll(async () => {
  await engine.close();
  await library.close();
});

async function generate(turns: readonly Turn[], options: Partial<Generation> = {}): Promise<Answered> {
  const answers = options.answers ?? [GREEDY];
  const pieces = answers.map((): string[] => []);
  const tokens = answers.map((): Chosen[] => []);
  const reasons: FinishReason[] = [];
  const result = await engine.generate({
    prompt: await engine.prompt(turns),
    maxTokens: 48,
    answers,
    stop: [],
    signal: new AbortController().signal,
    ...options,
    listener: {
      onToken: (answer, token, text) => {
        pieces[answer]?.push(text);
        tokens[answer]?.push(token);
      },
      onFinish: (answer, reason, text) => {
        pieces[answer]?.push(text);
        reasons[answer] = reason;
      },
    },
  });
  return { ...result, texts: pieces.map((texts) => texts.join('')), tokens, reasons };
}

async function expected({ message, pruning }: Turn, maxNewTokens = 48): Promise<string> {
  const { text } = await library.ask([message], { maxNewTokens, ...pruning });
  return text;
}

describe('the engine', () => {
  it('puts rows of different lengths together where the decoder allows it', () => {
    expect(['left', 'right']).toContain(engine.batching.together);
    expect(engine.batching.inPlace).toBe(true);
  });

  it('answers as the library does, many at once, pruned in different ways', async () => {
    const turns = [
      sceneTurn('caption', 1, { ratio: 0.5 }),
      sceneTurn('caption', 2, { ratio: 0.5 }),
      sceneTurn('color', 3, { ratio: 0.5 }),
      sceneTurn('relation', 4, { ratio: 0 }),
      sceneTurn('caption', 5, { ratio: 0.75 }),
      sceneTurn('count-all', 6, { budget: 20 }),
    ];
    const together = await Promise.all(turns.map((turn) => generate([turn])));
    for (const [i, turn] of turns.entries()) {
      expect(together[i]?.texts).toEqual([await expected(turn)]);
      expect(together[i]?.reports).toHaveLength(1);
    }
    const { promptTokens, completionTokens, ms, reports } = together[0] ?? expect.fail();
    expect(reports[0]?.rows[0]).toMatchObject({ imageTokens: 144, keptImageTokens: 72 });
    expect(promptTokens).toBe(reports[0]?.rows[0]?.sequence);
    expect(completionTokens).toBeGreaterThan(10);
    expect(ms.prefill).toBeGreaterThan(0);
    expect(ms.decode).toBeGreaterThan(0);
  });

  it('continues a conversation on its cache, as a chat of the library does', async () => {
    const first = sceneTurn('caption', 7, { ratio: 0.5 });
    const chat = library.chat();
    const answers: string[] = [];
    const images = first.message.images ?? [];
    answers.push((await chat.ask(first.message.text, images, { maxNewTokens: 48, ratio: 0.5 })).text);
    answers.push((await chat.ask('How many objects are there?', [], { maxNewTokens: 8, ratio: 0.5 })).text);
    const said: Turn[] = [
      first,
      text('assistant', answers[0] ?? ''),
      text('user', 'How many objects are there?'),
    ];
    const alone = await generate(said, { maxTokens: 8 });
    const turn = await generate([first]);
    const next = await generate(said, { maxTokens: 8 });
    expect(turn.texts).toEqual([answers[0]]);
    expect(next.texts).toEqual([answers[1]]);
    // the same where nothing is in the cache
    expect(alone.texts).toEqual(next.texts);
    expect(alone.cachedTokens).toBe(0);
    expect(next.cachedTokens).toBeGreaterThan(turn.promptTokens);
    expect(next.reports[0]?.rows[0]).toMatchObject({ imageTokens: 144, keptImageTokens: 72 });
  });

  it('takes no cache of other pictures, other pruning or another question, unless nothing was pruned', async () => {
    const turn = sceneTurn('color', 11, { ratio: 0.5 });
    const about = (question: string, pruning = turn.pruning, of = turn): Turn => ({
      ...of,
      message: { role: 'user', text: question, images: of.message.images ?? [] },
      pruning,
    });
    await generate([turn]);
    expect((await generate([turn])).cachedTokens).toBeGreaterThan(144);
    const asked = about('How many objects are there?');
    const other = await generate([asked]);
    expect(other.cachedTokens).toBeLessThan(144);
    expect(other.texts).toEqual([await expected(asked)]);
    const harder = await generate([about(turn.message.text, { ratio: 0.75 })]);
    expect(harder.cachedTokens).toBeLessThan(144);
    const picture = about(turn.message.text, turn.pruning, sceneTurn('color', 12, { ratio: 0.5 }));
    expect((await generate([picture])).cachedTokens).toBeLessThan(144);
    const whole = about('Describe the image.', { ratio: 0 });
    await generate([whole]);
    const again = about('What color is the background?', { ratio: 0 });
    const reused = await generate([again]);
    expect(reused.cachedTokens).toBeGreaterThan(144);
    expect(reused.texts).toEqual([await expected(again)]);
  });

  it('gives several answers of one prompt, drawn by their seeds', async () => {
    const turn = sceneTurn('caption', 21, { ratio: 0.5 });
    const drawn = (seed: number): Sampling => ({ ...GREEDY, temperature: 2, seed });
    const several = await generate([turn], { answers: [drawn(1), drawn(2), drawn(1)] });
    expect(several.texts[0]).toBe(several.texts[2]);
    expect(several.texts[0]).not.toBe(several.texts[1]);
    expect((await generate([turn], { answers: [drawn(2)] })).texts[0]).toBe(several.texts[1]);
  });

  it('ends at a stop text, and at the longest answer', async () => {
    const turn = sceneTurn('caption', 2, { ratio: 0.5 });
    const whole = await expected(turn);
    const stop = whole.slice(8, 13);
    const stopped = await generate([turn], { stop: [stop] });
    expect(stopped.texts).toEqual([whole.slice(0, whole.indexOf(stop)).trim()]);
    expect(stopped.reasons).toEqual(['stop']);
    const short = await generate([turn], { maxTokens: 3 });
    expect(short.reasons).toEqual(['length']);
    expect(short.completionTokens).toBe(3);
    expect(short.texts).toEqual([await expected(turn, 3)]);
  });

  it('tells how likely tokens were', async () => {
    const { tokens } = await generate([sceneTurn('color', 5, { ratio: 0.5 })], {
      answers: [{ ...GREEDY, topLogprobs: 3 }],
    });
    for (const { id, logprob, top } of tokens[0] ?? []) {
      expect(top).toHaveLength(3);
      expect(top[0]).toEqual({ id, logprob });
      expect(logprob).toBeLessThanOrEqual(0);
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).sort((a, b) => b - a));
    }
  });

  it('goes on with the others when one is aborted, and when one fails', async () => {
    const turn = sceneTurn('caption', 3, { ratio: 0.5 });
    const stop = new AbortController();
    const reason = new Error('the client went away');
    const gone = engine.generate({
      prompt: await engine.prompt([sceneTurn('caption', 4, { ratio: 0.5 })]),
      maxTokens: 48,
      answers: [GREEDY],
      stop: [],
      signal: stop.signal,
      listener: {
        onToken: () => {
          stop.abort(reason);
        },
      },
    });
    const failing = generate([turn], {
      constraint: () => Promise.reject(new Error('no such grammar')),
    });
    const fine = generate([turn]);
    await expect(gone).rejects.toBe(reason);
    await expect(failing).rejects.toThrow('no such grammar');
    expect((await fine).texts).toEqual([await expected(turn)]);
    expect(engine.load).toMatchObject({ waiting: 0, running: 0 });
  });
});

function text(role: 'user' | 'assistant', said: string): Turn {
  return { message: { role, text: said }, images: [], pruning: { ratio: 0.5 } };
}
