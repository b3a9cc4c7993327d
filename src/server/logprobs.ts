// Tokens with their probabilities, as OpenAI's answers have them.
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import type { Chosen, TokenLogprob } from './engine/sampler.js';

/** A token, its text, and the natural logarithm of its probability. */
export interface TokenEntry {
  readonly token: string;
  /** Its text in UTF-8. */
  readonly bytes: readonly number[];
  readonly logprob: number;
}

/** The same, with what might have come instead. */
export interface LogprobEntry extends TokenEntry {
  readonly top_logprobs: readonly TokenEntry[];
}

/** The texts of tokens. */
export class TokenTexts {
  readonly #tokenizer: PreTrainedTokenizer;

  constructor(tokenizer: PreTrainedTokenizer) {
    this.#tokenizer = tokenizer;
  }

  entry(token: Chosen): LogprobEntry {
    return { ...this.#entry(token), top_logprobs: token.top.map((one) => this.#entry(one)) };
  }

  #entry({ id, logprob }: TokenLogprob): TokenEntry {
    const token = this.#tokenizer.decode([id], { skip_special_tokens: false });
    // JSON has no infinity; OpenAI writes this for what is as good as impossible
    return { token, bytes: [...new TextEncoder().encode(token)], logprob: Math.max(logprob, -9999) };
  }
}
