// The body of POST /v1/chat/completions: every field that is honoured, and of what is not, nothing. A field that is not
// here is refused by its name.
import { z } from '@hono/zod-openapi';
import { standingPresets } from '../strategies/index.js';

const whole = (least: number, most: number): z.ZodNumber => z.number().int().min(least).max(most);
const seed = whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** How image tokens are pruned: fastv's own field. */
export const FastvField = z
  .strictObject({
    layer: z.union([whole(0, 1e6), z.array(whole(0, 1e6)).min(1).max(16)]).optional(),
    ratio: z.union([z.number().min(0).max(1), z.array(z.number().min(0).max(1)).min(1).max(16)]).optional(),
    budget: whole(0, 1e9).optional(),
    strategy: z.string().max(100).optional(),
    weights: z.literal('sizes').optional(),
    merge: z.literal('mean').optional(),
    preset: z.enum(standingPresets).optional(),
    seed: seed.optional(),
  })
  .openapi('FastvOptions', {
    description:
      'How image tokens are pruned. `ratio` is the share that is dropped, `budget` how many are kept. Another `layer`, `strategy`, `weights`, `merge` or `preset` than the server was started with is another decoder, which is loaded at its first request.',
  });

const Detail = z.enum(['low', 'high', 'auto']);
const Url = z.string().min(1);

/** A picture; `detail` says how much of it is looked at. */
export const ImagePart = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.union([z.strictObject({ url: Url, detail: Detail.nullish() }), Url]),
});

/** A video, of which frames are taken evenly. */
export const VideoPart = z.strictObject({
  type: z.literal('video_url'),
  video_url: z.union([z.strictObject({ url: Url, detail: Detail.nullish() }), Url]),
});

export const TextPart = z.strictObject({ type: z.literal('text'), text: z.string() });

const TextContent = z.union([z.string(), z.array(TextPart).min(1).max(256)]);

const Part = z.discriminatedUnion('type', [TextPart, ImagePart, VideoPart], {
  error: () => 'a part is of the type text, image_url or video_url',
});

/** What a function is called. */
export const FunctionName = z.string().regex(/^[\w-]{1,64}$/u, 'a name has 1 to 64 letters, digits, _ and -');

/** A call as the server gave it. */
export const ToolCall = z.strictObject({
  id: z.string().min(1).max(256),
  type: z.literal('function'),
  function: z.strictObject({ name: FunctionName, arguments: z.string() }),
});

/** An earlier answer; one that the server gave may be sent back as it is. */
const AssistantMessage = z.strictObject({
  role: z.literal('assistant'),
  content: TextContent.nullish(),
  refusal: z.null().optional(),
  tool_calls: z.array(ToolCall).min(1).max(128).optional(),
});

/** A function that the model may call. */
export const Tool = z.strictObject({
  type: z.literal('function', { error: () => 'a tool is of the type function' }),
  function: z.strictObject({
    name: FunctionName,
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

const ToolChoice = z.union(
  [
    z.enum(['none', 'auto', 'required']),
    z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: FunctionName }) }),
  ],
  { error: () => 'none, auto, required, or a function by its name' },
);

/** One message. */
export const ChatMessage = z.discriminatedUnion(
  'role',
  [
    z.strictObject({ role: z.enum(['system', 'developer']), content: TextContent }),
    z.strictObject({
      role: z.literal('user'),
      content: z.union([z.string(), z.array(Part).min(1).max(256)]),
    }),
    AssistantMessage,
    z.strictObject({
      role: z.literal('tool'),
      content: TextContent,
      tool_call_id: z.string().min(1).max(256),
    }),
  ],
  { error: () => 'a message is of the role system, developer, user, assistant or tool' },
);

/** What the text of an answer is. */
export const ResponseFormat = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({
      type: z.literal('json_schema'),
      json_schema: z.strictObject({
        name: z.string().max(256),
        description: z.string().nullish(),
        schema: z.record(z.string(), z.unknown()),
        strict: z.boolean().nullish(),
      }),
    }),
  ],
  { error: () => 'a format is of the type text, json_object or json_schema' },
);

const StreamOptions = z.strictObject({ include_usage: z.boolean().nullish() });

/** The body. */
export const ChatRequest = z
  .strictObject({
    model: z.string().min(1).max(1000),
    messages: z.array(ChatMessage).min(1).max(1024),
    max_tokens: whole(1, 1e9).nullish(),
    max_completion_tokens: whole(1, 1e9).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    seed: seed.nullish(),
    stop: z.union([z.string().min(1).max(1000), z.array(z.string().min(1).max(1000)).max(4)]).nullish(),
    n: whole(1, 128).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: whole(0, 20).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    logit_bias: z.record(z.string().regex(/^\d{1,9}$/u), z.number().min(-100).max(100)).nullish(),
    response_format: ResponseFormat.nullish(),
    tools: z.array(Tool).min(1).max(128).nullish(),
    tool_choice: ToolChoice.nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    stream: z.boolean().nullish(),
    stream_options: StreamOptions.nullish(),
    /** Goes to the log. */
    user: z.string().max(256).nullish(),
    fastv: FastvField.nullish(),
  })
  .openapi('ChatCompletionRequest');

export type ChatRequest = z.infer<typeof ChatRequest>;
export type ChatMessage = z.infer<typeof ChatMessage>;
export type FastvField = z.infer<typeof FastvField>;
export type Detail = z.infer<typeof Detail>;
export type Tool = z.infer<typeof Tool>;
