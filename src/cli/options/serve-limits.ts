/** The limits of `fastv serve` as options. */
import { Option } from 'commander';
import { DEFAULT_LIMITS, LEAST, MOST_SECONDS, type ServerLimits } from '../../server/limits.js';
import { wholeNumber } from '../parse/number.js';

/** A limit, and the option that sets it. */
export interface LimitOption {
  readonly limit: keyof ServerLimits;
  readonly flag: string;
  readonly about: string;
}

/** Every limit. */
export const LIMIT_OPTIONS: readonly LimitOption[] = [
  { limit: 'sequences', flag: 'max-sequences', about: 'answers that are generated at once' },
  { limit: 'queue', flag: 'max-queue', about: 'requests that wait beside those' },
  { limit: 'seconds', flag: 'max-seconds', about: 'seconds for a request' },
  { limit: 'promptTokens', flag: 'max-prompt-tokens', about: 'tokens of a prompt' },
  { limit: 'outputTokens', flag: 'max-output-tokens', about: 'tokens of all answers of a request' },
  { limit: 'bodyBytes', flag: 'max-body-bytes', about: 'bytes of a request' },
  { limit: 'images', flag: 'max-images', about: 'pictures of a request' },
  { limit: 'imagePixels', flag: 'max-image-pixels', about: 'pixels of a picture as stored' },
  { limit: 'decodedBytes', flag: 'max-decoded-bytes', about: 'bytes of all its pictures, decoded' },
  {
    limit: 'plans',
    flag: 'max-plans',
    about: 'decoders of another layer or strategy that requests may have loaded',
  },
  { limit: 'frames', flag: 'frames', about: 'frames to take of a video' },
  {
    limit: 'prefixCacheBytes',
    flag: 'prefix-cache-bytes',
    about: 'KV caches that are kept for later turns',
  },
  { limit: 'visionCacheBytes', flag: 'vision-cache-bytes', about: 'image features that are kept' },
];

/** The limit's option, which may also come from the environment: `FASTV_MAX_QUEUE`. */
export function limitFlag({ limit, flag, about }: LimitOption): Option {
  return new Option(`--${flag} <n>`, about)
    .argParser(wholeNumber(`--${flag}`, LEAST[limit], limit === 'seconds' ? MOST_SECONDS : Infinity))
    .default(DEFAULT_LIMITS[limit])
    .env(`FASTV_${flag.toUpperCase().replaceAll('-', '_')}`);
}
