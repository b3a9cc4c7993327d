// Scores that the caller brings at each call: random numbers, a grid, attention of the vision encoder, …
import type { Strategy } from './strategy.js';

export const external: Strategy = {
  name: 'external',
  description: "the caller's scores, input image_token_scores (random, grid, vision encoder, …)",
  needsLayer: false,
  needsScores: true,
  score: (context) => context.callerScores(),
};
