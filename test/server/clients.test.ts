// Real clients, unchanged and from npm, against the server.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { HumanMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, Output, streamText, tool, type ToolSet } from 'ai';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EMBEDDED_MODEL } from '../../src/runtime/embedded.js';
import { openModel } from '../../src/runtime/model.js';
import { serve, type RunningServer } from '../../src/server/serve.js';
import { scene, sceneUrl } from './scene-turn.js';

const MODEL = 'scenes-llava';
const KEY = 'secret';
const { question } = scene('caption', 3);
const Scene = z.object({ color: z.enum(['red', 'green', 'blue']), objects: z.int().min(0).max(9) });
let server: RunningServer;
let client: OpenAI;
let url = '';
let answer = '';
beforeAll(async () => {
  server = await serve({
    port: 0,
    apiKey: KEY,
    logger: pino({ level: 'silent' }),
    limits: { sequences: 1, queue: 1 },
  });
  await server.loaded;
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 });
  url = await sceneUrl('caption', 3);
  const library = await openModel(EMBEDDED_MODEL, {
    loading: { dtype: 'fp32' },
    fastv: { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined },
  });
  const { images } = scene('caption', 3);
  ({ text: answer } = await library.ask([{ role: 'user', text: question, images }], { maxNewTokens: 64 }));
  await library.close();
});
afterAll(async () => {
  await server.close();
});

const asked = (detail: 'auto' | 'low' | 'high' = 'auto'): OpenAI.ChatCompletionMessageParam[] => [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url, detail } },
      { type: 'text', text: question },
    ],
  },
];

/** Fields that other tests show the effect of. */
const HONOURED = Symbol('honoured');

/** Every field that the client knows, and of those that are refused a value. */
const CHAT_FIELDS: Record<keyof OpenAI.ChatCompletionCreateParams, unknown> = {
  ...{ model: HONOURED, messages: HONOURED, max_tokens: HONOURED, max_completion_tokens: HONOURED },
  ...{ temperature: HONOURED, top_p: HONOURED, seed: HONOURED, stop: HONOURED, n: HONOURED },
  ...{ logprobs: HONOURED, top_logprobs: HONOURED, logit_bias: HONOURED, user: HONOURED },
  ...{ frequency_penalty: HONOURED, presence_penalty: HONOURED, response_format: HONOURED },
  ...{ stream: HONOURED, stream_options: HONOURED },
  ...{ tools: HONOURED, tool_choice: HONOURED, parallel_tool_calls: HONOURED },
  audio: { voice: 'x', format: 'mp3' },
  function_call: 'auto',
  functions: [],
  metadata: {},
  modalities: ['text'],
  moderation: {},
  prediction: { type: 'content', content: 'x' },
  prompt_cache_key: 'x',
  prompt_cache_options: {},
  prompt_cache_retention: '24h',
  reasoning_effort: 'low',
  safety_identifier: 'x',
  service_tier: 'auto',
  store: true,
  verbosity: 'low',
  web_search_options: {},
};

const RESPONSE_FIELDS: Record<keyof OpenAI.Responses.ResponseCreateParams, unknown> = {
  ...{ model: HONOURED, input: HONOURED, instructions: HONOURED, max_output_tokens: HONOURED },
  ...{ temperature: HONOURED, top_p: HONOURED, text: HONOURED, stream: HONOURED, user: HONOURED },
  ...{ tools: HONOURED, tool_choice: HONOURED, parallel_tool_calls: HONOURED },
  background: true,
  context_management: [],
  conversation: 'x',
  include: [],
  metadata: {},
  moderation: {},
  previous_response_id: 'x',
  prompt: { id: 'x' },
  prompt_cache_key: 'x',
  prompt_cache_options: {},
  prompt_cache_retention: '24h',
  reasoning: {},
  safety_identifier: 'x',
  service_tier: 'auto',
  store: true,
  stream_options: {},
  top_logprobs: 1,
  truncation: 'auto',
};

describe('openai', () => {
  it('chats about a picture', async () => {
    const { choices, usage } = await client.chat.completions.create({ model: MODEL, messages: asked() });
    expect(choices[0]?.message.content).toBe(answer);
    expect(choices[0]?.finish_reason).toBe('stop');
    expect(usage?.prompt_tokens).toBeGreaterThan(144);
    expect(usage).toMatchObject({ fastv: { image_tokens: 144, kept_image_tokens: 72 } });
    const low = await client.chat.completions.create({
      model: MODEL,
      messages: asked('low'),
      max_completion_tokens: 2,
    });
    expect(low.usage).toMatchObject({ completion_tokens: 2, fastv: { kept_image_tokens: 36 } });
  });

  it('streams', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: asked(),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let tokens = 0;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? '';
      tokens = usage?.completion_tokens ?? tokens;
    }
    expect(text).toBe(answer);
    expect(tokens).toBeGreaterThan(5);
    const helper = client.chat.completions.stream({ model: MODEL, messages: asked() });
    expect((await helper.finalChatCompletion()).choices[0]?.message.content).toBe(answer);
  });

  it('parses', async () => {
    const { choices } = await client.chat.completions.parse({
      model: MODEL,
      messages: asked(),
      response_format: zodResponseFormat(Scene, 'scene'),
    });
    expect(Scene.parse(choices[0]?.message.parsed)).toEqual(choices[0]?.message.parsed);
  });

  it('calls functions', async () => {
    const tools = [zodFunction({ name: 'scene', parameters: Scene })];
    const create = {
      model: MODEL,
      messages: asked(),
      tools,
      tool_choice: 'required' as const,
      parallel_tool_calls: false,
    };
    const { choices } = await client.chat.completions.create(create);
    const [choice] = choices;
    expect(choice?.finish_reason).toBe('tool_calls');
    const [call] = choice?.message.tool_calls ?? [];
    if (choice === undefined || call?.type !== 'function') throw new Error('no call');
    expect(call.function.name).toBe('scene');
    const said: unknown = JSON.parse(call.function.arguments);
    expect(Scene.parse(said)).toEqual(said);
    const next = await client.chat.completions.create({
      ...create,
      tool_choice: 'auto',
      messages: [
        ...create.messages,
        choice.message,
        { role: 'tool', tool_call_id: call.id, content: 'noted' },
      ],
      max_completion_tokens: 4,
    });
    expect(next.usage?.completion_tokens).toBeGreaterThan(0);
    const streamed = await client.chat.completions.stream(create).finalChatCompletion();
    expect(streamed.choices[0]?.message.tool_calls?.[0]).toMatchObject({
      function: { parsed_arguments: said },
    });
  });

  it('creates and streams responses', async () => {
    const input: OpenAI.Responses.ResponseInput = [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: url, detail: 'auto' },
          { type: 'input_text', text: question },
        ],
      },
    ];
    const first = await client.responses.create({ model: MODEL, input, store: false });
    expect(first.output_text).toBe(answer);
    expect(first.status).toBe('completed');
    expect(first.usage).toMatchObject({ fastv: { kept_image_tokens: 72 } });
    const next = await client.responses.create({
      model: MODEL,
      // what the API gives as output it takes as input; the client's types do not say so of every kind
      input: [
        ...input,
        ...(first.output as OpenAI.Responses.ResponseInput),
        { role: 'user', content: 'How many objects are there?' },
      ],
      max_output_tokens: 1,
    });
    expect(next.usage?.input_tokens_details.cached_tokens).toBeGreaterThan(144);
    expect(next.incomplete_details).toEqual({ reason: 'max_output_tokens' });
    const stream = client.responses.stream({ model: MODEL, input });
    expect((await stream.finalResponse()).output_text).toBe(answer);
    const create = (more: object): Promise<unknown> =>
      client.responses.create({ model: MODEL, input, ...more });
    for (const [more, param] of [
      [{ store: true }, 'store'],
      [{ previous_response_id: 'x' }, 'previous_response_id'],
      [{ max_output_tokens: 1e6 }, 'max_output_tokens'],
      [{ instructions: 'x', input: 'an <image>' }, 'input'],
      [
        { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
        'input.0.content.0.image_url',
      ],
    ] as const)
      await expect(create(more), param).rejects.toMatchObject({ constructor: OpenAI.BadRequestError, param });
  });

  it('calls functions by responses', async () => {
    const { function: scene } = zodFunction({ name: 'scene', parameters: Scene });
    const create = {
      model: MODEL,
      input: question,
      tools: [
        { type: 'function' as const, name: scene.name, parameters: scene.parameters ?? {}, strict: true },
      ],
      tool_choice: { type: 'function' as const, name: 'scene' },
    };
    const first = await client.responses.create(create);
    expect(first.status).toBe('completed');
    expect(first).toMatchObject({ tools: create.tools, tool_choice: create.tool_choice });
    const [call] = first.output;
    if (call?.type !== 'function_call' || first.output.length !== 1) return expect.fail('no call');
    expect(call.name).toBe('scene');
    const said: unknown = JSON.parse(call.arguments);
    expect(Scene.parse(said)).toEqual(said);
    const streamed = await client.responses.stream(create).finalResponse();
    expect(streamed.output).toMatchObject([
      { type: 'function_call', name: 'scene', arguments: call.arguments, status: 'completed' },
    ]);
    const output = { type: 'function_call_output', call_id: call.call_id, output: 'noted' } as const;
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: question }, call, output];
    const next = await client.responses.create({
      ...create,
      input,
      tool_choice: 'auto',
      max_output_tokens: 4,
    });
    // the same conversation as a chat
    const { usage } = await client.chat.completions.create({
      model: MODEL,
      messages: [
        { role: 'user', content: question },
        {
          role: 'assistant',
          tool_calls: [
            { id: call.call_id, type: 'function', function: { name: call.name, arguments: call.arguments } },
          ],
        },
        { role: 'tool', tool_call_id: call.call_id, content: 'noted' },
      ],
      tools: [{ type: 'function', function: { ...scene, strict: true } }],
      max_completion_tokens: 1,
    });
    expect(next.usage?.input_tokens).toBe(usage?.prompt_tokens);
    const refused = (more: object): Promise<unknown> => client.responses.create({ ...create, ...more });
    for (const [more, param] of [
      [{ tools: [{ type: 'web_search' }] }, 'tools.0.type'],
      [{ tools: [...create.tools, ...create.tools] }, 'tools.1.name'],
      [{ tool_choice: { type: 'function', name: 'other' } }, 'tool_choice.name'],
      [{ tools: undefined }, 'tool_choice'],
      [{ text: { format: { type: 'json_object' } } }, 'text.format'],
      [{ instructions: 'x', input: [output] }, 'input.0.call_id'],
      [{ input: [{ type: 'reasoning', summary: [] }] }, 'input.0.type'],
    ] as const)
      await expect(refused(more), param).rejects.toMatchObject({ status: 400, param });
  });

  it('has every field of the protocol honoured, or refused by its name', async () => {
    const known = (fields: Record<string, unknown>): [string, unknown][] =>
      Object.entries(fields).filter(([, value]) => value !== HONOURED);
    for (const [field, value] of known(CHAT_FIELDS))
      await expect(
        client.chat.completions.create({
          model: MODEL,
          messages: [{ role: 'user', content: 'x' }],
          [field]: value,
        }),
        field,
      ).rejects.toMatchObject({ status: 400, param: field });
    for (const [field, value] of known(RESPONSE_FIELDS))
      await expect(
        client.responses.create({ model: MODEL, input: 'x', [field]: value }),
        field,
      ).rejects.toMatchObject({ status: 400, param: field });
  });

  it('lists models', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([MODEL]);
    expect((await client.models.retrieve(MODEL)).id).toBe(MODEL);
  });

  it('throws its own errors', async () => {
    const create = (more: object, from = client): Promise<unknown> =>
      from.chat.completions.create({ model: MODEL, messages: asked(), ...more });
    await expect(create({ temperature: 9 })).rejects.toMatchObject({
      constructor: OpenAI.BadRequestError,
      param: 'temperature',
    });
    await expect(create({ tools: [] })).rejects.toMatchObject({
      constructor: OpenAI.BadRequestError,
      param: 'tools',
    });
    await expect(create({ model: 'gpt-4o' })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(create({}, stranger)).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it('aborts, and tries again when the queue is full', async () => {
    const endless = { model: MODEL, messages: asked(), max_tokens: 1500, logit_bias: { 2: -100 } };
    const stop = new AbortController();
    const running = await client.chat.completions.create(
      { ...endless, stream: true },
      { signal: stop.signal },
    );
    const waiting = client.chat.completions.create(endless, { signal: stop.signal });
    waiting.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await expect(client.chat.completions.create({ model: MODEL, messages: asked() })).rejects.toBeInstanceOf(
      OpenAI.RateLimitError,
    );
    const retrying = client.chat.completions.create({ model: MODEL, messages: asked() }, { maxRetries: 5 });
    for await (const { id } of running) if (id !== '') stop.abort();
    await expect(waiting).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    expect((await retrying).choices[0]?.message.content).toBe(answer);
  });
});

describe('the AI SDK', () => {
  it('generates and streams text about a picture', async () => {
    const provider = createOpenAICompatible({ name: 'fastv', baseURL: `${server.url}/v1`, apiKey: KEY });
    const messages = [
      {
        role: 'user' as const,
        content: [
          { type: 'image' as const, image: url },
          { type: 'text' as const, text: question },
        ],
      },
    ];
    const { text, usage, finishReason } = await generateText({ model: provider(MODEL), messages });
    expect(text).toBe(answer);
    expect(finishReason).toBe('stop');
    expect(usage.inputTokens).toBeGreaterThan(144);
    const { textStream } = streamText({ model: provider(MODEL), messages });
    let streamed = '';
    for await (const piece of textStream) streamed += piece;
    expect(streamed).toBe(answer);
  });

  it('generates an object from a picture', async () => {
    const provider = createOpenAICompatible({
      name: 'fastv',
      baseURL: `${server.url}/v1`,
      apiKey: KEY,
      supportsStructuredOutputs: true,
    });
    const content = [
      { type: 'image' as const, image: url },
      { type: 'text' as const, text: question },
    ];
    const { output } = await generateText({
      model: provider(MODEL),
      output: Output.object({ schema: Scene }),
      messages: [{ role: 'user', content }],
    });
    expect(Scene.parse(output)).toEqual(output);
  });
});

describe('the AI SDK, with tools', () => {
  it('calls a function, and streams the call', async () => {
    const provider = createOpenAICompatible({ name: 'fastv', baseURL: `${server.url}/v1`, apiKey: KEY });
    // its types do not hold under exactOptionalPropertyTypes
    const tools = {
      scene: tool({ description: 'Keeps a scene.', inputSchema: Scene }),
    } as unknown as ToolSet;
    const given = {
      model: provider(MODEL),
      tools,
      toolChoice: { type: 'tool' as const, toolName: 'scene' },
      prompt: 'What is it?',
    } satisfies Parameters<typeof generateText>[0];
    const { toolCalls, finishReason } = await generateText(given);
    expect(finishReason).toBe('tool-calls');
    expect(Scene.parse(toolCalls[0]?.input)).toEqual(toolCalls[0]?.input);
    const streamed = await streamText(given).toolCalls;
    expect(streamed.map(({ input }) => input)).toEqual(toolCalls.map(({ input }) => input));
  });
});

describe('LangChain', () => {
  it('binds tools', async () => {
    const model = new ChatOpenAI({
      model: MODEL,
      apiKey: KEY,
      configuration: { baseURL: `${server.url}/v1` },
      maxRetries: 0,
    }).bindTools([{ type: 'function', function: { name: 'scene', parameters: z.toJSONSchema(Scene) } }], {
      tool_choice: 'scene',
    });
    const { tool_calls: calls } = (await model.invoke('What is it?')) as { tool_calls?: { args: unknown }[] };
    expect(calls).toHaveLength(1);
    expect(Scene.parse(calls?.[0]?.args)).toEqual(calls?.[0]?.args);
  });

  it('invokes and streams a chat model', async () => {
    const model = new ChatOpenAI({
      model: MODEL,
      apiKey: KEY,
      configuration: { baseURL: `${server.url}/v1` },
      maxRetries: 0,
    });
    const message = new HumanMessage({
      content: [
        { type: 'image_url', image_url: { url } },
        { type: 'text', text: question },
      ],
    });
    const said: unknown = await model.invoke([message]);
    expect(said).toMatchObject({
      content: answer,
      usage_metadata: { output_tokens: expect.any(Number) as number },
    });
    let streamed = '';
    for await (const piece of await model.stream([message])) streamed += piece.text;
    expect(streamed).toBe(answer);
  });
});
