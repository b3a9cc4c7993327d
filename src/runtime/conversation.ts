// From questions and pictures to a model's inputs: chat templates, image tokens, and later turns on one KV cache.
import {
  AutoProcessor,
  Lfm2VlProcessor,
  LlavaProcessor,
  PaliGemmaProcessor,
  PixtralProcessor,
  RawImage,
  Tensor,
  type PreTrainedTokenizer,
  type Processor,
} from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { isRecord } from './transformers.js';

/** RGB pixels, row by row. */
export interface RgbImage {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** One message of a conversation; its images come before its text. */
export interface Message {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly images?: readonly RgbImage[];
}

/** What `generate` takes: `input_ids`, `attention_mask`, and what the family's image processor makes. */
export type ModelInputs = Record<string, unknown> & { input_ids: Tensor; attention_mask: Tensor };

/** The position, among the answers' ids, that a later turn continues from. */
const ANSWER = '\u0001fastv-answer\u0001';

interface Templated {
  apply_chat_template(messages: unknown, options: Record<string, unknown>): unknown;
}

function hasTemplate(value: unknown): value is Templated {
  return isRecord(value) && typeof value['chat_template'] === 'string';
}

/** A processor with what is needed of it. */
export class Conversation {
  readonly processor: Processor;
  readonly tokenizer: PreTrainedTokenizer;

  constructor(processor: Processor) {
    const { tokenizer } = processor;
    if (tokenizer === undefined)
      throw new FastvError('invalid-input', "the model's processor has no tokenizer");
    this.processor = processor;
    this.tokenizer = tokenizer;
  }

  /** Loads a model's processor; options as for Transformers.js. */
  static async load(name: string, options: Record<string, unknown> = {}): Promise<Conversation> {
    return new Conversation(await AutoProcessor.from_pretrained(name, options));
  }

  /** The prompt of a conversation, by the model's own template, or plain where it has none. */
  prompt(messages: readonly Message[]): string {
    const token = this.imageToken;
    for (const { text } of messages) {
      if (text.includes(token)) {
        throw new FastvError('invalid-input', `the text contains ${token}, which stands for an image`, {
          where: 'question',
          hint: 'Leave it out: images are given on their own.',
        });
      }
    }
    const templated = [this.processor, this.tokenizer].find(hasTemplate);
    if (templated === undefined) {
      return messages.map(({ text, images = [] }) => token.repeat(images.length) + text).join('\n');
    }
    const structured = messages.map(({ role, text, images = [] }) => ({
      role,
      content: [...images.map(() => ({ type: 'image' })), { type: 'text', text }],
    }));
    const rendered = templated.apply_chat_template(structured, {
      add_generation_prompt: true,
      tokenize: false,
    });
    if (typeof rendered !== 'string')
      throw new FastvError('invalid-input', 'the chat template gives no text');
    return rendered;
  }

  /** Inputs of a first turn. */
  async inputs(messages: readonly Message[]): Promise<ModelInputs> {
    return this.#encode(
      [this.prompt(messages)],
      messages.flatMap(({ images = [] }) => [...images]),
    );
  }

  /** Inputs of several conversations at once, padded on the left. */
  async batch(conversations: readonly (readonly Message[])[]): Promise<ModelInputs> {
    return this.#encode(
      conversations.map((messages) => this.prompt(messages)),
      conversations.flatMap((messages) => messages.flatMap(({ images = [] }) => [...images])),
      { padding: true },
    );
  }

  /**
   * Inputs of a later turn on the cache of the earlier ones.
   * @param earlier the messages so far, the last answer included
   * @param sequences what `generate` returned for them, `[1, length]`
   * @param next the new question
   */
  async continued(earlier: readonly Message[], sequences: Tensor, next: Message): Promise<ModelInputs> {
    const rendered = this.prompt([...earlier.slice(0, -1), { role: 'assistant', text: ANSWER }, next]);
    let rest = rendered.slice(rendered.indexOf(ANSWER) + ANSWER.length);
    const ids = Array.from(sequences.data as BigInt64Array);
    // the template closes the answer with the token that the model may have closed it with already
    const last = this.tokenizer.decode([Number(ids.at(-1))], { skip_special_tokens: false });
    if (last !== '' && rest.startsWith(last)) rest = rest.slice(last.length);
    const added = await this.#encode([rest], next.images ?? [], { add_special_tokens: false });
    ids.push(...Array.from(added.input_ids.data as BigInt64Array));
    const dims = [1, ids.length];
    return {
      ...added,
      input_ids: new Tensor('int64', BigInt64Array.from(ids), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims),
    };
  }

  /** The answers in what `generate` returned for these inputs. */
  answers(inputs: ModelInputs, sequences: Tensor): string[] {
    const length = inputs.input_ids.dims[1] ?? 0;
    return this.tokenizer
      .batch_decode(sequences.slice(null, [length, null] as never), { skip_special_tokens: true })
      .map((answer) => answer.trim());
  }

  /** How the template's placeholder for an image is written. */
  get imageToken(): string {
    const config: unknown = this.processor.config;
    const token = isRecord(config) ? config['image_token'] : undefined;
    return typeof token === 'string' ? token : '<image>';
  }

  /** Whether the image processor cuts out the middle square of a picture. */
  get cropsSquare(): boolean {
    const config: unknown = this.processor.image_processor?.config;
    return isRecord(config) && config['do_center_crop'] === true;
  }

  async #encode(
    texts: readonly string[],
    images: readonly RgbImage[],
    options: Record<string, unknown> = {},
  ): Promise<ModelInputs> {
    const raw = images.map(({ data, width, height }) => new RawImage(data, width, height, 3));
    const text = texts.length === 1 ? (texts[0] ?? '') : [...texts];
    if (raw.length === 0) return this.tokenizer(text as string, options);
    const { processor } = this;
    if (processor instanceof LlavaProcessor) return this.#encodeLlava(texts, raw, options);
    const call = processor as unknown as (...args: unknown[]) => Promise<ModelInputs>;
    const imagesFirst = [PaliGemmaProcessor, PixtralProcessor, Lfm2VlProcessor].some(
      (c) => processor instanceof c,
    );
    return imagesFirst ? call(raw, text, options) : call(text, raw, options);
  }

  /** LlavaProcessor of Transformers.js 4.3 expands only the first image of a text. */
  async #encodeLlava(
    texts: readonly string[],
    images: RawImage[],
    options: Record<string, unknown>,
  ): Promise<ModelInputs> {
    const process = this.processor.image_processor as unknown as (
      images: RawImage[],
    ) => Promise<{ pixel_values: Tensor }>;
    const processed = await process(images);
    const config = this.processor.config as Record<string, unknown>;
    const [height = 0, width = 0] = processed.pixel_values.dims.slice(-2);
    const patch = Number(config['patch_size']);
    const additional = Number(config['num_additional_image_tokens'] ?? 0);
    const count = Math.floor(height / patch) * Math.floor(width / patch) + additional;
    const token = this.imageToken;
    const expanded = texts.map((text) => text.replaceAll(token, token.repeat(count)));
    const encoded = this.tokenizer(
      (expanded.length === 1 ? (expanded[0] ?? '') : expanded) as string,
      options,
    );
    return { ...processed, ...(encoded as unknown as ModelInputs) };
  }
}
