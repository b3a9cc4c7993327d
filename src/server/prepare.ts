// From the body of a request to what the engine is asked: pictures loaded, `detail` and `fastv` turned into pruning, and
// limits checked before anything is computed.
import { isSeeded, strategies } from '../strategies/index.js';
import type { Message, RgbImage } from '../runtime/conversation.js';
import { ApiError, apiError, badRequest } from './api-error.js';
import type { ChatMessage, ChatRequest, Detail, FastvField } from './chat-request.js';
import type { Engine } from './engine/engine.js';
import type { Prompt, Pruning, Turn } from './engine/prompt.js';
import type { Sampling } from './engine/sampler.js';
import type { ServerLimits } from './limits.js';
import type { KnownPicture, RequestPictures } from './pictures.js';
import { toolResult, writtenCall } from './tools.js';

/** What `detail` stands for, beside `auto`, which is the server's default. */
const PRESETS: Readonly<Record<Exclude<Detail, 'auto'>, { readonly ratio: number; readonly side?: number }>> =
  {
    /** R = 75 %, of pictures of 512 pixels at most, as OpenAI's low detail has it. */
    low: { ratio: 0.75, side: 512 },
    /** The original. */
    high: { ratio: 0 },
  };

/** How a request's pictures are pruned of which it says nothing, and all of them if it says so in `fastv`. */
interface RequestPruning {
  readonly auto: Pruning;
  readonly forced: Pruning | undefined;
}

/**
 * How much of its pictures a request wants pruned.
 * @param auto the server's default
 * @throws {ApiError} 400 naming the field
 */
export function requestPruning(
  field: FastvField | null | undefined,
  engine: Engine,
  auto: Pruning,
): RequestPruning {
  const { ratio, budget, seed } = field ?? {};
  const handle = engine.model.fastv;
  if (handle?.active !== true) return { auto: {}, forced: {} };
  const listed = strategies.find(({ name }) => name === handle.strategy);
  if (seed !== undefined && listed !== undefined && !isSeeded(listed)) {
    throw badRequest(`the strategy ${handle.strategy} draws nothing`, 'fastv.seed');
  }
  if (ratio !== undefined && budget !== undefined)
    throw badRequest('ratio and budget exclude each other', 'fastv.budget');
  const given = ratio !== undefined ? { ratio } : budget !== undefined ? { budget } : undefined;
  const said = ratio ?? (budget === undefined ? auto.ratio : undefined);
  if (Array.isArray(said) && said.length !== handle.layer.length)
    throw badRequest(`${said.length} ratios for ${handle.layer.length} layers`, 'fastv.ratio');
  const drawn = seed === undefined ? {} : { seed };
  return { auto: { ...auto, ...drawn }, forced: given && { ...given, ...drawn } };
}

/**
 * Loads the pictures of the messages.
 * @param takesVideo whether the model takes the frames of a video as such
 * @throws {ApiError} 400
 */
export async function turnsOf(
  messages: readonly ChatMessage[],
  pictures: RequestPictures,
  pruning: RequestPruning,
  takesVideo: boolean,
): Promise<Turn[]> {
  const turns: Turn[] = [];
  const called = new Set<string>();
  for (const [at, message] of messages.entries()) {
    if (message.role === 'assistant') for (const { id } of message.tool_calls ?? []) called.add(id);
    if (message.role === 'tool' && !called.has(message.tool_call_id))
      throw badRequest('no earlier message has this call', `messages.${at}.tool_call_id`);
    const param = `messages.${at}.content`;
    const video = takesVideo && isVideo(message, param);
    const turn = await turnOf(message, param, pictures, pruning, video);
    const last = turns.at(-1);
    // results that follow each other are one message to the model
    if (message.role === 'tool' && messages[at - 1]?.role === 'tool' && last !== undefined)
      turns[turns.length - 1] = withText(last, `${last.message.text}\n${turn.message.text}`);
    else turns.push(turn);
  }
  return turns;
}

/** Tells the model of its tools: in the system message, or before the first question where its template has none. */
export function withTools(turns: readonly Turn[], told: string, takesSystem: boolean): Turn[] {
  const [first] = turns;
  const at = takesSystem ? 0 : turns.findIndex(({ message }) => message.role === 'user');
  if (takesSystem && first?.message.role !== 'system')
    return [{ message: { role: 'system', text: told }, images: [], pruning: {} }, ...turns];
  return turns.map((turn, index) => {
    if (index !== at) return turn;
    const { text, parts } = turn.message;
    if (takesSystem) return withText(turn, `${text}\n\n${told}`);
    return {
      ...turn,
      message: { ...turn.message, text: `${told}\n\n${text}`, parts: [`${told}\n\n`, ...(parts ?? [text])] },
    };
  });
}

function withText(turn: Turn, text: string): Turn {
  return { ...turn, message: { ...turn.message, text, parts: [text] } };
}

async function turnOf(
  message: ChatMessage,
  param: string,
  pictures: RequestPictures,
  { auto, forced }: RequestPruning,
  video: boolean,
): Promise<Turn> {
  const { role } = message;
  if (role === 'tool') return textTurn('user', toolResult(textOf(message.content)));
  if (role === 'assistant') {
    const { content, tool_calls: calls = [] } = message;
    if (content == null && calls.length === 0) throw badRequest('a message has content or tool_calls', param);
    return textTurn(
      role,
      [textOf(content ?? []), ...calls.map(writtenCall)].filter((text) => text !== '').join('\n'),
    );
  }
  const { content } = message;
  const parts: (string | null)[] = [];
  const known: KnownPicture[] = [];
  const prunings: Pruning[] = [];
  const kinds: string[] = [];
  const add = (more: readonly KnownPicture[], pruning: Pruning): void => {
    for (const one of more) {
      parts.push(null);
      known.push(one);
      prunings.push(pruning);
    }
  };
  for (const [at, part] of (typeof content === 'string' ? [content] : content).entries()) {
    if (typeof part === 'string') parts.push(part);
    else if (part.type === 'text') parts.push(part.text);
    else {
      kinds.push(part.type);
      const given = part.type === 'image_url' ? part.image_url : part.video_url;
      const { url, detail = 'auto' } = typeof given === 'string' ? { url: given } : given;
      const preset = detail === 'low' || detail === 'high' ? PRESETS[detail] : undefined;
      const own = preset === undefined ? auto : { ...seedOf(auto), ratio: preset.ratio };
      const where = `${param}.${at}.${part.type}.url`;
      const more =
        part.type === 'image_url'
          ? [await pictures.image(url, where, preset?.side)]
          : await pictures.video(url, where, preset?.side);
      add(more, forced ?? own);
    }
  }
  const said: Message = {
    role: role === 'developer' ? 'system' : role,
    text: parts.filter((part) => part !== null).join('\n'),
    ...(known.length === 0 ? {} : { images: known.map(({ picture }): RgbImage => picture) }),
    // a video beside others is pictures: a message has one, or none
    ...(kinds.join() === 'video_url' ? { video: true } : {}),
    parts: joinTexts(parts),
    ...(video && { video }),
  };
  return { message: said, images: known.map(({ hash }) => hash), pruning: mean(prunings, param) };
}

/** Whether a message to a model that takes videos has one. @throws {ApiError} 400 if there is more beside it */
function isVideo({ content }: ChatMessage, param: string): boolean {
  if (!Array.isArray(content)) return false;
  const media = content.flatMap(({ type }, at) => (type === 'text' ? [] : [{ type, at }]));
  if (!media.some(({ type }) => type === 'video_url')) return false;
  const [, second] = media;
  if (second === undefined) return true;
  throw badRequest(
    'a message to this model has one video, or pictures: put the others into messages of their own',
    `${param}.${second.at}`,
  );
}

function textTurn(role: 'user' | 'assistant', text: string): Turn {
  return { message: { role, text, parts: [text] }, images: [], pruning: {} };
}

function textOf(content: string | readonly { readonly text: string }[]): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}

/** Texts that follow each other as one: templates put nothing between parts. */
function joinTexts(parts: readonly (string | null)[]): (string | null)[] {
  const joined: (string | null)[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = `${last}\n${part}`;
    else joined.push(part);
  }
  return joined;
}

function seedOf({ seed }: Pruning): Pruning {
  return seed === undefined ? {} : { seed };
}

/** The pictures of a message are pruned together: by the mean of what each asks. */
function mean(prunings: readonly Pruning[], param: string): Pruning {
  const [first = {}] = prunings;
  if (prunings.every((one) => JSON.stringify(one) === JSON.stringify(first))) return first;
  const ratios = prunings.map(({ ratio }) => ratio);
  if (!ratios.every((ratio) => typeof ratio === 'number')) {
    throw badRequest(
      'pictures of different detail cannot be mixed where the default is no single share; give fastv.ratio or fastv.budget',
      param,
    );
  }
  return { ...first, ratio: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length };
}

/** Characters of a text that a token stands for, on average: four are usual. What has more is not even made into tokens. */
const MOST_CHARACTERS = 64;

/**
 * The prompt of a conversation, and how long an answer may be.
 * @param param the field that asks for the length
 * @throws {ApiError} 400, with the numbers, if it is too long
 */
export async function checkedPrompt(
  engine: Engine,
  turns: readonly Turn[],
  limits: ServerLimits,
): Promise<Prompt> {
  const most = Math.min(engine.positions - 1, limits.promptTokens);
  const refuse = (has: string): ApiError =>
    new ApiError(400, `the prompt has ${has}; at most ${most} are read`, {
      param: 'messages',
      code: 'context_length_exceeded',
    });
  const characters = turns.reduce((sum, { message }) => sum + message.text.length, 0);
  if (characters > MOST_CHARACTERS * most)
    throw refuse(`${characters} characters, which are too many tokens`);
  const prompt = await engine.prompt(turns).catch((error: unknown) => {
    throw apiError(error, 'messages');
  });
  const tokens = prompt.ids.length;
  if (tokens > most) throw refuse(`${tokens} tokens`);
  return prompt;
}

/** The most tokens of each answer. @throws {ApiError} 400 for more than the server gives */
export function maxTokensOf(
  request: ChatRequest,
  prompt: Prompt,
  engine: Engine,
  limits: ServerLimits,
): number {
  const { max_tokens: older, max_completion_tokens: newer } = request;
  const answers = request.n ?? 1;
  const most = Math.floor(limits.outputTokens / answers);
  const param = newer == null ? 'max_tokens' : 'max_completion_tokens';
  const asked = newer ?? older;
  if (asked != null && asked > most) {
    throw badRequest(`${param} is ${asked}; this server gives ${most} an answer at most`, param);
  }
  return Math.min(asked ?? most, engine.positions - prompt.ids.length);
}

/** How the tokens of each answer are chosen. @throws {ApiError} 400 for fields that contradict each other */
export function samplingsOf(request: ChatRequest, engine: Engine): Sampling[] {
  const { temperature, top_p: topP, logprobs, top_logprobs: top } = request;
  if (top != null && logprobs !== true) throw badRequest('top_logprobs needs logprobs: true', 'top_logprobs');
  if (request.max_tokens != null && request.max_completion_tokens != null) {
    throw badRequest('max_tokens is the older name of max_completion_tokens: give one of them', 'max_tokens');
  }
  const seed = request.seed ?? Math.floor(Math.random() * 2 ** 32);
  const bias = new Map(Object.entries(request.logit_bias ?? {}).map(([id, value]) => [Number(id), value]));
  const strange = [...bias.keys()].find((id) => id >= engine.vocabulary);
  if (strange !== undefined) {
    throw badRequest(`the vocabulary has ${engine.vocabulary} tokens, and no token ${strange}`, 'logit_bias');
  }
  return Array.from({ length: request.n ?? 1 }, (_, answer) => ({
    ...(temperature == null ? {} : { temperature }),
    ...(topP == null ? {} : { topP }),
    seed: seed + answer,
    frequencyPenalty: request.frequency_penalty ?? 0,
    presencePenalty: request.presence_penalty ?? 0,
    logitBias: bias,
    ...(logprobs === true ? { topLogprobs: top ?? 0 } : {}),
  }));
}
