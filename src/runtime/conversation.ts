// From questions and pictures to a model's inputs: chat templates, image tokens, and later turns on one KV cache.
import {
  AutoProcessor,
  Lfm2VlProcessor,
  LlavaProcessor,
  PaliGemmaProcessor,
  PixtralProcessor,
  Tensor,
  type PreTrainedTokenizer,
  type Processor,
} from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { loadError } from './load-error.js';
import { VideoLlavaProcessor } from './pictures/llava-processors.js';
import { Picture } from './pictures/picture.js';
import { exactProcessor } from './pictures/processors.js';
import { isRecord } from './transformers.js';
import { reasonOf } from './tell.js';
import { renderTemplate, startTemplates } from './template-process.js';
import { withTimeLimit } from './time-limit.js';
import { checkGrowth } from './tokenizer-growth.js';

/** RGB pixels, row by row. */
export interface RgbImage {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** One message of a conversation; its images come before its text, unless `parts` says otherwise. */
export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
  readonly images?: readonly RgbImage[];
  /** How text and images follow each other: the pieces of `text`, and `null` for the next one of `images`. */
  readonly parts?: readonly (string | null)[];
  /** Whether its images are the frames of one video, in order; models that take no videos get them as images. */
  readonly video?: boolean;
}

/** What `generate` takes: `input_ids`, `attention_mask`, and what the family's image processor makes. */
export type ModelInputs = Record<string, unknown> & { input_ids: Tensor; attention_mask: Tensor };

/** Milliseconds that a tokenizer may take for one text. */
const TOKENIZER_LIMIT = 4000;

interface Templated {
  readonly chat_template: string;
  apply_chat_template(messages: unknown, options: Record<string, unknown>): unknown;
}

function hasTemplate(value: unknown): value is Templated {
  return isRecord(value) && typeof value['chat_template'] === 'string';
}

/** Where processors and tokenizers of Transformers.js 4.3 keep the texts that they turn into images. */
const PLACEHOLDERS = [
  ...['image_token', 'video_token', 'boi_token', 'eoi_token', 'image_tag'],
  ...['fake_image_token', 'global_img_token'],
];

/** How special tokens that stand for images, or for their tiles, are written, whatever keeps them. */
const OF_IMAGES = /image|img|video|vision|^<\|?row_\d+_col_\d+\|?>$/iu;

/** Several conversations that need no padding together. */
export interface ConversationBatch {
  /** Their places among those that were given. */
  readonly rows: readonly number[];
  readonly inputs: ModelInputs;
}

/**
 * A processor with what is needed of it.
 * @example
 * const conversation = await Conversation.load(name);
 * const inputs = await conversation.inputs([{ role: 'user', text: 'What is this?', images: [picture] }]);
 * const sequences = await model.generate({ ...inputs, max_new_tokens: 64 });
 * const [answer] = conversation.answers(inputs, sequences);
 */
export class Conversation {
  readonly processor: Processor;
  readonly tokenizer: PreTrainedTokenizer;
  /** What {@link answers} of a batch end with. */
  #ends: ReadonlySet<number> | undefined;

  constructor(processor: Processor) {
    const { tokenizer } = processor;
    if (tokenizer === undefined)
      throw new FastvError('invalid-input', "the model's processor has no tokenizer");
    checkGrowth((tokenizer as { _tokenizerJSON?: unknown })._tokenizerJSON);
    this.processor = exactProcessor(processor);
    this.tokenizer = limited(tokenizer);
  }

  /** Whether the model takes the frames of a video as such. */
  get takesVideo(): boolean {
    return this.processor instanceof VideoLlavaProcessor;
  }

  /**
   * Loads a model's processor; options as for Transformers.js.
   * @throws {FastvError} `io` if it is not there or cannot be read
   */
  static async load(name: string, options: Record<string, unknown> = {}): Promise<Conversation> {
    const processor = await AutoProcessor.from_pretrained(name, options).catch((cause: unknown) => {
      throw loadError(cause, name);
    });
    const conversation = new Conversation(processor);
    // whoever asks it first says what went wrong
    if (conversation.#templated() !== undefined) startTemplates().catch(() => undefined);
    return conversation;
  }

  /**
   * The prompt of a conversation, by the model's own template, or plain where it has none.
   * @throws {FastvError} `invalid-input` for a text with a token that stands for an image, and for a template that fails or
   *   takes too much
   */
  async prompt(messages: readonly Message[]): Promise<string> {
    const token = this.imageToken;
    const reserved = this.#reserved();
    for (const { text } of messages) {
      const typed = reserved.find((one) => text.includes(one));
      if (typed !== undefined) {
        throw new FastvError('invalid-input', `the text contains ${typed}, which stands for an image`, {
          where: 'question',
          hint: 'Leave it out: images are given on their own.',
        });
      }
    }
    const templated = this.#templated();
    if (templated === undefined) {
      return messages
        .map((message) =>
          this.#parts(message)
            .map((part) => (typeof part === 'string' ? part : token))
            .join(''),
        )
        .join('\n');
    }
    const structured = messages.map((message) => ({
      role: message.role,
      content: this.#parts(message).map((part) =>
        typeof part === 'string' ? { type: 'text', text: part } : part,
      ),
    }));
    const { chat_template: template } = templated;
    const options = { add_generation_prompt: true, tokenize: false };
    return renderTemplate({
      template,
      context: () => contextOf(this.tokenizer, templated, structured, options),
      here: () => String(templated.apply_chat_template(structured, options)),
    });
  }

  #templated(): Templated | undefined {
    return [this.processor, this.tokenizer].find(hasTemplate);
  }

  /** Inputs of a first turn. */
  async inputs(messages: readonly Message[]): Promise<ModelInputs> {
    return this.#encode([await this.prompt(messages)], messages);
  }

  /**
   * Inputs of several conversations at once, padded on the left. The embedded model can tell padding from text; some
   * decoders cannot, of which the plug warns: see {@link batches}.
   */
  async batch(conversations: readonly (readonly Message[])[]): Promise<ModelInputs> {
    this.#ends ??= await this.#findEnds();
    return this.#encode(
      await Promise.all(conversations.map((messages) => this.prompt(messages))),
      conversations.flat(),
      { padding: true },
    );
  }

  /** Inputs of several conversations in batches whose rows have one length, so that none is padded. */
  async batches(conversations: readonly (readonly Message[])[]): Promise<ConversationBatch[]> {
    const byLength = new Map<string, number[]>();
    for (const [row, messages] of conversations.entries()) {
      const { input_ids: ids } = await this.inputs(messages);
      const images = messages.reduce((n, message) => n + (message.images?.length ?? 0), 0);
      const key = `${ids.dims.join()} ${images}`;
      byLength.set(key, [...(byLength.get(key) ?? []), row]);
    }
    return Promise.all(
      [...byLength.values()].map(async (rows) => ({
        rows,
        inputs: await this.batch(rows.map((row) => conversations[row] ?? [])),
      })),
    );
  }

  /**
   * Inputs of a later turn on the cache of the earlier ones.
   * @param earlier the messages so far, the last answer included
   * @param sequences what `generate` returned for them, `[1, length]`
   * @param next the new question
   */
  async continued(earlier: readonly Message[], sequences: Tensor, next: Message): Promise<ModelInputs> {
    let rest = await this.#behindAnswer(earlier.slice(0, -1), next);
    if (rest === undefined)
      throw new FastvError(
        'invalid-input',
        'the chat template leaves answers out, so that none can be continued',
      );
    const ids = Array.from(sequences.data as BigInt64Array);
    // the template closes the answer with the token that the model may have closed it with already
    const last = this.tokenizer.decode([Number(ids.at(-1))], { skip_special_tokens: false });
    if (last !== '' && rest.startsWith(last)) rest = rest.slice(last.length);
    const added = await this.#encode([rest], [next], { add_special_tokens: false });
    ids.push(...Array.from(added.input_ids.data as BigInt64Array));
    const dims = [1, ids.length];
    return {
      ...added,
      input_ids: new Tensor('int64', BigInt64Array.from(ids), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
    };
  }

  /**
   * The answers in what `generate` returned for these inputs. In a batch, Transformers.js 4.3 goes on with a row that has
   * ended until all have: what comes behind its end is no part of the answer.
   */
  answers(inputs: ModelInputs, sequences: Tensor): string[] {
    const [batch = 0, length = 0] = sequences.dims;
    const prompt = inputs.input_ids.dims[1] ?? 0;
    const ids = Array.from(sequences.data as BigInt64Array, Number);
    const ends = batch > 1 ? (this.#ends ?? this.#eos()) : new Set<number>();
    return Array.from({ length: batch }, (_, row) => {
      const answer = ids.slice(row * length + prompt, (row + 1) * length);
      const end = answer.findIndex((id) => ends.has(id));
      const own = end < 0 ? answer : answer.slice(0, end);
      return own.length === 0 ? '' : this.tokenizer.decode(own, { skip_special_tokens: true }).trim();
    });
  }

  /** Tokens that end an answer: the tokenizer's, and the special one that the chat template closes an answer with. */
  async #findEnds(): Promise<ReadonlySet<number>> {
    const ends = this.#eos();
    if (this.#templated() === undefined) return ends;
    const empty = { role: 'user', text: '' } as const;
    const closing = (await this.#behindAnswer([empty], empty)) ?? '';
    const { all_special_ids: special } = this.tokenizer as { all_special_ids?: readonly number[] };
    const [first] = this.tokenizer.encode(closing, { add_special_tokens: false });
    if (first !== undefined && special?.includes(first) === true) ends.add(first);
    return ends;
  }

  #eos(): Set<number> {
    const { eos_token_id: eos } = this.tokenizer as unknown as { eos_token_id?: number };
    return new Set(eos === undefined ? [] : [eos]);
  }

  /** What the prompt of a later question has behind the last answer; undefined if the chat template leaves answers out. */
  async #behindAnswer(before: readonly Message[], next: Message): Promise<string | undefined> {
    const marker = unusedMarker([...before, next]);
    const rendered = await this.prompt([...before, { role: 'assistant', text: marker }, next]);
    const at = rendered.indexOf(marker);
    return at < 0 ? undefined : rendered.slice(at + marker.length);
  }

  /** How the template's placeholder for an image is written. */
  get imageToken(): string {
    return this.#places().flatMap((place) => textsIn(place, ['image_token']))[0] ?? '<image>';
  }

  /**
   * Texts that cannot be typed: the processor would take them for images, or the tokenizer makes an image token of them.
   * What is none of this tokenizer's tokens, and nothing to this processor, is text as any other.
   */
  #reserved(): string[] {
    const special = (this.tokenizer as { all_special_tokens?: unknown }).all_special_tokens;
    const named = Array.isArray(special) ? special.filter((text) => OF_IMAGES.test(String(text))) : [];
    const kept = this.#places().flatMap((place) => textsIn(place, PLACEHOLDERS));
    return [...new Set([...kept, ...named.map(String)])];
  }

  /** The objects that may say how an image is written, the one that is asked first coming first. */
  #places(): unknown[] {
    const { processor, tokenizer } = this;
    return [processor.config, processor.constructor, processor, tokenizer.config];
  }

  /** Whether the image processor cuts out the middle square of a picture. */
  get cropsSquare(): boolean {
    const config: unknown = this.processor.image_processor?.config;
    return isRecord(config) && config['do_center_crop'] === true;
  }

  /** Text and places of images, or of a video, in their order. */
  #parts(message: Message): readonly (string | { readonly type: 'image' | 'video' })[] {
    const parts = partsOf(message);
    const video = this.#isVideo(message);
    const first = parts.indexOf(null);
    return parts
      .filter((part, i) => !video || part !== null || i === first)
      .map((part) => part ?? { type: video ? 'video' : 'image' });
  }

  #isVideo({ video = false, images = [] }: Message): boolean {
    return video && images.length > 0 && this.takesVideo;
  }

  async #encode(
    texts: readonly string[],
    messages: readonly Message[],
    given: Record<string, unknown> = {},
  ): Promise<ModelInputs> {
    const text = texts.length === 1 ? (texts[0] ?? '') : [...texts];
    const picturesOf = ({ images = [] }: Message): Picture[] =>
      images.map(({ data, width, height }) => Picture.of({ data, width, height, channels: 3 }));
    const videos = messages.filter((message) => this.#isVideo(message)).map(picturesOf);
    const pictures = messages.filter((message) => !this.#isVideo(message)).flatMap(picturesOf);
    const { processor } = this;
    const anyMedia = pictures.length + videos.length > 0;
    // a template, or a processor, that writes the first token itself must not get another
    const { bos_token: first } = this.tokenizer as { bos_token?: unknown };
    const begun =
      (anyMedia && processor instanceof PaliGemmaProcessor) ||
      (typeof first === 'string' && first !== '' && texts.every((one) => one.startsWith(first)));
    const options = begun ? { add_special_tokens: false, ...given } : given;
    if (!anyMedia) return this.tokenizer(text as string, options);
    const call = processor as unknown as (...args: unknown[]) => Promise<ModelInputs>;
    const imagesFirst = [LlavaProcessor, PaliGemmaProcessor, PixtralProcessor, Lfm2VlProcessor].some(
      (c) => processor instanceof c,
    );
    const args =
      videos.length > 0
        ? [pictures, text, { ...options, videos }]
        : imagesFirst
          ? [pictures, text, options]
          : [text, pictures, options];
    try {
      return await call(...args);
    } catch (cause) {
      if (!(cause instanceof Error) || cause instanceof FastvError) throw cause;
      throw new FastvError('invalid-input', `the model's processor fails: ${reasonOf(cause)}`, {
        where: 'preprocessor_config.json, processor_config.json or tokenizer.json',
        hint: 'Check where the model comes from: they may not fit each other.',
        cause,
      });
    }
  }
}

/**
 * What Transformers.js gives a chat template to look at: messages, and the tokenizer's special tokens. It keeps compiled
 * templates by their texts; one that only takes down its context is put there for the time being.
 */
function contextOf(
  tokenizer: PreTrainedTokenizer,
  templated: Templated,
  messages: unknown,
  options: Record<string, unknown>,
): unknown {
  const { _compiled_template_cache: compiled } = tokenizer as unknown as {
    _compiled_template_cache: Map<string, { render(context: unknown): string }>;
  };
  const { chat_template: template } = templated;
  const before = compiled.get(template);
  let context: unknown;
  compiled.set(template, {
    render(given) {
      context = given;
      return '';
    },
  });
  try {
    templated.apply_chat_template(messages, options);
  } finally {
    if (before === undefined) compiled.delete(template);
    else compiled.set(template, before);
  }
  return context;
}

/** Tokenizers that have their limit already. */
const limitedOnes = new WeakSet<PreTrainedTokenizer>();

/** Gives a tokenizer a time limit: its patterns are its author's, and some take for ever on some texts. */
function limited(tokenizer: PreTrainedTokenizer): PreTrainedTokenizer {
  if (limitedOnes.has(tokenizer)) return tokenizer;
  limitedOnes.add(tokenizer);
  const methods = tokenizer as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  // a call goes to `_call`, and everything else to one of the others; a limit has its price, and answers are decoded token
  // by token, so that decoders without patterns have none
  const { _tokenizerJSON: json } = tokenizer as { _tokenizerJSON?: unknown };
  const decoding = isRecord(json) && !hasPattern(json['decoder']) ? [] : ['decode', 'decode_single'];
  for (const name of ['_call', 'encode', ...decoding]) {
    const method = methods[name];
    if (typeof method !== 'function') continue;
    methods[name] = (...args) =>
      withTimeLimit(TOKENIZER_LIMIT, 'the tokenizer', () => method.apply(tokenizer, args));
  }
  return tokenizer;
}

/** Whether a part of a tokenizer has a pattern of its author's. */
function hasPattern(part: unknown): boolean {
  const left = [part];
  while (left.length > 0) {
    const one = left.pop();
    if (!isRecord(one)) continue;
    if ('Regex' in one) return true;
    for (const inner of Object.values(one)) left.push(inner);
  }
  return false;
}

/** The texts that an object has under some names. */
function textsIn(place: unknown, names: readonly string[]): string[] {
  if (!isRecord(place)) return [];
  return names
    .map((name) => place[name])
    .filter((text) => typeof text === 'string' && text !== '') as string[];
}

/** Text and places of images in their order. */
function partsOf({ text, images = [], parts }: Message): readonly (string | null)[] {
  return parts ?? [...images.map(() => null), text];
}

/** Stands for an answer in a rendered prompt, to find what follows it: a text that no message has. */
function unusedMarker(messages: readonly Message[]): string {
  for (let i = 0; ; i++) {
    const marker = `\u0001fastv-answer-${i}\u0001`;
    if (!messages.some(({ text }) => text.includes(marker))) return marker;
  }
}
