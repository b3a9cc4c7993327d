// Families that Transformers.js lacks, and some that it has, built from tiny checkpoints and asked over HTTP: what the server
// says is what the library says.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../src/build/build.js';
import type { Message, RgbImage } from '../../src/runtime/conversation.js';
import { openModel } from '../../src/runtime/model.js';
import { serve, type RunningServer } from '../../src/server/serve.js';
import type { Usage } from '../../src/server/usage.js';
import { FIXTURES } from '../vlm-golden.js';

const FAMILIES = ['video_llava', 'qwen-vl-chat', 'qwen2_vl', 'llava_next'] as const;
const FASTV = { layer: 1, ratio: 0.5, cache: false, onWarning: () => undefined } as const;
const QUESTION = 'What is this?';
const TOKENS = 6;

let folder = '';
let server: RunningServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-families-'));
  for (const name of FAMILIES) await build(join(FIXTURES, name), join(folder, name), { dtype: 'fp32' });
  server = await serve({
    port: 0,
    models: FAMILIES.map((name) => join(folder, name)),
    fastv: FASTV,
    logger: pino({ level: 'silent' }),
  });
  await server.loaded;
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly usage: Usage;
}

async function asked(model: string, content: readonly object[], more: object = {}): Promise<Answer> {
  const messages = [{ role: 'user', content: [...content, { type: 'text', text: QUESTION }] }];
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages, max_tokens: TOKENS, temperature: 0, ...more }),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as Answer;
}

/** What the library says to the same pictures. */
async function expected(name: string, message: Partial<Message>, ratio = 0.5): Promise<string> {
  const model = await openModel(join(folder, name), { loading: { dtype: 'fp32' }, fastv: FASTV });
  try {
    const turn: Message = { role: 'user', text: QUESTION, ...message };
    return (await model.ask([turn], { maxNewTokens: TOKENS, greedy: true, ratio })).text;
  } finally {
    await model.close();
  }
}

const dataUrl = (bytes: Uint8Array, type = 'png'): string =>
  `data:image/${type};base64,${Buffer.from(bytes).toString('base64')}`;

async function pixelsOf(bytes: Uint8Array, page = 0): Promise<RgbImage> {
  const { data, info } = await sharp(bytes, { page })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
}

describe.each(FAMILIES)('%s', (name) => {
  it('says of pictures what the library says, pruned and not', async () => {
    const bytes = readFileSync(join(FIXTURES, name, 'resize0.png'));
    const url = dataUrl(bytes);
    const images = [await pixelsOf(bytes)];
    const kept: number[] = [];
    for (const ratio of [0, 0.5]) {
      const { choices, usage } = await asked(name, [{ type: 'image_url', image_url: { url } }], {
        fastv: { ratio },
      });
      expect(choices[0]?.message.content).toBe(await expected(name, { images }, ratio));
      kept.push(usage.fastv.kept_image_tokens);
    }
    const [all = 0, half = 0] = kept;
    expect(all).toBeGreaterThan(0);
    expect(half).toBeLessThan(all);
  });
});

it('Video-LLaVA is given a video as one', async () => {
  const frames = Array.from({ length: 8 }, (_, i) =>
    readFileSync(join(FIXTURES, 'video_llava', `video_resize${i}.png`)),
  );
  const film = await sharp(frames, { join: { animated: true } })
    .webp({ lossless: true })
    .toBuffer();
  const images = await Promise.all(frames.map((_, page) => pixelsOf(film, page)));
  const video = { type: 'video_url', video_url: { url: dataUrl(film, 'webp') } };
  const { choices, usage } = await asked('video_llava', [video]);
  expect(choices[0]?.message.content).toBe(await expected('video_llava', { images, video: true }));
  // as eight pictures it has another prompt
  const pictures = await asked(
    'video_llava',
    await Promise.all(
      frames.map(async (_, page) => ({
        type: 'image_url',
        image_url: { url: dataUrl(await sharp(film, { page }).png().toBuffer()) },
      })),
    ),
    { max_tokens: 1 },
  );
  expect(pictures.usage.prompt_tokens).not.toBe(usage.prompt_tokens);
});

it('a system message is refused where the template would leave it out', async () => {
  const user = { role: 'user', content: QUESTION };
  for (const [path, body, param] of [
    ['chat/completions', { messages: [user, { role: 'developer', content: 'Be brief.' }] }, 'messages.1'],
    ['responses', { instructions: 'Be brief.', input: QUESTION }, 'instructions'],
  ] as const) {
    const response = await fetch(`${server.url}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llava_next', ...body }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param } });
  }
});

it('low detail is of 512 pixels at most on the longer side, high detail of all', async () => {
  const wide = sharp({ create: { width: 1200, height: 24, channels: 3, background: 'white' } });
  const url = dataUrl(await wide.png().toBuffer());
  const tokens = async (detail: string): Promise<number> => {
    const part = { type: 'image_url', image_url: { url, detail } };
    return (await asked('qwen2_vl', [part], { max_tokens: 1 })).usage.fastv.image_tokens;
  };
  expect(await tokens('low')).toBeLessThan(await tokens('high'));
});
