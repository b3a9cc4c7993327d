// Peak memory of one prefill in a process of its own: `node --expose-gc peak-memory.js '{"shape": …}'` prints JSON.
import { cacheBytes, prefillFeeds } from '../src/bench/feeds.js';
import { openDecoder, originalOf, readDecoder, rewrittenOf, SESSION } from '../src/bench/sessions.js';
import { cached } from './cache.js';
import type { PrefillOptions } from './prefill.js';
import { memory, resetPeak } from './resident-memory.js';

/** Which decoder, and what R; null for the original. */
export interface Variant extends Omit<PrefillOptions, 'ratios' | 'rounds' | 'decodeRounds'> {
  readonly ratio: number | null;
}

/** Bytes. */
export interface PeakMemory {
  readonly peak: number;
  readonly kv: number;
}

/** Fewer tokens than can be pruned: for whatever is allocated once, whatever is run. */
const FEW = { text: 8, image: 0 };

async function peakMemory(options: Variant): Promise<PeakMemory> {
  const file = await readDecoder(cached(options).file);
  const source = options.ratio === null ? originalOf(file) : rewrittenOf(file, options);
  const decoder = await openDecoder(source, 'cpu', { ...SESSION, enableCpuMemArena: false });
  await decoder.run(prefillFeeds(decoder.inputs, FEW));
  const feeds = prefillFeeds(decoder.inputs, options.tokens, options.ratio ?? undefined);
  globalThis.gc?.();
  resetPeak();
  const { now } = memory();
  const outputs = await decoder.run(feeds);
  const { peak } = memory();
  return { peak: peak - now, kv: cacheBytes(decoder.inputs, outputs) };
}

console.log(JSON.stringify(await peakMemory(JSON.parse(process.argv[2] ?? '{}') as Variant)));
