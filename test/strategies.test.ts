// Every strategy in whole decoders: dropping computes what masking does, over two stages, in batches with two images and
// padding, at prefill and in decoding.
import { describe, expect, it } from 'vitest';
import { strategies, type GraphStrategy } from '../src/strategies/index.js';
import { rewriteToy } from './rewritten.js';
import { prefillAndDecode } from './toy/compare.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';
import { maxDifference, ToySession, type CallResult } from './toy/run.js';

/** Where the rows of a batch are padded, and an operator of its own; where attention is written out. */
const FAMILIES = ['gqa attention_bias', 'eager', 'attention23 3d'];

const graphs = strategies.flatMap((one): GraphStrategy[] => (one.where === 'graph' ? [one] : []));

describe.each(FAMILIES)('in a decoder of the family %s', (family) => {
  const { config } = toyFamily(family);
  const decoder = toyDecoder(config);
  const spans = config.leftPadding
    ? [
        [3, 8, 2, 6, 4],
        [2, 9, 3],
      ]
    : [[3, 8, 2, 6, 4]];
  const calls = prefillAndDecode(config, spans, [0.5, 0.5], 2);

  it.each(graphs.map(({ name }) => name))('%s drops what it would mask', async (strategy) => {
    const results: CallResult[][] = [];
    for (const mode of ['drop', 'mask'] as const) {
      const stages = [{ layer: 1 }, { layer: 3 }];
      const toy = await ToySession.create(config, rewriteToy(decoder, { stages, strategy, mode }));
      const conversation = toy.conversation(spans.length);
      const own: CallResult[] = [];
      for (const { rows, ratios } of calls) own.push(await conversation.call(rows, { ratios }));
      results.push(own);
      await toy.release();
    }
    const [dropped = [], masked = []] = results;
    dropped.forEach((result, call) => {
      const other = masked[call];
      expect(result.kept, `call ${call}`).toEqual(other?.kept);
      spans.forEach((_, row) => {
        const last = [result, other].map((of) => of?.logits[row]?.slice(-1) ?? []);
        const difference = maxDifference(last[0] ?? [], last[1] ?? []);
        expect(difference, `call ${call}, row ${row}`).toBeLessThan(1e-3);
      });
    });
    // Of 14 image tokens 7 and then 4; beside a row of 9, which drops 5 at most and then 2, 9 and then 7.
    expect(dropped[0]?.kept?.[0]).toHaveLength(9 + (spans.length > 1 ? 7 : 4));
  });
});
