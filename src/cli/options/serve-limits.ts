/** The limits of `fastv serve` as options. */
import { Option } from 'commander';
import { DEFAULT_LIMITS, type ServerLimits } from '../../server/limits.js';
import { wholeNumber } from '../parse/number.js';

/** A limit, and the option that sets it. */
export interface LimitOption {
  readonly limit: keyof ServerLimits;
  readonly flag: string;
  readonly about: string;
  /** The least that makes sense. */
  readonly least: number;
}

/** Every limit. */
export const LIMIT_OPTIONS: readonly LimitOption[] = [
  { limit: 'sequences', flag: 'max-sequences', about: 'answers that are generated at once', least: 1 },
  { limit: 'queue', flag: 'max-queue', about: 'requests that wait beside those', least: 0 },
  { limit: 'seconds', flag: 'max-seconds', about: 'seconds for a request', least: 1 },
  { limit: 'promptTokens', flag: 'max-prompt-tokens', about: 'tokens of a prompt', least: 1 },
  { limit: 'outputTokens', flag: 'max-output-tokens', about: 'tokens of all answers of a request', least: 1 },
  { limit: 'bodyBytes', flag: 'max-body-bytes', about: 'bytes of a request', least: 1 },
  { limit: 'images', flag: 'max-images', about: 'pictures of a request', least: 0 },
  { limit: 'imagePixels', flag: 'max-image-pixels', about: 'pixels of a picture as stored', least: 1 },
  { limit: 'decodedBytes', flag: 'max-decoded-bytes', about: 'bytes of all its pictures, decoded', least: 3 },
  {
    limit: 'plans',
    flag: 'max-plans',
    about: 'decoders of another layer or strategy that requests may have loaded',
    least: 0,
  },
  { limit: 'frames', flag: 'frames', about: 'frames to take of a video', least: 1 },
  {
    limit: 'prefixCacheBytes',
    flag: 'prefix-cache-bytes',
    about: 'KV caches that are kept for later turns',
    least: 0,
  },
  { limit: 'visionCacheBytes', flag: 'vision-cache-bytes', about: 'image features that are kept', least: 0 },
];

/** The limit's option, which may also come from the environment: `FASTV_MAX_QUEUE`. */
export function limitFlag({ limit, flag, about, least }: LimitOption): Option {
  return new Option(`--${flag} <n>`, about)
    .argParser(wholeNumber(`--${flag}`, least))
    .default(DEFAULT_LIMITS[limit])
    .env(`FASTV_${flag.toUpperCase().replaceAll('-', '_')}`);
}
