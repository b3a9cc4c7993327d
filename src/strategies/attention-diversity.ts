// Max-min diversity weighted by attention: as divprune, but a token's distances are multiplied by the attention that the
// last token pays it, so that what is picked lies apart and is looked at (as in the selector of FlashVID).
import { farthest } from './divprune.js';
import type { GraphStrategy } from './strategy.js';

export const attentionDiversity = {
  where: 'graph',
  name: 'attention-diversity',
  description: 'tokens that lie far apart and are attended to: max-min diversity times attention',
  needsLayer: true,
  score: (context) => farthest(context, context.lastRowAttention()),
} as const satisfies GraphStrategy;
