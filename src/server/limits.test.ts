// Every limit that docs/serve.md names, at a server where it is small: what is beyond it is refused with the numbers, or cut.
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sceneUrl } from '../../test/server/scene-turn.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { openModel } from '../runtime/model.js';
import type { PlugOptions } from '../runtime/options.js';
import type { VisionAround } from '../runtime/passes.js';
import type { ApiErrorBody } from './api-error.js';
import { checkedLimits, DEFAULT_LIMITS, type ServerLimits } from './limits.js';
import { planOf, withPlan, type Plan } from './plan.js';
import { createHandler, type Handler } from './serve.js';
import type { Usage } from './usage.js';

const MODEL = 'scenes';
const FASTV: PlugOptions = { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined };
/** Pictures that were encoded, by any server here. */
let encoded = 0;
let small: Handler;
beforeAll(async () => {
  small = handler({
    ...{ bodyBytes: 2 ** 18, images: 4, imagePixels: 40_000, decodedBytes: 150_000, frames: 2 },
    ...{ promptTokens: 400, outputTokens: 6, plans: 1, prefixCacheBytes: 0, visionCacheBytes: 0 },
  });
  await small.loaded;
});
afterAll(() => small.close());

function handler(limits: Partial<ServerLimits>): Handler {
  const open = (vision: VisionAround, plan?: Plan): ReturnType<typeof openModel> =>
    openModel(EMBEDDED_MODEL, {
      loading: { dtype: 'fp32' },
      fastv: withPlan(FASTV, plan),
      vision: (run, call) =>
        vision((...given) => {
          encoded++;
          return run(...given);
        }, call),
    });
  const model = { id: MODEL, pruning: { ratio: 0.5 }, plan: planOf(FASTV), open };
  return createHandler({ models: [model], limits, logger: pino({ level: 'silent' }) });
}

interface Answer {
  readonly status: number;
  readonly error?: ApiErrorBody['error'];
  readonly choices?: readonly { readonly finish_reason: string }[];
  readonly usage?: Usage;
}

async function ask(more: object, to = small, signal?: AbortSignal): Promise<Answer> {
  const messages = [{ role: 'user', content: 'What is this?' }];
  const request = new Request('http://x/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, messages, ...more }),
    ...(signal === undefined ? {} : { signal }),
  });
  const response = await to.fetch(request);
  return { status: response.status, ...((await response.json()) as object) };
}

const about = (...urls: readonly string[]): object => ({
  messages: [{ role: 'user', content: urls.map((url) => ({ type: 'image_url', image_url: { url } })) }],
});

async function white(side: number): Promise<string> {
  const bytes = await sharp({ create: { width: side, height: side, channels: 3, background: 'white' } })
    .png()
    .toBuffer();
  return `data:image/png;base64,${bytes.toString('base64')}`;
}

describe('a limit of', () => {
  it('bytes of a body', async () => {
    const { status, error } = await ask({ user: 'x'.repeat(2 ** 18) });
    expect(status).toBe(413);
    expect(error).toMatchObject({ code: 'body_too_large', message: 'the body has more than 262144 bytes' });
  });

  it('pictures of a request', async () => {
    const url = await white(8);
    expect((await ask(about(url, url, url, url, url))).error).toMatchObject({
      code: 'too_many_images',
      message: 'the request has more than 4 pictures',
    });
  });

  it('pixels of a picture, as it is stored', async () => {
    expect((await ask(about(await white(300)))).error).toMatchObject({
      param: 'messages.0.content.0.image_url.url',
      message: expect.stringContaining('300 x 300 pixels') as string,
    });
  });

  it('bytes of all pictures once they are decoded', async () => {
    const url = await white(190);
    expect((await ask({ ...about(url), max_tokens: 1 })).status).toBe(200);
    expect((await ask(about(url, url))).error).toMatchObject({
      param: 'messages.0.content.1.image_url.url',
      message: expect.stringContaining('more than 0.05 megapixels in all') as string,
    });
  });

  it('tokens of a prompt, of which an image has many', async () => {
    const url = await white(8);
    expect((await ask(about(url, url, url))).error).toMatchObject({
      code: 'context_length_exceeded',
      message: expect.stringMatching(/^the prompt has 4\d\d tokens; at most 400 are read/u) as string,
    });
  });

  it('tokens of a prompt, which is not even made into tokens where it is much too long', async () => {
    const content = 'word '.repeat(6000);
    expect((await ask({ messages: [{ role: 'user', content }] })).error).toMatchObject({
      code: 'context_length_exceeded',
      message: 'the prompt has 30000 characters, which are too many tokens; at most 400 are read',
    });
  });

  it('tokens of all answers', async () => {
    const endless = { logit_bias: { 2: -100 } };
    expect((await ask({ max_tokens: 7 })).error).toMatchObject({
      param: 'max_tokens',
      message: 'max_tokens is 7; this server gives 6 an answer at most',
    });
    expect((await ask({ max_completion_tokens: 4, n: 2 })).error).toMatchObject({
      param: 'max_completion_tokens',
      message: 'max_completion_tokens is 4; this server gives 3 an answer at most',
    });
    const { choices, usage } = await ask({ ...endless, n: 2 });
    expect(choices?.map(({ finish_reason: reason }) => reason)).toEqual(['length', 'length']);
    expect(usage?.completion_tokens).toBe(6);
  });

  it('frames of a video', async () => {
    const colours = ['#000000', '#404040', '#808080', '#c0c0c0', '#ffffff'];
    const pictures = await Promise.all(
      colours.map((background) =>
        sharp({ create: { width: 8, height: 8, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const animation = sharp(pictures, { join: { animated: true } });
    for (const format of ['gif', 'webp'] as const) {
      const bytes = await animation.clone().toFormat(format).toBuffer();
      const url = `data:image/${format};base64,${bytes.toString('base64')}`;
      const content = [{ type: 'video_url', video_url: { url } }];
      const { usage } = await ask({ messages: [{ role: 'user', content }], max_tokens: 1 });
      expect(usage?.fastv.image_tokens).toBe(2 * 144);
    }
  });

  it('decoders of other plans, all of which are in use', async () => {
    const stop = new AbortController();
    const endless = { fastv: { layer: 3 }, logit_bias: { 2: -100 }, stream: true };
    const request = (signal: AbortSignal, more: object): Request =>
      new Request('http://x/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'What?' }], ...more }),
        signal,
      });
    const one = handler({ plans: 1 });
    await one.loaded;
    // what answers is in use until its stream is read to the end
    const running = await one.fetch(request(stop.signal, { ...endless, max_tokens: 1500 }));
    expect(running.status).toBe(200);
    const { status, error } = await ask({ fastv: { layer: 4 } }, one);
    expect(status).toBe(429);
    expect(error).toMatchObject({ code: 'plans_busy', param: 'fastv' });
    // the same plan has room for more
    expect((await ask({ fastv: { layer: 3 }, max_tokens: 1 }, one)).status).toBe(200);
    await running.body?.cancel();
    await expect.poll(async () => (await ask({ fastv: { layer: 4 }, max_tokens: 1 }, one)).status).toBe(200);
    await one.close();
  });

  it('bytes of what is kept of conversations and of pictures', async () => {
    const asked = { ...about(await sceneUrl('color', 1)), max_tokens: 1 };
    const counts = async (to: Handler): Promise<{ cached: number[]; encoded: number }> => {
      const before = encoded;
      const cached: number[] = [];
      for (const ratio of [0.5, 0.5, 0.75]) {
        const { usage } = await ask({ ...asked, fastv: { ratio } }, to);
        cached.push(usage?.prompt_tokens_details.cached_tokens ?? NaN);
      }
      return { cached, encoded: encoded - before };
    };
    expect(await counts(small)).toEqual({ cached: [0, 0, 0], encoded: 3 });
    const keeping = handler({});
    await keeping.loaded;
    const kept = await counts(keeping);
    expect(kept.encoded).toBe(1);
    expect(kept.cached[0]).toBe(0);
    expect(kept.cached[1]).toBeGreaterThan(144);
    await keeping.close();
  });

  it('any kind is a whole number that makes sense', () => {
    expect(checkedLimits({ queue: 0 })).toEqual({ ...DEFAULT_LIMITS, queue: 0 });
    for (const [name, value] of [
      ['sequences', 0],
      ['seconds', 1e7],
      ['bodyBytes', NaN],
      ['images', -1],
      ['frames', 1.5],
      ['frame', 1],
    ] as const)
      expect(() => checkedLimits({ [name]: value })).toThrow(
        expect.objectContaining({ code: 'invalid-option', where: `limits.${name}` }) as Error,
      );
  });
});
