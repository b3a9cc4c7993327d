/** The log-likelihood of choices as the first token of a reply. */
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { FastvError } from '../errors.js';

/**
 * One log-likelihood a candidate: natural logarithm, spellings with and without a space before it taken together.
 * @param logits of the reply's first token, `[vocabulary]`
 * @throws {FastvError} `invalid-option` for a candidate of more than one token
 */
export function choiceLogLikelihoods(
  tokenizer: PreTrainedTokenizer,
  logits: Float32Array,
  candidates: readonly string[],
): number[] {
  const total = logSumExp(logits);
  return candidates.map((candidate) => {
    const ids = firstTokens(tokenizer, candidate);
    return logSumExp(Float32Array.from(ids, (id) => logits[id] ?? -Infinity)) - total;
  });
}

/** The ids that a candidate can begin a reply with: bare or after a space. */
function firstTokens(tokenizer: PreTrainedTokenizer, candidate: string): number[] {
  const ids = [candidate, ` ${candidate}`].flatMap((text) => {
    const encoded = tokenizer.encode(text, { add_special_tokens: false });
    return encoded.length === 1 ? encoded : [];
  });
  if (ids.length === 0) {
    throw new FastvError(
      'invalid-option',
      `${JSON.stringify(candidate)} is more than one token for this model`,
      { where: '--choices likelihood', hint: 'take --choices letter' },
    );
  }
  return [...new Set(ids)];
}

function logSumExp(values: Float32Array): number {
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return most === -Infinity ? most : most + Math.log(values.reduce((sum, v) => sum + Math.exp(v - most), 0));
}
