// POST /v1/responses, by conversion: a request becomes one of /v1/chat/completions, and its answer a response. Nothing is
// stored, so a conversation is sent anew with every request; its KV cache is found by its tokens.
import { randomUUID } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { AnswerParts } from './answer-parts.js';
import { ApiError, apiError } from './api-error.js';
import type { PreparedChat } from './chat-completions.js';
import { ChatRequest, FastvField, FunctionName, Tool } from './chat-request.js';
import { ResponseItems, type ItemStatus, type Send } from './response-items.js';
import { eventStream, type Events } from './sse.js';
import type { Usage } from './usage.js';

const Detail = z.enum(['low', 'high', 'auto']).nullish();
const InputText = z.strictObject({
  type: z.enum(['input_text', 'output_text']),
  text: z.string(),
  annotations: z.array(z.unknown()).max(0).nullish(),
  logprobs: z.array(z.unknown()).nullish(),
});
const InputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: z.string().min(1),
  detail: Detail,
});
const InputVideo = z.strictObject({
  type: z.literal('input_video'),
  video_url: z.string().min(1),
  detail: Detail,
});
const Part = z.discriminatedUnion('type', [InputText, InputImage, InputVideo], {
  error: () => 'a part is of the type input_text, input_image, input_video or output_text',
});

const CallId = z.string().min(1).max(256);
/** What the server said of an item: it may be sent back. */
const Given = {
  id: z.string().max(256).nullish(),
  status: z.enum(['completed', 'incomplete']).nullish(),
};

/** What a conversation consists of. */
const InputItem = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('message').nullish(),
      role: z.enum(['system', 'developer', 'user', 'assistant']),
      content: z.union([z.string(), z.array(Part).min(1).max(256)]),
      ...Given,
    }),
    z.strictObject({
      type: z.literal('function_call'),
      call_id: CallId,
      name: FunctionName,
      arguments: z.string(),
      ...Given,
    }),
    z.strictObject({
      type: z.literal('function_call_output'),
      call_id: CallId,
      output: z.union([z.string(), z.array(InputText).min(1).max(256)]),
      ...Given,
    }),
  ],
  { error: () => 'an item is of the type message, function_call or function_call_output' },
);

const { type: ToolType, function: Function } = Tool.shape;

const ToolChoice = z.union(
  [z.enum(['none', 'auto', 'required']), z.strictObject({ type: ToolType, name: FunctionName })],
  { error: () => 'none, auto, required, or a function by its name' },
);

const TextFormat = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({
      type: z.literal('json_schema'),
      name: z.string().max(256),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  ],
  { error: () => 'a format is of the type text, json_object or json_schema' },
);

/** The body. */
export const ResponsesRequest = z
  .strictObject({
    model: z.string().min(1).max(1000),
    input: z.union([z.string(), z.array(InputItem).min(1).max(1024)]),
    instructions: z.string().nullish(),
    max_output_tokens: z.number().int().min(1).max(1e9).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    text: z.strictObject({ format: TextFormat.nullish() }).nullish(),
    tools: z
      .array(z.strictObject({ type: ToolType, ...Function.shape }))
      .min(1)
      .max(128)
      .nullish(),
    tool_choice: ToolChoice.nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    /** Nothing is stored: `true` is refused. */
    store: z.literal(false, { error: () => 'this server stores nothing: give false' }).nullish(),
    stream: z.boolean().nullish(),
    user: z.string().max(256).nullish(),
    fastv: FastvField.nullish(),
  })
  .openapi('ResponsesRequest');

export type ResponsesRequest = z.infer<typeof ResponsesRequest>;

/** The same as a chat. */
export function chatRequestOf(request: ResponsesRequest): ChatRequest {
  const { model, text, tools, tool_choice: choice, stream, user, fastv } = request;
  return ChatRequest.parse({
    model,
    messages: messagesOf(request).map(({ message }) => message),
    max_completion_tokens: request.max_output_tokens,
    temperature: request.temperature,
    top_p: request.top_p,
    response_format: responseFormat(text?.format),
    tools: tools?.map(({ type, ...named }) => ({ type, function: named })),
    tool_choice:
      typeof choice === 'object' && choice !== null
        ? { type: choice.type, function: { name: choice.name } }
        : choice,
    parallel_tool_calls: request.parallel_tool_calls,
    stream,
    user,
    fastv,
  });
}

function responseFormat(format: z.infer<typeof TextFormat> | null | undefined): object | null | undefined {
  if (format?.type !== 'json_schema') return format;
  const { type, ...schema } = format;
  return { type, json_schema: schema };
}

/** A message of the chat, and the field that it is made of. */
interface Converted {
  readonly message: Record<string, unknown>;
  readonly from: string;
}

function messagesOf({ input, instructions }: ResponsesRequest): Converted[] {
  const messages: Converted[] = [];
  if (instructions != null)
    messages.push({ message: { role: 'system', content: instructions }, from: 'instructions' });
  if (typeof input === 'string') {
    messages.push({ message: { role: 'user', content: input }, from: 'input' });
    return messages;
  }
  /** Of the answer that is being read: its calls are part of its message. */
  let calls: object[] | undefined;
  for (const [at, item] of input.entries()) {
    const from = `input.${at}`;
    if (item.type === 'function_call') {
      const { call_id: id, name, arguments: given } = item;
      if (calls === undefined) {
        calls = [];
        messages.push({ message: { role: 'assistant' }, from });
      }
      calls.push({ id, type: 'function', function: { name, arguments: given } });
      Object.assign(messages.at(-1)?.message ?? {}, { tool_calls: calls });
      continue;
    }
    calls = undefined;
    if (item.type === 'function_call_output') {
      const content = typeof item.output === 'string' ? item.output : item.output.map(chatPart);
      messages.push({ message: { role: 'tool', tool_call_id: item.call_id, content }, from });
    } else {
      const content = typeof item.content === 'string' ? item.content : item.content.map(chatPart);
      if (item.role === 'assistant') calls = [];
      messages.push({ message: { role: item.role, content }, from });
    }
  }
  return messages;
}

function chatPart(part: z.infer<typeof Part>): object {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: part.text };
    case 'input_image':
      return { type: 'image_url', image_url: { url: part.image_url, detail: part.detail } };
    case 'input_video':
      return { type: 'video_url', video_url: { url: part.video_url, detail: part.detail } };
  }
}

/** An error of the chat in the words of the request that it was made of. */
export function responsesError(thrown: unknown, request: ResponsesRequest): ApiError {
  const error = apiError(thrown);
  if (error.param === null) return error;
  const param = error.param
    .replace(/^messages\.(\d+)/u, (whole, index: string) => messagesOf(request)[Number(index)]?.from ?? whole)
    .replace(/^messages/u, 'input')
    .replace(/\.(image_url|video_url)\.url$/u, '.$1')
    .replace(/\.tool_call_id$/u, '.call_id')
    .replace(/^(tools\.\d+|tool_choice)\.function/u, '$1')
    .replace(/^max_completion_tokens/u, 'max_output_tokens')
    .replace(/^response_format\.json_schema/u, 'text.format')
    .replace(/^response_format/u, 'text.format');
  return new ApiError(error.status, error.message.replaceAll('max_completion_tokens', 'max_output_tokens'), {
    param,
    headers: error.headers,
    cause: error.cause,
    ...(error.code === null ? {} : { code: error.code }),
  });
}

/** A response while it is made. */
export class ResponseMaker {
  readonly #chat: PreparedChat;
  readonly #request: ResponsesRequest;
  readonly #id = `resp_${randomUUID()}`;
  readonly #created = Math.floor(Date.now() / 1000);

  constructor(chat: PreparedChat, request: ResponsesRequest) {
    this.#chat = chat;
    this.#request = request;
  }

  /** The whole response. */
  document(): Promise<object> {
    return this.#answer(() => undefined);
  }

  /** The response as it comes. */
  stream(pingMs: number, onGone: () => void, onDone: (error?: unknown) => void): Response {
    return eventStream({ pingMs, onGone, onDone }, (events) => this.#stream(events));
  }

  async #stream(events: Events): Promise<void> {
    let number = 0;
    const send: Send = (type, more) => {
      events.event(type, { type, sequence_number: number++, ...more });
    };
    send('response.created', { response: this.#response() });
    send('response.in_progress', { response: this.#response() });
    try {
      await this.#answer(send);
    } catch (error) {
      const { message, code, param } = responsesError(error, this.#request).body.error;
      send('error', { message, code, param });
      throw error;
    }
  }

  async #answer(send: Send): Promise<object> {
    const { calls } = this.#chat;
    const parts = new AnswerParts(calls);
    const items = new ResponseItems(send);
    let status: ItemStatus = 'completed';
    const usage = await this.#chat.answer({
      onPrefill: () => {
        // of what may be a call it is not known yet
        if (!calls) items.beginMessage();
      },
      onToken: (_, _token, text) => {
        for (const part of parts.add(text)) items.take(part);
      },
      onFinish: (_, reason, text) => {
        for (const part of [...parts.add(text), ...parts.end()]) items.take(part);
        status = reason === 'length' ? 'incomplete' : 'completed';
        items.end(status);
      },
    });
    const response = this.#response({ usage, status, items });
    send(`response.${status}`, { response });
    return response;
  }

  #response(ended?: {
    readonly usage: Usage;
    readonly status: ItemStatus;
    readonly items: ResponseItems;
  }): object {
    const { instructions, max_output_tokens: most, model, temperature, top_p: topP, text } = this.#request;
    const { tools, tool_choice: choice, parallel_tool_calls: parallel } = this.#request;
    return {
      id: this.#id,
      object: 'response',
      created_at: this.#created,
      status: ended?.status ?? 'in_progress',
      error: null,
      incomplete_details: ended?.status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
      instructions: instructions ?? null,
      max_output_tokens: most ?? null,
      model,
      output: ended?.items.output ?? [],
      parallel_tool_calls: tools != null && parallel !== false,
      temperature: temperature ?? null,
      top_p: topP ?? null,
      text: { format: text?.format ?? { type: 'text' } },
      tool_choice: choice ?? (tools == null ? 'none' : 'auto'),
      tools: tools ?? [],
      store: false,
      usage: ended === undefined ? null : usageOfResponse(ended.usage),
    };
  }
}
function usageOfResponse(usage: Usage): object {
  return {
    input_tokens: usage.prompt_tokens,
    input_tokens_details: usage.prompt_tokens_details,
    output_tokens: usage.completion_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: usage.total_tokens,
    fastv: usage.fastv,
  };
}
