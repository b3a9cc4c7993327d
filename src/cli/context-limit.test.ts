import { describe, expect, it } from 'vitest';
import type { Conversation, ModelInputs } from '../runtime/conversation.js';
import { contextLimit, tokensLeft } from './context-limit.js';

const conversation = (model_max_length?: number): Conversation =>
  ({ tokenizer: { model_max_length } }) as unknown as Conversation;
const prompt = (tokens: number): ModelInputs =>
  ({ input_ids: { dims: [1, tokens] } }) as unknown as ModelInputs;
const model = { config: { text_config: { max_position_embeddings: 100 } } };

describe('the limit', () => {
  it("is the decoder's, before the tokenizer's", () => {
    expect(contextLimit(model, conversation(50))).toBe(100);
    expect(contextLimit({ config: { max_position_embeddings: 7 } }, conversation())).toBe(7);
    expect(contextLimit({ config: {} }, conversation(50))).toBe(50);
  });

  it('is unknown where nobody says one', () => {
    expect(contextLimit({}, conversation())).toBeUndefined();
    expect(contextLimit({ config: null }, conversation(1e30))).toBeUndefined();
    expect(tokensLeft({}, conversation(), prompt(10), 5)).toBe(5);
  });
});

describe('a prompt', () => {
  it('that fits leaves room for the answer, or for some of it', () => {
    expect(tokensLeft(model, conversation(), prompt(10), 5)).toBe(5);
    expect(tokensLeft(model, conversation(), prompt(98), 5)).toBe(3);
    expect(tokensLeft(model, conversation(), prompt(100), 5)).toBe(1);
  });

  it('that does not is refused with both numbers', () => {
    expect(() => tokensLeft(model, conversation(), prompt(101), 5)).toThrow(
      expect.objectContaining({
        code: 'invalid-input',
        message: 'the prompt has 101 tokens, and the model takes 100',
      }),
    );
  });
});
