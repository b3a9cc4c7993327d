// The server over HTTP: every field is honoured, or refused by its name; nothing is left behind.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Hono } from 'hono';
import { mount } from 'hono/mount';
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scene, sceneUrl } from '../../test/server/scene-turn.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { openModel, type OpenedModel } from '../runtime/model.js';
import type { ApiErrorBody } from './api-error.js';
import { App } from './app.js';
import { checkedLimits } from './limits.js';
import { PublicFetch } from './public-fetch.js';
import { createHandler, serve, type RunningServer, type ServeOptions } from './serve.js';
import type { Usage } from './usage.js';

const MODEL = 'scenes-llava';
const TOOL_SCHEMA = {
  type: 'object',
  properties: { color: { enum: ['red', 'blue'] }, most: { type: 'integer', minimum: 0, maximum: 9 } },
  required: ['color', 'most'],
  additionalProperties: false,
};
const KEY = 'a key that no log may show';
const HAS_FFMPEG = ['ffmpeg', 'ffprobe'].every((name) => spawnSync(name, ['-version']).status === 0);

interface Completion {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly {
    readonly message: {
      readonly content: string;
      readonly tool_calls?: readonly { id: string; function: { name: string; arguments: string } }[];
    };
    readonly finish_reason: string;
    readonly logprobs: {
      readonly content: readonly { token: string; logprob: number; top_logprobs: readonly unknown[] }[];
    } | null;
  }[];
  readonly usage: Usage;
}

let library: OpenedModel;
let server: RunningServer;
let folder = '';
const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'fastv-serve-')));
  library = await openModel(EMBEDDED_MODEL, {
    loading: { dtype: 'fp32' },
    fastv: { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined },
  });
  server = await start({ mediaRoot: folder, limits: { images: 4, bodyBytes: 2 ** 20, imagePixels: 1e6 } });
});
afterAll(async () => {
  await server.close();
  await library.close();
  await rm(folder, { recursive: true });
});

async function start(options: ServeOptions = {}): Promise<RunningServer> {
  const running = await serve({ port: 0, apiKey: KEY, logger, pingMs: 20, ...options });
  await running.loaded;
  return running;
}

function post(
  body: unknown,
  {
    headers = {},
    signal,
    to = server,
  }: {
    headers?: Record<string, string>;
    signal?: AbortSignal;
    to?: RunningServer;
  } = {},
): Promise<Response> {
  return fetch(`${to.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** A question about a scene. */
async function about(
  family: Parameters<typeof scene>[0],
  index: number,
  more: object = {},
  detail?: string,
): Promise<object> {
  const url = await sceneUrl(family, index);
  return {
    model: MODEL,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url, ...(detail === undefined ? {} : { detail }) } },
          { type: 'text', text: scene(family, index).question },
        ],
      },
    ],
    max_tokens: 48,
    ...more,
  };
}

async function completion(body: object): Promise<Completion> {
  const response = await post(body);
  const document = (await response.json()) as Completion;
  expect(response.status, JSON.stringify(document)).toBe(200);
  return document;
}

async function refused(
  body: unknown,
  options: Parameters<typeof post>[1] = {},
): Promise<{ status: number } & ApiErrorBody['error']> {
  const response = await post(body, options);
  const { error } = (await response.json()) as ApiErrorBody;
  expect(error.message).not.toContain(tmpdir());
  return { status: response.status, ...error };
}

async function expected(
  family: Parameters<typeof scene>[0],
  index: number,
  options: object = {},
): Promise<string> {
  const { question: text, images } = scene(family, index);
  return (await library.ask([{ role: 'user', text, images }], { maxNewTokens: 48, ratio: 0.5, ...options }))
    .text;
}

async function events(
  response: Response,
): Promise<{ chunks: Record<string, unknown>[]; pings: number; done: boolean }> {
  const text = await response.text();
  const data = text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6));
  return {
    chunks: data
      .filter((line) => line !== '[DONE]')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
    pings: text.split('\n').filter((line) => line.startsWith(':')).length,
    done: data.at(-1) === '[DONE]',
  };
}

describe('an answer', () => {
  it('is that of the library, with what it took', async () => {
    const { choices, usage, model, id } = await completion(await about('caption', 1));
    expect(choices[0]?.message.content).toBe(await expected('caption', 1));
    expect(choices[0]?.finish_reason).toBe('stop');
    expect(model).toBe(MODEL);
    expect(id).toMatch(/^chatcmpl-/u);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    expect(usage.fastv).toMatchObject({ image_tokens: 144, kept_image_tokens: 72 });
    expect(usage.fastv.image_tokens_by_layer).toEqual([144, 144, ...Array<number>(8).fill(72)]);
    expect(usage.fastv.flops_ratio).toBeLessThan(1);
    expect(usage.fastv.kv_ratio).toBeLessThan(1);
    expect(usage.fastv.ms.prefill).toBeGreaterThan(0);
  });

  it.each([
    ['low', 36],
    ['high', 144],
    ['auto', 72],
  ])('with detail %s keeps %i of 144 image tokens', async (detail, kept) => {
    const { usage } = await completion(await about('color', 2, {}, detail));
    expect(usage.fastv.kept_image_tokens).toBe(kept);
  });

  it('prunes as fastv says, whatever the detail', async () => {
    const by = async (fastv: object): Promise<number> =>
      (await completion(await about('color', 3, { fastv }, 'low'))).usage.fastv.kept_image_tokens;
    expect(await by({ ratio: 0.25 })).toBe(108);
    expect(await by({ budget: 10 })).toBe(10);
    expect(await by({ layer: 2, strategy: 'attention', ratio: 0 })).toBe(144);
  });

  it('prunes pictures of different detail by the mean of theirs', async () => {
    const url = await sceneUrl('color', 1);
    const image = (detail: string): object => ({ type: 'image_url', image_url: { url, detail } });
    const content = [image('low'), image('high'), { type: 'text', text: 'What color is the background?' }];
    const { usage } = await completion({
      model: MODEL,
      messages: [{ role: 'user', content }],
      max_tokens: 4,
    });
    expect(usage.fastv).toMatchObject({ image_tokens: 288, kept_image_tokens: 180 });
  });

  it('takes a system message, and messages of one text or of several', async () => {
    const question = 'How many objects are there?';
    const ask = async (messages: object[]): Promise<Completion> =>
      completion({ model: MODEL, messages, max_tokens: 4 });
    const plain = await ask([{ role: 'user', content: question }]);
    const parts = await ask([{ role: 'user', content: [{ type: 'text', text: question }] }]);
    const system = await ask([
      { role: 'system', content: 'Answer in one word.' },
      { role: 'user', content: question },
    ]);
    const developer = await ask([
      { role: 'developer', content: 'Answer in one word.' },
      { role: 'user', content: question },
    ]);
    expect(parts.usage.prompt_tokens).toBe(plain.usage.prompt_tokens);
    expect(system.usage.prompt_tokens).not.toBe(plain.usage.prompt_tokens);
    expect(developer.choices[0]?.message).toEqual(system.choices[0]?.message);
  });

  it('comes as a stream that says the same', async () => {
    const body = await about('caption', 4, { stream: true, stream_options: { include_usage: true } });
    const response = await post(body);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/u);
    const { chunks, pings, done } = await events(response);
    const deltas = chunks.flatMap(
      ({ choices }) => choices as { delta: { content?: string }; finish_reason: string | null }[],
    );
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe(await expected('caption', 4));
    expect(deltas.at(-1)?.finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { fastv: { kept_image_tokens: 72 } } });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(pings).toBeGreaterThan(0);
    expect(done).toBe(true);
  });

  it('is as long, as likely and as many as asked for', async () => {
    const short = await completion(
      await about('caption', 1, { max_tokens: undefined, max_completion_tokens: 3 }),
    );
    expect(short.choices[0]?.finish_reason).toBe('length');
    expect(short.usage.completion_tokens).toBe(3);
    const drawn = await about('caption', 1, {
      temperature: 2,
      seed: 5,
      n: 2,
      logprobs: true,
      top_logprobs: 2,
    });
    const several = await completion(drawn);
    expect(several.choices).toHaveLength(2);
    expect(several.choices[0]?.message).not.toEqual(several.choices[1]?.message);
    expect((await completion(drawn)).choices).toEqual(several.choices);
    const [first] = several.choices[0]?.logprobs?.content ?? [];
    expect(first?.top_logprobs).toHaveLength(2);
    expect(first?.logprob).toBeLessThanOrEqual(0);
    const nucleus = await completion(await about('caption', 1, { temperature: 2, seed: 5, top_p: 1e-9 }));
    expect(nucleus.choices[0]?.message.content).toBe(await expected('caption', 1));
  });

  it('obeys stop, penalties and biases', async () => {
    const whole = await expected('caption', 1);
    const [first = '', second = ''] = whole.split(' ');
    const stopped = await completion(await about('caption', 1, { stop: [second] }));
    expect(stopped.choices[0]?.message.content).toBe(first);
    const four = await completion(await about('caption', 1, { stop: ['@', '#', '%', second] }));
    expect(four.choices[0]?.message.content).toBe(first);
    // the model repeats itself where it may not end
    const endless = { logit_bias: { 2: -100 } };
    const babble = await completion(await about('caption', 1, endless));
    for (const field of ['frequency_penalty', 'presence_penalty']) {
      const penalised = await completion(await about('caption', 1, { ...endless, [field]: 2 }));
      expect(penalised.choices[0]?.message.content).not.toBe(babble.choices[0]?.message.content);
    }
    const { choices } = await completion(await about('caption', 1, { logprobs: true }));
    const id = Number(
      library.conversation.tokenizer.encode(choices[0]?.logprobs?.content[0]?.token ?? '', {
        add_special_tokens: false,
      })[0],
    );
    const biased = await completion(await about('caption', 1, { logit_bias: { [id]: -100 } }));
    expect(biased.choices[0]?.message.content).not.toBe(whole);
  });

  it('of several is drawn by its seed and those that follow', async () => {
    const drawn = { temperature: 2, max_tokens: 12 };
    const several = await completion(await about('caption', 1, { ...drawn, seed: 5, n: 2 }));
    const second = await completion(await about('caption', 1, { ...drawn, seed: 6 }));
    expect(several.choices[1]?.message).toEqual(second.choices[0]?.message);
    // and what a strategy draws by its own
    const likely = async (seed: number): Promise<string[]> => {
      const fastv = { strategy: 'random', ratio: 0.9, seed };
      const asked = await about('caption', 1, { fastv, logprobs: true, max_tokens: 8 });
      const { choices } = await completion(asked);
      // another place in memory is another order of sums
      return choices[0]?.logprobs?.content.map(({ logprob }) => logprob.toFixed(3)) ?? [];
    };
    expect(await likely(1)).toEqual(await likely(1));
    expect(await likely(1)).not.toEqual(await likely(2));
  });

  it('is JSON where that is asked for, of the schema that is given', async () => {
    const schema = {
      type: 'object',
      properties: {
        color: { enum: ['red', 'green'] },
        count: { type: 'integer', minimum: 0, maximum: 9 },
        sure: { type: 'boolean' },
      },
      required: ['color', 'count', 'sure'],
      additionalProperties: false,
    };
    const format = { type: 'json_schema', json_schema: { name: 'scene', schema, strict: true } };
    for (const more of [{}, { temperature: 2, seed: 3 }]) {
      const { choices } = await completion(await about('color', 1, { ...more, response_format: format }));
      const said = JSON.parse(choices[0]?.message.content ?? '') as Record<string, unknown>;
      expect(Object.keys(said)).toEqual(['color', 'count', 'sure']);
      expect(said['color']).toMatch(/^(?:red|green)$/u);
      expect(said['count']).toSatisfy(
        (count: unknown) => Number.isInteger(count) && Number(count) >= 0 && Number(count) <= 9,
      );
      expect(typeof said['sure']).toBe('boolean');
    }
    const any = await completion(
      await about('color', 1, { response_format: { type: 'json_object' }, max_tokens: 200 }),
    );
    expect(any.choices[0]?.message.content).toMatch(/^\{/u);
    const cut = await completion(
      await about('color', 1, { response_format: { type: 'json_object' }, max_tokens: 1 }),
    );
    expect(cut.choices[0]?.finish_reason).toBe('length');
    const text = await completion(await about('color', 1, { response_format: { type: 'text' } }));
    expect(text.choices[0]?.message.content).toBe(await expected('color', 1));
  });

  it('prunes at another layer, by another strategy, and with what kept tokens stand for', async () => {
    const { usage } = await completion(await about('color', 3, { fastv: { layer: 5, ratio: 0.5 } }));
    expect(usage.fastv.image_tokens_by_layer).toEqual([
      ...Array<number>(5).fill(144),
      ...Array<number>(5).fill(72),
    ]);
    const options = { layer: 3, preset: 'sizes', ratio: 0.75 } as const;
    const other = await openModel(EMBEDDED_MODEL, {
      loading: { dtype: 'fp32' },
      fastv: { ...options, cache: false, onWarning: () => undefined },
    });
    const { question: text, images } = scene('caption', 3);
    const { text: said } = await other.ask([{ role: 'user', text, images }], { maxNewTokens: 48 });
    await other.close();
    // a third plan, for which the first one makes room
    const { layer, ratio } = options;
    await completion(
      await about('color', 3, { fastv: { layer, strategy: 'random', ratio, seed: 3 }, max_tokens: 1 }),
    );
    for (const fastv of [options, { layer, ratio, strategy: 'scope', weights: 'sizes', merge: 'mean' }]) {
      const { choices } = await completion(await about('caption', 3, { fastv }));
      expect(choices[0]?.message.content).toBe(said);
    }
    // what says nothing is as it was
    expect((await completion(await about('caption', 3))).choices[0]?.message.content).toBe(
      await expected('caption', 3),
    );
  });

  it('calls the functions that it may or must, with arguments of their schema', async () => {
    const tools = [
      tool('count'),
      tool('look', { type: 'object', properties: {}, additionalProperties: false }, true),
    ];
    const ask = async (more: object): Promise<Completion['choices'][number]> => {
      const { choices } = await completion(await about('color', 1, { tools, max_tokens: 200, ...more }));
      return choices[0] ?? expect.fail('no answer');
    };
    const named = await ask({ tool_choice: { type: 'function', function: { name: 'count' } } });
    expect(named).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const [call] = named.message.tool_calls ?? [];
    expect(call?.function.name).toBe('count');
    const args = JSON.parse(call?.function.arguments ?? '') as { color: string; most: number };
    expect(['red', 'blue']).toContain(args.color);
    expect(args.most).toSatisfy(
      (most: unknown) => Number.isInteger(most) && Number(most) >= 0 && Number(most) <= 9,
    );
    const must = await ask({ tool_choice: 'required', parallel_tool_calls: false, temperature: 2, seed: 1 });
    expect(must.message.tool_calls).toHaveLength(1);
    expect(['count', 'look']).toContain(must.message.tool_calls?.[0]?.function.name);
    // one that nothing is known of but its name, and one whose schema says more than a grammar can
    const loose = [tool('any', { type: 'object', properties: { word: { type: 'string', pattern: '^a' } } })];
    const any = await ask({
      tools: loose,
      tool_choice: 'required',
      parallel_tool_calls: false,
      max_tokens: 400,
    });
    expect(any.message.tool_calls?.[0]?.function.arguments).toMatch(/^\{/u);
    const free = await ask({ tool_choice: 'auto' });
    expect(free.message.tool_calls).toBeUndefined();
    const none = await ask({ tool_choice: 'none' });
    expect(none.message.content).toBe(await expected('color', 1));
  });

  it('streams a call, and reads what it gave', async () => {
    const tools = [tool('count')];
    const choice = { tools, tool_choice: { type: 'function', function: { name: 'count' } }, max_tokens: 200 };
    const whole = await completion(await about('color', 1, choice));
    const { chunks } = await events(await post(await about('color', 1, { ...choice, stream: true })));
    interface Delta {
      readonly delta: {
        tool_calls?: { index: number; id?: string; function: { name?: string; arguments: string } }[];
      };
      readonly finish_reason: string | null;
    }
    const deltas = chunks.flatMap(({ choices }) => choices as Delta[]);
    const calls = deltas.flatMap(({ delta }) => delta.tool_calls ?? []);
    expect(calls.length).toBeGreaterThan(2);
    expect(calls[0]).toMatchObject({ index: 0, function: { name: 'count', arguments: '' } });
    expect(calls[0]?.id).toMatch(/^call_/u);
    const [called] = whole.choices[0]?.message.tool_calls ?? [];
    expect(calls.map((one) => one.function.arguments).join('')).toBe(called?.function.arguments);
    expect(deltas.at(-1)?.finish_reason).toBe('tool_calls');
    const first = (await about('color', 1)) as { messages: object[] };
    const asked = async (result: string): Promise<Completion> =>
      completion({
        model: MODEL,
        tools,
        messages: [
          ...first.messages,
          whole.choices[0]?.message,
          { role: 'tool', tool_call_id: called?.id, content: result },
        ],
        max_tokens: 8,
      });
    const said = await asked('3');
    expect(said.choices[0]?.message.tool_calls).toBeUndefined();
    expect((await asked('three of them')).usage.prompt_tokens).toBeGreaterThan(said.usage.prompt_tokens);
  });

  it('looks at files below the media root only, and at frames of an animated GIF', async () => {
    const { images } = scene('color', 6);
    const [{ data, width, height } = { data: new Uint8ClampedArray(), width: 0, height: 0 }] = images;
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(join(folder, 'scene.png'), png);
    const outside = await mkdtemp(join(tmpdir(), 'fastv-outside-'));
    await writeFile(join(outside, 'scene.png'), png);
    await symlink(join(outside, 'scene.png'), join(folder, 'link.png'));
    const of = (url: string, type = 'image_url'): object => ({
      model: MODEL,
      messages: [
        {
          role: 'user',
          content: [
            { type, [type]: { url } },
            { type: 'text', text: scene('color', 6).question },
          ],
        },
      ],
    });
    const inside = await completion(of(pathToFileURL(join(folder, 'scene.png')).href));
    expect(inside.choices[0]?.message.content).toBe(await expected('color', 6));
    for (const path of [
      join(outside, 'scene.png'),
      join(folder, 'link.png'),
      join(folder, '..', 'x.png'),
      join(folder, 'absent.png'),
    ]) {
      expect(await refused(of(pathToFileURL(path).href))).toMatchObject({
        status: 400,
        param: 'messages.0.content.0.image_url.url',
      });
    }
    await rm(outside, { recursive: true });
    const frames = [png, await sharp(png).negate().toBuffer(), png];
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    const { usage } = await completion(of(`data:image/gif;base64,${gif.toString('base64')}`, 'video_url'));
    expect(usage.fastv.image_tokens).toBe(3 * 144);
  });

  it.runIf(HAS_FFMPEG)('looks at a film', async () => {
    const film = join(folder, 'film.mp4');
    const source = 'testsrc=size=64x64:rate=4:duration=2';
    spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', source, film]);
    const url = `data:video/mp4;base64,${(await readFile(film)).toString('base64')}`;
    const content = [{ type: 'video_url', video_url: { url } }];
    const asked = { model: MODEL, messages: [{ role: 'user', content }], max_tokens: 1 };
    // eight frames are more pictures than this server takes
    expect(await refused(asked)).toMatchObject({ code: 'too_many_images' });
    const whole = await start({ limits: { frames: 3 } });
    try {
      const { usage } = (await (await post(asked, { to: whole })).json()) as Completion;
      expect(usage.fastv.image_tokens).toBe(3 * 144);
    } finally {
      await whole.close();
    }
  });
});

describe('a refusal', () => {
  const message = [{ role: 'user', content: 'What is this?' }];
  const image = (url: string): object => ({
    model: MODEL,
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  });

  it.each([
    [{ messages: message }, 'model'],
    [{ model: MODEL }, 'messages'],
    [{ model: MODEL, messages: [] }, 'messages'],
    [{ model: MODEL, messages: [{ role: 'robot', content: '' }] }, 'messages.0.role'],
    [
      { model: MODEL, messages: [{ role: 'user', content: [{ type: 'audio' }] }] },
      'messages.0.content.0.type',
    ],
    [{ model: MODEL, messages: [{ role: 'user', content: 'x', name: 'y' }] }, 'messages.0.name'],
    [{ model: MODEL, messages: message, tools: [] }, 'tools'],
    [{ model: MODEL, messages: message, functions: [] }, 'functions'],
    [{ model: MODEL, messages: message, temperature: 'hot' }, 'temperature'],
    [
      {
        model: MODEL,
        messages: message,
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'nope' } } },
      },
      'response_format.json_schema.schema.type',
    ],
    [
      {
        model: MODEL,
        messages: message,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { type: 'string', pattern: 'a+' } },
        },
      },
      'response_format.json_schema.schema.pattern',
    ],
    [
      {
        model: MODEL,
        messages: message,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { type: 'object', properties: { a: { $ref: '#/$defs/b' } } } },
        },
      },
      'response_format.json_schema.schema.properties.a.$ref',
    ],
    [
      {
        model: MODEL,
        messages: message,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { type: 'array', items: {}, maxItems: 1e6 } },
        },
      },
      'response_format.json_schema.schema.maxItems',
    ],
    [
      {
        model: MODEL,
        messages: message,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { type: 'number', minimum: 3 } },
        },
      },
      'response_format.json_schema.schema.minimum',
    ],
    [{ model: MODEL, messages: message, response_format: { type: 'xml' } }, 'response_format.type'],
    [
      '{"model": "scenes-llava", "messages": [{"role": "user", "content": "x"}], "temperature": 1e400}',
      'temperature',
    ],
    [{ model: MODEL, messages: message, top_logprobs: 2 }, 'top_logprobs'],
    [{ model: MODEL, messages: message, max_tokens: 1e8 }, 'max_tokens'],
    [{ model: MODEL, messages: message, max_tokens: 2, max_completion_tokens: 2 }, 'max_tokens'],
    [{ model: MODEL, messages: message, n: 0 }, 'n'],
    [{ model: MODEL, messages: message, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
    [{ model: MODEL, messages: message, seed: 0.5 }, 'seed'],
    [{ model: MODEL, messages: message, top_p: 0 }, 'top_p'],
    [{ model: MODEL, messages: message, frequency_penalty: 3 }, 'frequency_penalty'],
    [{ model: MODEL, messages: message, presence_penalty: -3 }, 'presence_penalty'],
    [{ model: MODEL, messages: message, logprobs: 1 }, 'logprobs'],
    [{ model: MODEL, messages: message, logit_bias: { 1: 101 } }, 'logit_bias.1'],
    [{ model: MODEL, messages: message, stream_options: { include: 1 } }, 'stream_options.include'],
    [{ model: MODEL, messages: message, user: 3 }, 'user'],
    [{ model: MODEL, messages: message, logit_bias: { 99999: 1 } }, 'logit_bias'],
    [{ model: MODEL, messages: message, fastv: { ratio: 2 } }, 'fastv.ratio'],
    [{ model: MODEL, messages: message, fastv: { ratio: 0.5, budget: 3 } }, 'fastv.budget'],
    [{ model: MODEL, messages: message, fastv: { layer: 10 } }, 'fastv.layer'],
    [{ model: MODEL, messages: message, fastv: { layer: 0 } }, 'fastv.layer'],
    [{ model: MODEL, messages: message, fastv: { layer: [4, 2] } }, 'fastv.layer'],
    [{ model: MODEL, messages: message, fastv: { strategy: 'guess' } }, 'fastv.strategy'],
    [{ model: MODEL, messages: message, fastv: { weights: 'all' } }, 'fastv.weights'],
    [{ model: MODEL, messages: message, fastv: { merge: true } }, 'fastv.merge'],
    [{ model: MODEL, messages: message, fastv: { preset: 'best' } }, 'fastv.preset'],
    [{ model: MODEL, messages: message, tool_choice: 'auto' }, 'tool_choice'],
    [{ model: MODEL, messages: message, parallel_tool_calls: false }, 'parallel_tool_calls'],
    [{ model: MODEL, messages: message, tools: [tool('a b')] }, 'tools.0.function.name'],
    [{ model: MODEL, messages: message, tools: [{ type: 'web_search' }] }, 'tools.0.type'],
    [{ model: MODEL, messages: message, tools: [tool('a'), tool('a')] }, 'tools.1.function.name'],
    [
      {
        model: MODEL,
        messages: message,
        tools: [tool('a')],
        tool_choice: { type: 'function', function: { name: 'b' } },
      },
      'tool_choice.function.name',
    ],
    [
      { model: MODEL, messages: message, tools: [tool('a', { type: 'string', pattern: 'x' }, true)] },
      'tools.0.function.parameters.pattern',
    ],
    [
      { model: MODEL, messages: message, tools: [tool('a')], response_format: { type: 'json_object' } },
      'response_format',
    ],
    [
      { model: MODEL, messages: [...message, { role: 'tool', tool_call_id: 'x', content: '3' }] },
      'messages.1.tool_call_id',
    ],
    [{ model: MODEL, messages: [...message, { role: 'assistant' }] }, 'messages.1.content'],
    [{ model: MODEL, messages: message, fastv: { seed: 3 } }, 'fastv.seed'],
    [{ model: MODEL, messages: message, fastv: { rate: 3 } }, 'fastv.rate'],
    [{ model: MODEL, messages: [{ role: 'user', content: 'word '.repeat(3000) }] }, 'messages'],
    [{ model: MODEL, messages: [{ role: 'user', content: 'an <image>' }] }, 'messages'],
    [image('https://example.com/a.png'), 'messages.0.content.0.image_url.url'],
    [image('data:image/png;base64,!!!!'), 'messages.0.content.0.image_url.url'],
    [image('data:image/png;base64,AAAA'), 'messages.0.content.0.image_url.url'],
    [image('ftp:x'), 'messages.0.content.0.image_url.url'],
  ])('names the field: %j', async (body, param) => {
    const { status, param: named, type } = await refused(body);
    expect(status).toBe(400);
    expect(type).toBe('invalid_request_error');
    expect(named).toBe(param);
  });

  it('says how long a prompt is, and how long it may be', async () => {
    const { message: text, code } = await refused({
      model: MODEL,
      messages: [{ role: 'user', content: 'word '.repeat(3000) }],
    });
    expect(text).toMatch(/the prompt has \d{4,} tokens; at most 2047 are read/u);
    expect(code).toBe('context_length_exceeded');
  });

  it('meets pictures that are too many, too large, or bombs', async () => {
    const url = await sceneUrl('color', 1);
    const part = { type: 'image_url', image_url: { url } };
    const many = { model: MODEL, messages: [{ role: 'user', content: Array<object>(5).fill(part) }] };
    expect(await refused(many)).toMatchObject({ status: 400, code: 'too_many_images' });
    const bomb = await sharp({ create: { width: 10000, height: 10000, channels: 3, background: 'black' } })
      .png()
      .toBuffer();
    expect((await refused(image(`data:image/png;base64,${bomb.toString('base64')}`))).message).toMatch(
      /10000 x 10000 pixels/u,
    );
  });

  it('has a status of its own for the model, the key, the path, the method, the body and its type', async () => {
    expect(await refused({ model: 'gpt-4o', messages: message })).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
    expect(await refused({}, { headers: { authorization: 'Bearer wrong' } })).toMatchObject({
      status: 401,
      type: 'authentication_error',
    });
    expect(await refused('{"model": ')).toMatchObject({ status: 400, code: 'invalid_json' });
    expect(await refused('['.repeat(200_000))).toMatchObject({ status: 400 });
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const schema = `{"const": ${deep}}`;
    const format = `{"type": "json_schema", "json_schema": {"name": "x", "schema": ${schema}}}`;
    const nested = `{"model": "${MODEL}", "messages": ${JSON.stringify(message)}, "response_format": ${format}}`;
    expect(await refused(nested)).toMatchObject({ status: 400, code: 'invalid_json' });
    expect(await refused({}, { headers: { 'content-type': 'text/plain' } })).toMatchObject({ status: 415 });
    expect(await refused('x'.repeat(2 ** 21))).toMatchObject({ status: 413 });
    expect(await refused(`{"x":[${'[],'.repeat(2 ** 18)}`)).toMatchObject({ status: 400 });
    const wide = `{"model": "${MODEL}", "messages": [${'0,'.repeat(2 ** 20)}0]}`;
    const roomy = await start({ limits: { bodyBytes: 2 ** 23 } });
    expect(await refused(wide, { to: roomy })).toMatchObject({ status: 400, code: 'invalid_json' });
    await roomy.close();
    const headers = { authorization: `Bearer ${KEY}` };
    expect((await fetch(`${server.url}/v1/nothing`, { headers })).status).toBe(404);
    expect((await fetch(`${server.url}/v1/chat/completions`, { headers })).status).toBe(405);
  });
});

describe('the server', () => {
  it('says how it is, what it serves, and what it measured', async () => {
    await completion(await about('color', 2));
    const headers = { authorization: `Bearer ${KEY}` };
    expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ status: 'ok' });
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
    const models = (await (await fetch(`${server.url}/v1/models`, { headers })).json()) as { data: object[] };
    expect(models.data).toMatchObject([
      {
        id: MODEL,
        input_modalities: ['text', 'image', 'video'],
        context_length: 2048,
        fastv: { layer: [2], strategy: 'attention' },
      },
    ]);
    expect(await (await fetch(`${server.url}/v1/models/${MODEL}`, { headers })).json()).toMatchObject({
      id: MODEL,
    });
    const metrics = await (await fetch(`${server.url}/metrics`, { headers })).text();
    for (const name of [
      'http_requests_total',
      'fastv_time_to_first_token_seconds_count',
      'fastv_queue_length',
      'process_resident_memory_bytes',
    ])
      expect(metrics).toContain(name);
    expect(metrics).toMatch(/fastv_image_tokens_total\{model="scenes-llava",kind="kept"\} [1-9]/u);
    const document = (await (await fetch(`${server.url}/openapi.json`, { headers })).json()) as {
      paths: object;
    };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/chat/completions', '/v1/models', '/health']),
    );
  });

  it('gives requests their ids, and logs them without keys, texts or paths', async () => {
    const id = 'request-1';
    const response = await post(await about('color', 1, { user: 'somebody' }), {
      headers: { 'x-request-id': id },
    });
    expect(response.headers.get('x-request-id')).toBe(id);
    const line = lines
      .map((text) => JSON.parse(text) as Record<string, unknown>)
      .find((one) => one['id'] === id);
    expect(line).toMatchObject({
      method: 'POST',
      route: '/v1/chat/completions',
      status: 200,
      model: MODEL,
      user: 'somebody',
    });
    await post(image500());
    expect(lines.join('')).not.toContain(KEY);
    expect(lines.join('')).not.toContain(folder);
    expect(lines.join('')).not.toContain('background');
  });

  it('frees the place of a client that goes away, in a stream or not', async () => {
    for (const stream of [true, false]) {
      const stop = new AbortController();
      const body = await about('caption', 9, {
        stream,
        temperature: 2,
        max_tokens: 1000,
        logit_bias: { 2: -100 },
      });
      const response = post(body, { signal: stop.signal });
      await until(async () => (await gauge('fastv_requests_inside')) === 1);
      stop.abort();
      await response.catch(() => undefined);
      await until(async () => (await gauge('fastv_requests_inside')) === 0);
    }
    expect((await completion(await about('color', 1))).choices).toHaveLength(1);
  });

  it('keeps nothing of a request that is over', async () => {
    const handler = createHandler({ logger, limits: { prefixCacheBytes: 0, visionCacheBytes: 0 } });
    await handler.loaded;
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(await about('color', 2, { max_tokens: 1 }));
    const ask = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const { signal } = new AbortController();
        const request = new Request('http://x/v1/chat/completions', {
          method: 'POST',
          headers,
          body,
          signal,
        });
        await (await handler.fetch(request)).text();
      }
    };
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held = (): number => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    await ask(5);
    const before = held();
    await ask(20);
    // a request has its picture, its pixels and their features: 100 kB and more
    await until(() => Promise.resolve(held() - before < 5e5));
    await handler.close();
  });

  it('keeps to the plan that it was started with where no other may be loaded', async () => {
    const fixed = await start({ limits: { plans: 0 } });
    try {
      const asked = await about('color', 1, { fastv: { layer: 3 }, max_tokens: 1 });
      expect(await refused(asked, { to: fixed })).toMatchObject({ status: 400, param: 'fastv' });
      const own = await about('color', 1, { fastv: { layer: [2], strategy: 'attention' }, max_tokens: 1 });
      expect((await post(own, { to: fixed })).status).toBe(200);
    } finally {
      await fixed.close();
    }
  });

  it('refuses what is too much with 429, and what takes too long with 504', async () => {
    const small = await start({ limits: { sequences: 1, queue: 0, seconds: 2 } });
    try {
      const endless = await about('caption', 9, { max_tokens: 1500, logit_bias: { 2: -100 } });
      const slow = post(endless, { to: small });
      const streamed = async (): Promise<Response> => post({ ...endless, stream: true }, { to: small });
      await until(async () => (await gauge('fastv_requests_inside', small)) === 1);
      const full = await streamed();
      expect(full.status).toBe(429);
      expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await slow).status).toBe(504);
      const { chunks, done } = await events(await streamed());
      expect(chunks.at(-1)).toMatchObject({ error: { type: 'timeout_error', code: 'timeout' } });
      expect(done).toBe(true);
    } finally {
      await small.close();
    }
  });

  it('lets pages ask of the origins that it is told, and no others', async () => {
    const origin = 'https://page.example';
    const preflight = async (of: RunningServer, from: string): Promise<string | null> => {
      const headers = { origin: from, 'access-control-request-method': 'POST' };
      const response = await fetch(`${of.url}/v1/chat/completions`, { method: 'OPTIONS', headers });
      return response.headers.get('access-control-allow-origin');
    };
    expect(await preflight(server, origin)).toBeNull();
    const open = await start({ cors: [origin] });
    try {
      expect(await preflight(open, origin)).toBe(origin);
      expect(await preflight(open, 'https://other.example')).toBeNull();
      const response = await post(await about('color', 1, { max_tokens: 1 }), {
        headers: { origin },
        to: open,
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('access-control-allow-origin')).toBe(origin);
    } finally {
      await open.close();
    }
  });

  it('fetches pictures where it may, from public addresses', async () => {
    const png = Buffer.from((await sceneUrl('color', 6)).split(',')[1] ?? '', 'base64');
    const pictures = createServer((_, response) => response.end(png));
    await new Promise<void>((done) => pictures.listen(0, '127.0.0.1', done));
    const { port } = pictures.address() as AddressInfo;
    const web = new PublicFetch({ allowed: (address) => address === '127.0.0.1' });
    const models = [
      {
        id: MODEL,
        pruning: { ratio: 0.5 },
        open: () => openModel(EMBEDDED_MODEL, { loading: { dtype: 'fp32' } }),
      },
    ];
    const limits = checkedLimits();
    const shared = { models, limits, logger, pingMs: 1000, cors: [], basePath: '', allowNetwork: true };
    const [strict, trusting] = [new App(shared), new App({ ...shared, web })];
    const asked = async (app: App): Promise<Response> => {
      await Promise.all(app.models.map((model) => model.loaded));
      const content = [
        { type: 'image_url', image_url: { url: `http://127.0.0.1:${port}/scene.png` } },
        { type: 'text', text: scene('color', 6).question },
      ];
      const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content }] });
      const headers = { 'content-type': 'application/json' };
      return app.fetch(new Request('http://x/v1/chat/completions', { method: 'POST', headers, body }));
    };
    const refusal = await asked(strict);
    expect(refusal.status).toBe(400);
    expect(await refusal.json()).toMatchObject({ error: { param: 'messages.0.content.0.image_url.url' } });
    const { choices } = (await (await asked(trusting)).json()) as Completion;
    expect(choices[0]?.message.content).toBe(await expected('color', 6, { ratio: 0 }));
    await Promise.all([strict.close(0), trusting.close(0)]);
    pictures.close();
  });

  it('takes a body that comes in pieces, whose length nobody says', async () => {
    const send = async (chunks: readonly string[], method = 'POST'): Promise<number> => {
      const response = await fetch(`${server.url}/v1/chat/completions`, {
        ...{ method, duplex: 'half' },
        headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
        body: new Blob([...chunks]).stream(),
      });
      await response.text();
      return response.status;
    };
    const body = JSON.stringify(await about('color', 1, { max_tokens: 1 }));
    expect(await send([body.slice(0, 100), body.slice(100)])).toBe(200);
    expect(await send(Array<string>(20).fill('x'.repeat(2 ** 17)))).toBe(413);
    expect(await send([body], 'PUT')).toBe(405);
    expect(await send([], 'OPTIONS')).toBe(405);
  });

  it('does not wait for a body that never comes', async () => {
    const small = await start({ limits: { seconds: 1 } });
    try {
      const head = [
        'POST /v1/chat/completions HTTP/1.1',
        'host: x',
        `authorization: Bearer ${KEY}`,
        'content-type: application/json',
        'content-length: 100',
      ];
      const socket = connect(small.port, '127.0.0.1');
      socket.write(`${head.join('\r\n')}\r\n\r\n{"model"`);
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        socket.on('data', (data) => {
          text += data.toString();
          if (text.includes('}}')) resolve(text);
        });
        socket.on('close', () => {
          resolve(text);
        });
      });
      socket.destroy();
      expect(answer).toMatch(/^HTTP\/1\.1 (?:504|408)/u);
    } finally {
      await small.close();
    }
  });

  it('ends in good order: what runs is answered, what is new is refused', async () => {
    const ending = await start();
    const running = post(await about('caption', 9), { to: ending });
    await until(async () => (await gauge('fastv_requests_inside', ending)) === 1);
    const closed = ending.close();
    const late = await post(await about('color', 1), { to: ending });
    expect(late.status).toBe(503);
    expect((await running).status).toBe(200);
    await closed;
    await expect(fetch(`${ending.url}/health`)).rejects.toThrow();
  });

  it('is a fetch handler as well, which is 503 while it loads', async () => {
    const handler = createHandler({ basePath: '/vision' });
    const health = async (): Promise<number> =>
      (await handler.fetch(new Request('http://x/vision/health'))).status;
    expect(await health()).toBe(503);
    await handler.loaded;
    expect(await health()).toBe(200);
    const body = JSON.stringify(await about('color', 2));
    const headers = { 'content-type': 'application/json' };
    const response = await handler.fetch(
      new Request('http://x/vision/v1/chat/completions', { method: 'POST', headers, body }),
    );
    expect(((await response.json()) as Completion).choices[0]?.message.content).toBe(
      await expected('color', 2),
    );
    await handler.close();
  });

  it('is mounted in an app of Hono', async () => {
    const handler = createHandler();
    await handler.loaded;
    const app = new Hono().all('/vision/*', mount(handler.fetch));
    expect((await app.request('/vision/health')).status).toBe(200);
    const body = JSON.stringify(await about('color', 2, { stream: true }));
    const headers = { 'content-type': 'application/json' };
    const { done } = await events(
      await app.request('/vision/v1/chat/completions', { method: 'POST', headers, body }),
    );
    expect(done).toBe(true);
    expect((await app.request('/health')).status).toBe(404);
    await handler.close();
  });

  it('refuses a port that is taken, and options that make no sense', async () => {
    await expect(serve({ port: server.port, logger })).rejects.toMatchObject({
      code: 'io',
      message: `port ${server.port} is taken`,
    });
    expect(() => createHandler({ apiKey: '' })).toThrow(/API key is empty/u);
    expect(() => createHandler({ models: [EMBEDDED_MODEL, EMBEDDED_MODEL] })).toThrow(/two models/u);
  });
});

/** A function that may be called. */
function tool(name: string, parameters: object = TOOL_SCHEMA, strict?: boolean): object {
  return {
    type: 'function',
    function: { name, description: 'Counts.', parameters, ...(strict === undefined ? {} : { strict }) },
  };
}

function image500(): object {
  return {
    model: MODEL,
    messages: [
      {
        role: 'user',
        content: [{ type: 'image_url', image_url: { url: pathToFileURL(join(folder, 'absent.png')).href } }],
      },
    ],
  };
}

async function gauge(name: string, of = server): Promise<number> {
  const text = await (
    await fetch(`${of.url}/metrics`, { headers: { authorization: `Bearer ${KEY}` } })
  ).text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'mu').exec(text)?.[1]);
}

async function until(true_: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await true_()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came to be');
}
