/** How many tokens a model takes: known before the work starts, not when ONNX Runtime fails at the last position. */
import { FastvError } from '../errors.js';
import type { Conversation, ModelInputs } from '../runtime/conversation.js';
import { configuredPositions } from '../runtime/limits.js';
import { isRecord } from '../runtime/transformers.js';

/**
 * The tokens that a model has positions for: what its configuration promises, or what its tokenizer says; undefined if
 * neither does.
 */
export function contextLimit(model: object, conversation: Conversation): number | undefined {
  const config: unknown = 'config' in model ? model.config : undefined;
  const positions = isRecord(config) ? configuredPositions(config) : undefined;
  if (positions !== undefined) return positions;
  const { model_max_length: length } = conversation.tokenizer as { readonly model_max_length?: unknown };
  // some tokenizers say 1e30 for "no limit"
  return Number.isSafeInteger(length) && Number(length) > 0 ? Number(length) : undefined;
}

/**
 * Checks that a prompt fits.
 * @param inputs the whole conversation's tokens, `[1, sequence]`
 * @returns how many tokens the answer can have, `maxNewTokens` at most
 * @throws {FastvError} `invalid-input` with both numbers
 */
export function tokensLeft(
  model: object,
  conversation: Conversation,
  inputs: ModelInputs,
  maxNewTokens: number,
): number {
  const limit = contextLimit(model, conversation);
  const prompt = inputs.input_ids.dims[1] ?? 0;
  if (limit === undefined) return maxNewTokens;
  if (prompt > limit) {
    throw new FastvError('invalid-input', `the prompt has ${prompt} tokens, and the model takes ${limit}`, {
      where: 'question and pictures',
      hint: 'Ask a shorter question, or give fewer or smaller pictures.',
    });
  }
  // the last token of an answer is never fed back
  return Math.min(maxNewTokens, limit - prompt + 1);
}
