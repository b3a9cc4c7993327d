// POST /v1/responses, by conversion: a request becomes one of /v1/chat/completions, and its answer a response. Nothing is
// stored, so a conversation is sent anew with every request; its KV cache is found by its tokens.
import { randomUUID } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { ApiError, apiError } from './api-error.js';
import type { PreparedChat } from './chat-completions.js';
import { ChatRequest, FastvField } from './chat-request.js';
import type { FinishReason } from './engine/engine.js';
import { eventStream, type Events } from './sse.js';
import type { Usage } from './usage.js';

const Detail = z.enum(['low', 'high', 'auto']).nullish();
const InputText = z.strictObject({
  type: z.enum(['input_text', 'output_text']),
  text: z.string(),
  annotations: z.array(z.never()).nullish(),
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

/** A message; those that the server gave may be sent back as they are. */
const InputMessage = z.strictObject({
  type: z.literal('message').nullish(),
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(Part).min(1).max(256)]),
  id: z.string().max(256).nullish(),
  status: z.enum(['completed', 'incomplete']).nullish(),
});

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
    input: z.union([z.string(), z.array(InputMessage).min(1).max(1024)]),
    instructions: z.string().nullish(),
    max_output_tokens: z.number().int().min(1).max(1e9).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    text: z.strictObject({ format: TextFormat.nullish() }).nullish(),
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
  const { model, input, instructions, text, stream, user, fastv } = request;
  const messages = (typeof input === 'string' ? [{ role: 'user' as const, content: input }] : input).map(
    ({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : content.map(chatPart),
    }),
  );
  const format = text?.format;
  return ChatRequest.parse({
    model,
    messages: instructions == null ? messages : [{ role: 'system', content: instructions }, ...messages],
    max_completion_tokens: request.max_output_tokens,
    temperature: request.temperature,
    top_p: request.top_p,
    response_format:
      format?.type === 'json_schema'
        ? { type: format.type, json_schema: { ...format, type: undefined } }
        : format,
    stream,
    user,
    fastv,
  });
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
  const shift = request.instructions == null ? 0 : 1;
  const param = error.param
    .replace(/^messages\.(\d+)/u, (_, index: string) =>
      Number(index) < shift ? 'instructions' : `input.${Number(index) - shift}`,
    )
    .replace(/^messages/u, 'input')
    .replace(/\.(image_url|video_url)\.url$/u, '.$1')
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
  readonly #item = `msg_${randomUUID()}`;
  readonly #created = Math.floor(Date.now() / 1000);
  #text = '';
  #reason: FinishReason | undefined;

  constructor(chat: PreparedChat, request: ResponsesRequest) {
    this.#chat = chat;
    this.#request = request;
  }

  /** The whole response. */
  async document(): Promise<object> {
    const usage = await this.#chat.answer({
      onToken: (_, _token, text) => {
        this.#text += text;
      },
      onFinish: (_, reason, text) => {
        this.#text += text;
        this.#reason = reason;
      },
    });
    return this.#response(usage);
  }

  /** The response as it comes. */
  stream(pingMs: number, onGone: () => void, onDone: (error?: unknown) => void): Response {
    return eventStream({ pingMs, onGone, onDone }, (events) => this.#stream(events));
  }

  async #stream(events: Events): Promise<void> {
    let number = 0;
    const send = (type: string, more: object): void => {
      events.event(type, { type, sequence_number: number++, ...more });
    };
    const place = { item_id: this.#item, output_index: 0, content_index: 0 };
    const delta = (text: string): void => {
      this.#text += text;
      if (text !== '') send('response.output_text.delta', { ...place, delta: text, logprobs: [] });
    };
    send('response.created', { response: this.#response() });
    send('response.in_progress', { response: this.#response() });
    try {
      const usage = await this.#chat.answer({
        onPrefill: () => {
          send('response.output_item.added', {
            output_index: 0,
            item: { ...this.#message('in_progress'), content: [] },
          });
          send('response.content_part.added', { ...place, part: outputText('') });
        },
        onToken: (_, _token, text) => {
          delta(text);
        },
        onFinish: (_, reason, text) => {
          delta(text);
          this.#reason = reason;
        },
      });
      send('response.output_text.done', { ...place, text: this.#text, logprobs: [] });
      send('response.content_part.done', { ...place, part: outputText(this.#text) });
      send('response.output_item.done', { output_index: 0, item: this.#message(this.#status) });
      send(this.#status === 'completed' ? 'response.completed' : 'response.incomplete', {
        response: this.#response(usage),
      });
    } catch (error) {
      const { message, code, param } = responsesError(error, this.#request).body.error;
      send('error', { message, code, param });
      throw error;
    }
  }

  get #status(): 'completed' | 'incomplete' {
    return this.#reason === 'length' ? 'incomplete' : 'completed';
  }

  #message(status: string): object {
    return { type: 'message', id: this.#item, role: 'assistant', status, content: [outputText(this.#text)] };
  }

  #response(usage?: Usage): object {
    const { model, instructions, max_output_tokens: most, temperature, top_p: topP, text } = this.#request;
    return {
      id: this.#id,
      object: 'response',
      created_at: this.#created,
      status: usage === undefined ? 'in_progress' : this.#status,
      error: null,
      incomplete_details:
        usage !== undefined && this.#status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
      instructions: instructions ?? null,
      max_output_tokens: most ?? null,
      model,
      output: usage === undefined ? [] : [this.#message(this.#status)],
      parallel_tool_calls: false,
      temperature: temperature ?? null,
      top_p: topP ?? null,
      text: { format: text?.format ?? { type: 'text' } },
      tool_choice: 'none',
      tools: [],
      store: false,
      usage: usage === undefined ? null : usageOfResponse(usage),
    };
  }
}

function outputText(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
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
