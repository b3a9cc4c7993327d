// Peak memory of prefill: resident memory above what the loaded session takes, without ONNX Runtime's arena (which
// keeps what an earlier run needed).
import { cached } from './cache.js';
import { memory, printTable, resetPeak } from './measure.js';
import type { PrefillOptions } from './prefill.js';
import { cacheBytes, openSessions, prefillFeeds, SESSION } from './sessions.js';

/** Prints the peak of the original and of each R. */
export async function benchMemory(options: PrefillOptions): Promise<void> {
  const { layer, ratios, tokens } = options;
  const generated = cached(options);
  const { shape } = generated;
  const { original, rewritten } = await openSessions(generated, layer, {
    ...SESSION,
    enableCpuMemArena: false,
  });
  console.log(
    `### ${options.shape}, ${shape.layers} layers, ${options.weights}: ${tokens.image} image + ${tokens.text} other tokens, K=${layer}\n`,
  );
  const mebi = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const rows: string[][] = [];
  for (const ratio of [undefined, ...ratios]) {
    const session = ratio === undefined ? original : rewritten;
    const feeds = prefillFeeds(shape, tokens, ratio);
    // once for whatever is allocated only once
    await session.run(feeds);
    globalThis.gc?.();
    resetPeak();
    const { now } = memory();
    const outputs = await session.run(feeds);
    const { peak } = memory();
    rows.push([ratio === undefined ? 'original' : `R=${ratio}`, mebi(peak - now), mebi(cacheBytes(outputs))]);
  }
  printTable(['', 'peak MiB of a prefill', 'of it KV cache'], rows);
  await original.release();
  await rewritten.release();
}
