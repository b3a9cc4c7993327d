/** The connection to Redis that a run or a worker has: it waits out a restart of the server. */
import { Redis } from 'ioredis';
import { FastvError } from '../../errors.js';

/**
 * Connects.
 * @param url `redis://[user:password@]host[:port][/database]`, or `rediss://` with TLS
 * @throws {FastvError} `invalid-option` for another address, `io` if nobody answers there
 */
export async function connectRedis(url: string): Promise<Redis> {
  if (!/^rediss?:\/\/[^\s/]+/u.test(url)) {
    throw new FastvError('invalid-option', 'a queue is at redis://host:port', { where: '--queue' });
  }
  // BullMQ wants its blocking calls to wait as long as it takes
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    lazyConnect: true,
    retryStrategy: (n) => Math.min(2000, 50 * n),
  });
  // said by whoever waits for an answer
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return redis;
  } catch (cause) {
    redis.disconnect();
    throw new FastvError('io', 'no Redis answers', {
      where: withoutPassword(url),
      hint: 'start one (redis-server), or check the address',
      cause,
    });
  }
}

/** An address as messages show it. */
export function withoutPassword(url: string): string {
  return url.replace(/^(rediss?:\/\/)[^@/]*@/u, '$1');
}
