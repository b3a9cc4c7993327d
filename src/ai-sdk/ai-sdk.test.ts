import { generateText, streamText } from 'ai';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePicture } from '../media/decode.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { openModel, type OpenedModel } from '../runtime/model.js';
import { createFastv, type FastvProvider } from './index.js';

const QUESTION = 'How many objects are there?';

describe('the AI SDK', () => {
  let png: Uint8Array;
  let provider: FastvProvider;
  let library: OpenedModel;

  beforeAll(async () => {
    const circle = Buffer.from(
      '<svg width="144" height="144"><circle cx="60" cy="70" r="30" fill="red"/></svg>',
    );
    png = await sharp({ create: { width: 144, height: 144, channels: 3, background: '#eeeeee' } })
      .composite([{ input: circle }])
      .png()
      .toBuffer();
    provider = createFastv({ layer: 2, ratio: 0.5, dtype: 'fp32' });
    library = await openModel(EMBEDDED_MODEL, {
      fastv: { layer: 2, ratio: 0.5 },
      loading: { dtype: 'fp32' },
    });
  });
  afterAll(async () => {
    await provider.dispose();
    await library.close();
  });

  const asked = (ratio: number) => async () => {
    const picture = await decodePicture(png, 'test');
    return library.ask([{ role: 'user', text: QUESTION, images: [picture] }], { maxNewTokens: 32, ratio });
  };
  const prompt = (image: Uint8Array | string = png) => ({
    model: provider(EMBEDDED_MODEL),
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'image' as const, image },
          { type: 'text' as const, text: QUESTION },
        ],
      },
    ],
    temperature: 0,
    maxOutputTokens: 32,
    maxRetries: 0,
  });

  it('gets the library’s answer, with what was pruned', async () => {
    const { text, usage, finishReason, providerMetadata, warnings } = await generateText(prompt());
    const expected = await asked(0.5)();
    expect(text).toBe(expected.text);
    expect(finishReason).toBe('stop');
    expect(usage.outputTokens).toBe(expected.tokens);
    expect(providerMetadata?.['fastv']).toMatchObject({ imageTokens: 144, keptImageTokens: 72 });
    expect(warnings).toEqual([]);
  });

  it('takes R with a call', async () => {
    const { text, providerMetadata } = await generateText({
      ...prompt(`data:image/png;base64,${Buffer.from(png).toString('base64')}`),
      providerOptions: { fastv: { ratio: 0.75 } },
    });
    expect(text).toBe((await asked(0.75)()).text);
    expect(providerMetadata?.['fastv']).toMatchObject({ keptImageTokens: 36 });
    await expect(generateText({ ...prompt(), providerOptions: { fastv: { ration: 0.75 } } })).rejects.toThrow(
      'ration',
    );
  });

  it('streams', async () => {
    const { textStream, usage, providerMetadata } = streamText(prompt());
    let text = '';
    for await (const piece of textStream) text += piece;
    const expected = await asked(0.5)();
    expect(text).toBe(expected.text);
    expect((await usage).outputTokens).toBe(expected.tokens);
    expect((await providerMetadata)?.['fastv']).toMatchObject({ keptImageTokens: 72 });
  });

  it('ends at a stop text, at the most tokens, and when it is aborted', async () => {
    const { text: whole } = await generateText(prompt());
    const stop = whole.slice(1, 3);
    const stopped = await generateText({ ...prompt(), stopSequences: [stop] });
    expect(stopped.text).toBe(whole.slice(0, whole.indexOf(stop)).trim());
    expect(stopped.finishReason).toBe('stop');
    const short = await generateText({ ...prompt(), maxOutputTokens: 1 });
    expect(short).toMatchObject({ finishReason: 'length', usage: { outputTokens: 1 } });
    const reason = new Error('enough');
    await expect(generateText({ ...prompt(), abortSignal: AbortSignal.abort(reason) })).rejects.toThrow(
      'enough',
    );
  });

  it('warns of what has no effect, and refuses what it cannot see', async () => {
    const { warnings } = await generateText({ ...prompt(), temperature: 0.1, seed: 1, frequencyPenalty: 1 });
    expect(warnings?.map((warning) => 'feature' in warning && warning.feature)).toEqual([
      'frequencyPenalty',
      'seed',
    ]);
    await expect(generateText(prompt(Buffer.from('no picture')))).rejects.toThrow(/image|media/u);
    await expect(
      generateText({
        ...prompt(),
        messages: [
          {
            role: 'user',
            content: [{ type: 'file', data: Buffer.from('%PDF'), mediaType: 'application/pdf' }],
          },
        ],
      }),
    ).rejects.toThrow('application/pdf');
    expect(() => provider.embeddingModel('any')).toThrow('any');
  });
});
