// What a pass asks the rewritten decoder to drop: which of its tokens are image tokens, R of each stage, and scores
// where the strategy ranks outside the graph.
import { FastvError } from '../errors.js';
import type { Draw, ImageTokens } from '../strategies/unlisted.js';
import { massOf, type CallOptions, type Settings } from './options.js';
import type { PruningInputs } from './pruned-session.js';

/** The rows of a pass. */
export interface PassRows {
  readonly batch: number;
  readonly sequence: number;
  /** `[batch, sequence]`, 1 at image tokens. */
  readonly mask: Uint8Array;
  /** The images of each row. */
  readonly spans: readonly (readonly ImageTokens[])[];
}

/**
 * The rewrite's additional inputs for a pass.
 * @throws {FastvError} `invalid-option` if the call's options do not fit its rows or the decoder's stages
 */
export function pruningInputs(settings: Settings, options: CallOptions, rows: PassRows): PruningInputs {
  const { mask, spans, batch, sequence } = rows;
  const most = Math.max(0, ...spans.map(imageTokensOf));
  const stages = settings.layers.length - (settings.dropsAll === true ? 1 : 0);
  const shares = [...ratiosOf(options, stages, most), ...(settings.dropsAll === true ? [1] : [])];
  const ratios = Float32Array.from(shares);
  const { strategy } = settings;
  const segments = (): BigInt64Array => segmentsOf(rows);
  if (options.mass !== undefined && settings.mass !== true) {
    throw new FastvError('invalid-option', 'this decoder is not made for budgets by attention', {
      where: 'mass',
      hint: 'Give mass when the model is loaded; calls may then give another.',
    });
  }
  const { share, greatest } = options.mass === undefined ? { share: 0, greatest: 1 } : massOf(options.mass);
  const added = { mask, ratios, segments, mass: [share, greatest] as const };
  if (strategy.where === 'graph') return added;
  const scores = new Float32Array(batch * sequence);
  spans.forEach((images, row) => {
    const own = strategy.scores({ length: sequence, images }, drawOf(options.seed ?? 0, row));
    if (own.length !== sequence) {
      throw new FastvError('invalid-option', `${own.length} scores for ${sequence} tokens`, {
        where: `strategy ${strategy.name}`,
        hint: 'scores(row) gives one score a token of the row, row.length in all.',
      });
    }
    scores.set(own, row * sequence);
  });
  return { ...added, scores };
}

/** Image (from 1), row and column of each token; 0, −1, −1 where it is no image token. */
function segmentsOf({ batch, sequence, spans }: PassRows): BigInt64Array {
  const segments = new BigInt64Array(3 * batch * sequence);
  for (let i = 0; i < segments.length; i += 3) segments.fill(-1n, i + 1, i + 3);
  spans.forEach((images, row) => {
    images.forEach(({ positions, columns }, image) => {
      positions.forEach((position, i) => {
        const place = [image + 1, Math.floor(i / columns), i % columns];
        segments.set(place.map(BigInt), 3 * (row * sequence + position));
      });
    });
  });
  return segments;
}

/** How many image tokens a row has. */
export function imageTokensOf(images: readonly ImageTokens[]): number {
  return images.reduce((n, { positions }) => n + positions.length, 0);
}

/** What a row is drawn by: a seed of its own is that of a row alone. */
function drawOf(seed: number | readonly number[], row: number): Draw {
  if (typeof seed === 'number') return { seed, row };
  const own = seed[row];
  if (own === undefined) {
    throw new FastvError('invalid-option', `${seed.length} seeds for more rows`, {
      where: 'seed',
      hint: 'give one seed, or one a row',
    });
  }
  return { seed: own, row: 0 };
}

/** The ratio of each stage, so that a budget is met exactly where the row has `n` image tokens. */
function ratiosOf({ ratio, budget, mass }: CallOptions, stages: number, n: number): number[] {
  // R is then what is dropped at most
  if (mass !== undefined) return Array.from({ length: stages }, () => 1 - massOf(mass).least);
  if (budget === undefined) {
    const given = ratio === undefined ? [0.5] : [ratio].flat();
    if (given.length !== 1 && given.length !== stages) {
      throw new FastvError('invalid-option', `${given.length} ratios for ${stages} layers`, {
        where: 'ratio',
        hint: 'give one ratio, or one a layer',
      });
    }
    return Array.from({ length: stages }, (_, i) => given[i] ?? given[0] ?? 0);
  }
  const target = Math.min(budget, n);
  let left = n;
  return Array.from({ length: stages }, (_, i) => {
    if (left === 0) return 0;
    const next = i === stages - 1 ? target : Math.round(n * (target / n) ** ((i + 1) / stages));
    const share = 1 - next / left;
    left = next;
    return share;
  });
}
