// Time to the first token: what a user gets from a 4-bit export today, against int8 weights, pruning and the last-token
// tail. All variants are loaded in one process and take turns.
import { prefillFeeds } from '../src/bench/feeds.js';
import {
  openDecoder,
  originalOf,
  readDecoder,
  rewrittenOf,
  type OpenDecoder,
} from '../src/bench/sessions.js';
import { seconds } from '../src/bench/table.js';
import { interleaved, speedup } from '../src/bench/timing.js';
import type { Tokens } from '../src/cost/paper.js';
import { cached } from './cache.js';
import type { WeightType } from './decoder.js';
import { printTable } from './print.js';

export interface TtftOptions {
  readonly shape: string;
  readonly layers: number;
  readonly tokens: Tokens;
  readonly rounds: number;
  /** K and R of the pruned variant. */
  readonly layer: number;
  readonly ratio: number;
}

interface Setup {
  readonly name: string;
  readonly weights: WeightType;
  /** Whether it prunes and has the last-token tail. */
  readonly pruned: boolean;
}

/** Prints a row a variant; the first is the one that the others are compared with. */
export async function benchTtft(options: TtftOptions): Promise<void> {
  const { shape, layers, tokens, rounds, layer, ratio } = options;
  const setups: readonly Setup[] = [
    { name: 'int4, no accuracy_level (q4 of Transformers.js)', weights: 'int4-fp32', pruned: false },
    { name: 'int4, accuracy_level 4', weights: 'int4', pruned: false },
    { name: 'int8', weights: 'int8', pruned: false },
    { name: `int8, K=${layer}, R=${ratio}, last-token tail`, weights: 'int8', pruned: true },
  ];
  const variants: { name: string; decoder: OpenDecoder; run: () => Promise<unknown> }[] = [];
  for (const { name, weights, pruned } of setups) {
    const file = await readDecoder(cached({ shape, layers, weights }).file);
    const source = pruned ? rewrittenOf(file, { layer, tail: true }) : originalOf(file);
    const decoder = await openDecoder(source);
    const feeds = prefillFeeds(decoder.inputs, tokens, ratio);
    variants.push({ name, decoder, run: () => decoder.run(feeds) });
  }
  const timings = await interleaved(variants, rounds);
  const first = timings.get(variants[0]?.name ?? '');
  console.log(
    `### ${shape}, ${layers} layers: ${tokens.image} image + ${tokens.text} other tokens, decoder only\n`,
  );
  printTable(
    ['first token', 'wall s', 'range', 'CPU s', 'wall: times as fast', 'CPU: times as fast'],
    [...timings].map(([name, { wall, cpu }]) => [
      name,
      seconds(wall.median),
      `${seconds(wall.fastest)}–${seconds(wall.slowest)}`,
      seconds(cpu.median),
      ...(first === undefined
        ? []
        : [`${speedup(first.wall, wall).toFixed(2)}x`, `${speedup(first.cpu, cpu).toFixed(2)}x`]),
    ]),
  );
  for (const { decoder } of variants) await decoder.session.release();
}
