// The graph contract: what a rewritten decoder has besides what it had (docs/graph-contract.md).

/** Input, bool [batch, sequence]: true at the image tokens of this call's inputs_embeds. */
export const IMAGE_TOKEN_MASK = 'image_token_mask';
/** Input, float32 [stages]: R in [0, 1] for each pruning stage. */
export const PRUNE_RATIO = 'prune_ratio';
/** Input, float32 [batch, sequence], only with strategies that need the caller's scores. */
export const IMAGE_TOKEN_SCORES = 'image_token_scores';
/** Output, int64 [batch, kept]: kept places of this call's sequence, ascending, after the last stage. */
export const KEPT_INDICES = 'kept_indices';
