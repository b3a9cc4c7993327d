// Peak memory of prefill: resident memory above what the loaded session takes, without ONNX Runtime's arena (which
// keeps what an earlier run needed).
import { cacheBytes, prefillFeeds } from '../src/bench/feeds.js';
import { mebibytes } from '../src/bench/table.js';
import { cached } from './cache.js';
import { openPair, sessionFor } from './open.js';
import type { PrefillOptions } from './prefill.js';
import { printHeading, printTable } from './print.js';
import { memory, resetPeak } from './resident-memory.js';

/** Prints the peak of the original and of each R. */
export async function benchMemory(options: PrefillOptions): Promise<void> {
  const { layer, ratios, tokens } = options;
  const { original, rewritten, release } = await openPair(cached(options), options, {
    ...sessionFor(options),
    enableCpuMemArena: false,
  });
  printHeading(options, tokens, `K=${layer}`);
  const rows: string[][] = [];
  for (const ratio of [undefined, ...ratios]) {
    const decoder = ratio === undefined ? original : rewritten;
    const feeds = prefillFeeds(decoder.inputs, tokens, ratio);
    // once for whatever is allocated only once
    await decoder.run(feeds);
    globalThis.gc?.();
    resetPeak();
    const { now } = memory();
    const outputs = await decoder.run(feeds);
    const { peak } = memory();
    const kv = cacheBytes(decoder.inputs, outputs);
    rows.push([ratio === undefined ? 'original' : `R=${ratio}`, mebibytes(peak - now), mebibytes(kv)]);
  }
  printTable(['', 'peak MiB of a prefill', 'of it KV cache'], rows);
  await release();
}
