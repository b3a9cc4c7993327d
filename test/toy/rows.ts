// Random rows for toy decoders: token embeddings, image spans, absolute positions (three axes for mRoPE).

import type { ToyConfig } from './config.js';
import { roundTo } from './half.js';
import { normals, seededRandom } from './random.js';
import type { Position } from './reference.js';

/** What one row brings to one call. */
export interface Row {
  /** [sequence][hidden] */
  readonly embeds: readonly Float32Array[];
  readonly imageMask: readonly boolean[];
  readonly positions: readonly Position[];
}

/** Lengths of the spans of a row: text and images by turns, text first (0 to begin with an image). */
export type Spans = readonly number[];

export interface RowOptions {
  readonly seed: number;
  /** Absolute position of the first token (mRoPE: on every axis). */
  readonly start?: number;
}

export function toyRow(config: ToyConfig, spans: Spans, options: RowOptions): Row {
  const random = seededRandom(options.seed * 7919 + 17);
  const length = spans.reduce((sum, span) => sum + span, 0);
  return {
    embeds: Array.from({ length }, () => roundTo(config.dtype, normals(random, config.hidden))),
    imageMask: spans.flatMap((span, i) => Array.from({ length: span }, () => i % 2 === 1)),
    positions:
      config.positions === 'mrope'
        ? mropePositions(spans, options.start ?? 0)
        : Array.from({ length }, (_, i) => (options.start ?? 0) + i),
  };
}

/** Text tokens step all three axes; an image is a grid at one time, `gridWidth` wide, and text goes on after it. */
function mropePositions(spans: Spans, start: number): Position[] {
  const positions: Position[] = [];
  let next = start;
  spans.forEach((span, i) => {
    if (i % 2 === 0) {
      for (let t = 0; t < span; t++) positions.push([next + t, next + t, next + t]);
      next += span;
    } else {
      const gridWidth = Math.ceil(Math.sqrt(span));
      for (let t = 0; t < span; t++) {
        positions.push([next, next + Math.floor(t / gridWidth), next + (t % gridWidth)]);
      }
      next += gridWidth;
    }
  });
  return positions;
}

/** The position that a row's next token has. */
export function nextPosition(row: Row): number {
  return Math.max(-1, ...row.positions.flatMap((position) => position)) + 1;
}
