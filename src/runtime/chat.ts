// A conversation that goes on: its messages, and the KV cache that its turns have filled.
import { DynamicCache, type Tensor } from '@huggingface/transformers';
import { ask, type Answer, type Asked, type AskOptions } from './ask.js';
import type { Message, RgbImage } from './conversation.js';

/** Turns on one cache, one after the other. */
export class Chat {
  readonly #asked: Asked;
  #messages: Message[] = [];
  #sequences: Tensor | undefined;
  #cache = new DynamicCache();

  constructor(asked: Asked) {
    this.#asked = asked;
  }

  /** What was said so far. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  /**
   * The next turn. One that fails, or is aborted, has not been: the conversation goes on from where it was.
   * @param options.video whether the images are the frames of one video
   * @throws as `OpenedModel.ask`
   */
  async ask(
    text: string,
    images: readonly RgbImage[],
    { video = false, ...options }: Omit<AskOptions, 'cache'> & Pick<Message, 'video'>,
  ): Promise<Answer> {
    const { conversation } = this.#asked;
    const next: Message = { role: 'user', text, images, video };
    const inputs =
      this.#sequences === undefined
        ? await conversation.inputs([...this.#messages, next])
        : await conversation.continued(this.#messages, this.#sequences, next);
    const before = new Map<string, unknown>(Object.entries(this.#cache));
    try {
      const answer = await ask(this.#asked, inputs, { ...options, cache: this.#cache });
      this.#messages.push(next, { role: 'assistant', text: answer.text });
      this.#sequences = answer.sequences;
      return answer;
    } catch (error) {
      // a turn that got as far as the decoder has changed the cache: the next one reads the conversation anew
      const untouched = Object.entries(this.#cache).every(([name, tensor]) => before.get(name) === tensor);
      if (!untouched) await this.#empty();
      throw error;
    }
  }

  /** Forgets everything. */
  async forget(): Promise<void> {
    this.#messages = [];
    await this.#empty();
  }

  async #empty(): Promise<void> {
    await this.#cache.dispose();
    this.#cache = new DynamicCache();
    this.#sequences = undefined;
  }
}
