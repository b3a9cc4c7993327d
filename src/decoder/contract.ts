// The names of inputs and outputs: what every exporter writes, and the graph contract, which is what a rewritten decoder
// has besides (docs/graph-contract.md).

/** What goes into layer 0: [batch, sequence, hidden]. */
export const EMBEDS = 'inputs_embeds';
/** Which tokens of past and present are there: int64 [batch, total]. */
export const ATTENTION_MASK = 'attention_mask';
/** Where this call's tokens are: int64 [batch, sequence], or [3, batch, sequence] for mRoPE. */
export const POSITION_IDS = 'position_ids';

/** Input, bool [batch, sequence]: true at the image tokens of this call's inputs_embeds. */
export const IMAGE_TOKEN_MASK = 'image_token_mask';
/** Input, float32 [stages]: R in [0, 1] for each pruning stage. */
export const PRUNE_RATIO = 'prune_ratio';
/** Input, float32 [batch, sequence], only with strategies that need the caller's scores. */
export const IMAGE_TOKEN_SCORES = 'image_token_scores';
/**
 * Input, int64 [batch, sequence, 3], only where images are told apart by the caller: image (from 1; 0 is no image token),
 * row and column in it (from 0).
 */
export const IMAGE_TOKEN_SEGMENTS = 'image_token_segments';
/**
 * Input, float32 [stages, 2], only where budgets go by attention: the share of it that kept tokens hold, and the greatest
 * share of tokens that are kept.
 */
export const ATTENTION_MASS = 'attention_mass';
/** Input, int64 [layers] or [0], only where caches may have room: how many tokens each holds (rewrite/step-caches.ts). */
export const CACHE_LENGTHS = 'cache_lengths';
/** Output, int64 [batch, kept]: kept places of this call's sequence, ascending, after the last stage. */
export const KEPT_INDICES = 'kept_indices';
