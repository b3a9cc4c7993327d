// The text of an answer while its tokens come: whole characters only, nothing that a stop text may still take away, and
// in the end exactly what the library's own decoding gives, without the spaces around it.
import type { PreTrainedTokenizer } from '@huggingface/transformers';

/** The text of one answer. */
export class AnswerText {
  readonly #tokenizer: PreTrainedTokenizer;
  readonly #stop: readonly string[];
  readonly #ids: number[] = [];
  /** Tokens whose text is settled, and where the window that is decoded anew begins. */
  #settled = 0;
  #window = 0;
  #text = '';
  /** How much of it was given out. */
  #given = 0;
  #stopped = false;

  /** @param stop texts that end the answer, and are no part of it */
  constructor(tokenizer: PreTrainedTokenizer, stop: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#stop = stop.filter((text) => text !== '');
  }

  /** The answer so far. */
  get text(): string {
    return this.#text.trim();
  }

  /** Whether a stop text came. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Takes the next token. @returns the text that is certain now */
  add(id: number): string {
    this.#ids.push(id);
    // decoded with a few tokens before it, because some tokenizers drop a space at the start
    const before = this.#decode(this.#window, this.#settled);
    const now = this.#decode(this.#window, this.#ids.length);
    // a character whose bytes have not all come
    if (now.endsWith('\ufffd') || now.length <= before.length) return '';
    this.#text += now.slice(before.length);
    this.#window = this.#settled;
    this.#settled = this.#ids.length;
    return this.#certain(false);
  }

  /** Ends the answer. @returns the rest of its text */
  end(): string {
    const before = this.#decode(this.#window, this.#settled);
    if (!this.#stopped) this.#text += this.#decode(this.#window, this.#ids.length).slice(before.length);
    return this.#certain(true);
  }

  #decode(start: number, end: number): string {
    if (start === end) return '';
    return this.#tokenizer.decode(this.#ids.slice(start, end), { skip_special_tokens: true });
  }

  #certain(ended: boolean): string {
    const found = this.#stop.map((stop) => this.#text.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#text = this.#text.slice(0, Math.min(...found));
      this.#stopped = true;
    }
    const start = this.#text.length - this.#text.trimStart().length;
    const held = ended || this.#stopped ? 0 : this.#partOfStop();
    const end = Math.max(start, this.#text.slice(0, this.#text.length - held).trimEnd().length);
    const from = Math.max(start, this.#given);
    if (end <= from) return '';
    this.#given = end;
    return this.#text.slice(from, end);
  }

  /** Characters at the end that a stop text begins with. */
  #partOfStop(): number {
    const longest = Math.max(0, ...this.#stop.map(({ length }) => length - 1));
    for (let length = Math.min(longest, this.#text.length); length > 0; length--) {
      const tail = this.#text.slice(-length);
      if (this.#stop.some((stop) => stop.startsWith(tail))) return length;
    }
    return 0;
  }
}
