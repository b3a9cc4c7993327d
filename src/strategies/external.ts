// Scores that the caller brings at each call. What every strategy outside the graph is inside it.
import type { GraphStrategy } from './strategy.js';

export const external = {
  where: 'graph',
  name: 'external',
  description: "the caller's scores, input image_token_scores (random, grid, vision encoder, …)",
  needsLayer: false,
  needsScores: true,
  score: (context) => context.callerScores(),
} as const satisfies GraphStrategy;
