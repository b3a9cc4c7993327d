// Prefill, original against rewritten: what FastV realises of what theory promises.
import { compareCost } from '../src/cost/compare.js';
import { paperReduction, type Tokens } from '../src/cost/paper.js';
import { cached, type Wanted } from './cache.js';
import { interleaved, printTable, speedup, type Timings } from './measure.js';
import { cacheBytes, decodeFeeds, openSessions, prefillFeeds, sessionFor, type Feeds } from './sessions.js';

export interface PrefillOptions extends Wanted {
  readonly layer: number;
  readonly ratios: readonly number[];
  readonly tokens: Tokens;
  readonly rounds: number;
  /** Whether only the last token goes on after the last attention. */
  readonly tail?: boolean;
  /** Rounds of the decoding step; 0 leaves it out. */
  readonly decodeRounds: number;
}

/** Prints the table of one decoder. */
export async function benchPrefill(options: PrefillOptions): Promise<void> {
  const { layer, ratios, tokens, rounds } = options;
  const generated = cached(options);
  const { shape } = generated;
  const { original, rewritten, load } = await openSessions(generated, layer, sessionFor(options), options.tail);
  const n = tokens.text + tokens.image;
  console.log(
    `### ${options.shape}, ${shape.layers} layers, ${options.weights}: ${tokens.image} image + ${tokens.text} other tokens, K=${layer}${options.tail === true ? ', last-token tail' : ''}\n`,
  );

  const base: Feeds = prefillFeeds(shape, tokens);
  const pruned = ratios.map((ratio) => ({ ratio, feeds: prefillFeeds(shape, tokens, ratio) }));
  const timings = await interleaved(
    [
      { name: 'original', run: () => original.run(base) },
      ...pruned.map(({ ratio, feeds }) => ({ name: `R=${ratio}`, run: () => rewritten.run(feeds) })),
    ],
    rounds,
  );
  const before = timings.get('original');
  if (before === undefined) return;
  const unprunedBytes = cacheBytes(await original.run(base));
  const rows = [
    ['original', ...clocks(before), ...Array<string>(5).fill(''), (unprunedBytes / 2 ** 20).toFixed(1), ''],
  ];
  for (const { ratio, feeds } of pruned) {
    const after = timings.get(`R=${ratio}`);
    if (after === undefined) continue;
    const gain = speedup(before.cpu, after.cpu);
    const theory = 1 / (1 - paperReduction(shape, tokens, { layer, ratio }));
    const tail = options.tail === true ? 'last' : 'all';
    const cost = compareCost(shape, tokens, [{ layer, ratio }], { lmHead: 'last' });
    const short = compareCost(shape, tokens, [{ layer, ratio }], { lmHead: 'last', tail });
    const exact = cost.prefill.before.total / short.prefill.after.total;
    const bytes = cacheBytes(await rewritten.run(feeds));
    rows.push([
      `R=${ratio}`,
      ...clocks(after),
      `${speedup(before.wall, after.wall).toFixed(3)}x`,
      `${gain.toFixed(3)}x`,
      `${theory.toFixed(3)}x`,
      (gain / theory).toFixed(3),
      (gain / exact).toFixed(3),
      (bytes / 2 ** 20).toFixed(1),
      bytes === cost.kvBytes.after.total ? 'yes' : `no: ${(cost.kvBytes.after.total / 2 ** 20).toFixed(1)}`,
    ]);
  }
  printTable(
    [
      '',
      'wall s',
      'CPU s',
      'range',
      'wall speed-up',
      'CPU speed-up',
      'theory',
      'CPU ÷ theory',
      'CPU ÷ exact',
      'KV MiB',
      'as theory',
    ],
    rows,
  );
  console.log(`Loading: original ${seconds(load.original)} s, rewritten ${seconds(load.rewritten)} s.\n`);
  if (options.decodeRounds > 0) {
    const cache = await original.run(base);
    const steps = [
      { name: 'original', run: () => original.run(decodeFeeds(shape, cache, n, false)) },
      ...(await Promise.all(
        pruned.map(async ({ ratio, feeds }) => {
          const own = await rewritten.run(feeds);
          return { name: `R=${ratio}`, run: () => rewritten.run(decodeFeeds(shape, own, n, true)) };
        }),
      )),
    ];
    const decode = await interleaved(steps, options.decodeRounds);
    const first = decode.get('original');
    printTable(
      ['one decoding step', 'wall s', 'CPU s', 'range', 'wall speed-up', 'CPU speed-up'],
      [...decode].map(([name, t]) => [
        name,
        ...clocks(t),
        ...(first === undefined || name === 'original'
          ? []
          : [`${speedup(first.wall, t.wall).toFixed(3)}x`, `${speedup(first.cpu, t.cpu).toFixed(3)}x`]),
      ]),
    );
  }
  await original.release();
  await rewritten.release();
}

function clocks({ wall, cpu }: Timings): string[] {
  return [seconds(wall.median), seconds(cpu.median), `${seconds(cpu.fastest)}–${seconds(cpu.slowest)}`];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 1000 ? 3 : 2);
}
