import { Tensor, type PreTrainedTokenizer } from '@huggingface/transformers';
import { expect, it } from 'vitest';
import type { ModelInputs } from '../runtime/conversation.js';
import type { HfModel } from '../runtime/transformers.js';
import { greedyReplies } from './greedy.js';

it('turns off what the model would have done to its logits, and cuts rows at their ends', async () => {
  const asked: Record<string, unknown>[] = [];
  const model = {
    config: {},
    generation_config: { repetition_penalty: 1.05, no_repeat_ngram_size: 3, eos_token_id: 9 },
    generate(options: Record<string, unknown>) {
      asked.push(options);
      return Promise.resolve(new Tensor('int64', [1n, 5n, 9n, 7n, 1n, 6n, 7n, 9n], [2, 4]));
    },
  } as unknown as HfModel;
  const tokenizer = { decode: (ids: number[]) => ids.join(' ') } as unknown as PreTrainedTokenizer;
  const inputs = { input_ids: new Tensor('int64', [1n, 1n], [2, 1]) } as unknown as ModelInputs;
  const replies = await greedyReplies(model, tokenizer, inputs, 3, {});
  expect(replies).toEqual([
    { text: '5 9', tokens: 2 },
    { text: '6 7 9', tokens: 3 },
  ]);
  expect(asked[0]).toMatchObject({
    ...{ do_sample: false, max_new_tokens: 3, repetition_penalty: 1, no_repeat_ngram_size: 0 },
    ...{ bad_words_ids: null, suppress_tokens: null, forced_eos_token_id: null, min_length: 0 },
  });
});
