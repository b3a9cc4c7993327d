// Where prefill time goes: ONNX Runtime's own profile, summed by operator, for the original and the rewritten decoder.
import { prefillFeeds } from '../src/bench/feeds.js';
import { profile, type ProfiledNode } from '../src/bench/profile.js';
import { profileTables } from '../src/bench/profile-tables.js';
import { originalOf, readDecoder, rewrittenOf, type Source } from '../src/bench/sessions.js';
import { cached } from './cache.js';
import type { PrefillOptions } from './prefill.js';
import { printHeading } from './print.js';

/** Prints two tables: every operator, and the nodes that the rewrite added. */
export async function benchProfile(options: PrefillOptions): Promise<void> {
  const { layer, ratios, tokens, rounds, device } = options;
  const file = await readDecoder(cached(options).file);
  const ratio = ratios.at(-1) ?? 0.5;
  const nodesOf = (source: Source): Promise<ProfiledNode[]> =>
    profile(source, (inputs) => prefillFeeds(inputs, tokens, ratio), rounds, device);
  const before = await nodesOf(originalOf(file));
  const after = await nodesOf(rewrittenOf(file, options));
  printHeading(options, tokens, `K=${layer}`, `R=${ratio}`);
  console.log(`${profileTables(before, after)}\n`);
}
