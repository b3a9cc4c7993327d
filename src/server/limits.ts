// What a request may cost. All of it can be configured; these are the defaults.

import { FastvError } from '../errors.js';

/** Limits of a server. */
export interface ServerLimits {
  /** Bytes of a request's body. */
  readonly bodyBytes: number;
  /** Pictures of a request, frames of videos included. */
  readonly images: number;
  /** Pixels of a picture as stored. */
  readonly imagePixels: number;
  /** Bytes of all pixels of a request once decoded, three a pixel. */
  readonly decodedBytes: number;
  /** Tokens of a prompt, image tokens included; the model's own limit holds besides. */
  readonly promptTokens: number;
  /** Tokens of all answers of a request. */
  readonly outputTokens: number;
  /** Seconds for a request, from its first byte to the last one of its answer. */
  readonly seconds: number;
  /** Requests that wait beside those that run. */
  readonly queue: number;
  /** Sequences that are decoded at once. */
  readonly sequences: number;
  /** Frames that are taken of a video. */
  readonly frames: number;
  /** Decoders of another layer or strategy that requests may have loaded, beside the one the server was started with. */
  readonly plans: number;
  /** Bytes of KV caches that are kept for conversations that may go on. */
  readonly prefixCacheBytes: number;
  /** Bytes of image features that are kept. */
  readonly visionCacheBytes: number;
}

/** What a server allows unless it is told otherwise. */
export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytes: 32 * 2 ** 20,
  images: 16,
  imagePixels: 50_000_000,
  decodedBytes: 512 * 2 ** 20,
  promptTokens: 16_384,
  outputTokens: 4096,
  seconds: 300,
  queue: 64,
  sequences: 8,
  frames: 8,
  plans: 2,
  prefixCacheBytes: 256 * 2 ** 20,
  visionCacheBytes: 256 * 2 ** 20,
};

/** The least of each that makes sense, and the most seconds that a timer knows. */
export const LEAST: Readonly<Record<keyof ServerLimits, number>> = {
  ...{ bodyBytes: 1, images: 0, imagePixels: 1, decodedBytes: 3, promptTokens: 1, outputTokens: 1 },
  ...{ seconds: 1, queue: 0, sequences: 1, frames: 1, plans: 0, prefixCacheBytes: 0, visionCacheBytes: 0 },
};
export const MOST_SECONDS = 2_000_000;

/** The limits, those that are not said by default. @throws {FastvError} `invalid-option` for one that makes no sense */
export function checkedLimits(limits: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(limits)) {
    const where = `limits.${name}`;
    if (!Object.hasOwn(LEAST, name))
      throw new FastvError('invalid-option', 'there is no such limit', { where });
    const least = LEAST[name as keyof ServerLimits];
    const most = name === 'seconds' ? MOST_SECONDS : Infinity;
    if (!((Number.isInteger(value) || value === Infinity) && value >= least && value <= most))
      throw new FastvError('invalid-option', `${value} is no whole number from ${least} to ${most}`, {
        where,
      });
  }
  return { ...DEFAULT_LIMITS, ...limits };
}
