import type { Processor } from '@huggingface/transformers';
import { expect, it } from 'vitest';
import { Conversation } from './conversation.js';

it('a pattern of a tokenizer that never ends is ended', () => {
  const text = `${'a'.repeat(60)}!`;
  const encode = (): boolean => /^(a+)+$/u.test(text);
  const tokenizer = { decode: (): string => 'fine', encode } as object;
  const conversation = new Conversation({ tokenizer } as unknown as Processor);
  expect(() => conversation.tokenizer.encode(text)).toThrow(
    expect.objectContaining({
      code: 'invalid-input',
      message: 'the tokenizer takes more than 4 seconds',
    }) as Error,
  );
  expect(conversation.tokenizer.decode([1])).toBe('fine');
});
