/**
 * Greedy decoding, whatever a model's `generation_config.json` says: equal questions get equal answers. A repetition
 * penalty (1.05 in some Qwen models) would punish the letters and words that a prompt names. Names as in
 * Transformers.js 4.3.
 */
export const GREEDY = {
  do_sample: false,
  repetition_penalty: 1,
  no_repeat_ngram_size: 0,
  bad_words_ids: null,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  guidance_scale: null,
  min_length: 0,
  min_new_tokens: 0,
} as const;
