// What a request may cost. All of it can be configured; these are the defaults.

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
