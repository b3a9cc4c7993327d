// Every export family, rewritten, against the float64 reference: the same tokens kept, the same logits and the same
// cache lengths at prefill and in decoding, for single rows and batches, one stage and several, one turn and two.

import { describe, expect, it } from 'vitest';
import { concatChunks, decodeModel, encodeModel } from '../src/onnx/index.js';
import { rewriteDecoder, type RewriteOptions } from '../src/rewrite/index.js';
import { commonKeeps, compareWithReference, nextTurn, prefillAndDecode, type Call } from './toy/compare.js';
import type { ToyConfig } from './toy/config.js';
import { toyDecoder, type ToyDecoder } from './toy/decoder.js';
import { attentionCuts, isExact, toyFamilies } from './toy/families.js';
import { normals, seededRandom } from './toy/random.js';
import { ReferenceDecoder } from './toy/reference.js';
import { maxDifference, ToySession, type Provider } from './toy/run.js';

/** FASTV_TEST_PROVIDER=webgpu runs the same cases there. */
const provider: Provider = process.env['FASTV_TEST_PROVIDER'] === 'webgpu' ? 'webgpu' : 'cpu';

function rewritten(decoder: ToyDecoder, options: RewriteOptions): Uint8Array {
  return concatChunks(encodeModel(rewriteDecoder(decodeModel(decoder.bytes), options).model));
}

interface Case extends Omit<RewriteOptions, 'stages'> {
  readonly cuts: readonly number[];
}

async function check(decoder: ToyDecoder, { cuts, ...rest }: Case, calls: readonly Call[]): Promise<void> {
  const stages = cuts.map((layer) => ({ layer }));
  const toy = await ToySession.create(decoder.config, rewritten(decoder, { ...rest, stages }), provider);
  await compareWithReference(decoder, toy, calls, { cuts, mode: rest.mode ?? 'drop', provider });
  await toy.release();
}

function randomScores(calls: readonly Call[]): Call[] {
  const random = seededRandom(77);
  return calls.map((call) => ({
    ...call,
    scores: call.rows.map((row) => normals(random, row.embeds.length)),
  }));
}

/** A K in the middle, with attention before it. */
function middleCut(config: ToyConfig): number {
  return attentionCuts(config)[1] ?? 1;
}

const recurrent = (config: ToyConfig): boolean => config.layerKinds.some((kind) => kind !== 'attention');

describe.each(toyFamilies)('$name', ({ config }) => {
  const decoder = toyDecoder(config);
  const cut = middleCut(config);

  it.each([0.5, 0.75, 0.9, 1])('R = %d at every K', async (ratio) => {
    for (const k of attentionCuts(config)) {
      await check(decoder, { cuts: [k] }, prefillAndDecode(config, [[4, 15, 5]], [ratio]));
    }
  });

  it('R = 0 is the unrewritten graph', async () => {
    const calls = prefillAndDecode(config, [[4, 9, 5]], [0]);
    const original = await ToySession.create(config, decoder.bytes, provider);
    const pruned = await ToySession.create(
      config,
      rewritten(decoder, { stages: [{ layer: cut }] }),
      provider,
    );
    const [before, after] = [original.conversation(1), pruned.conversation(1)];
    for (const call of calls) {
      const expected = await before.call(call.rows);
      const result = await after.call(call.rows, { ratios: [0] });
      const tolerance = config.dtype === 'float32' && provider === 'cpu' ? 1e-5 : 2e-2;
      expect(maxDifference(result.logits[0] ?? [], expected.logits[0] ?? [])).toBeLessThan(tolerance);
      expect(result.cacheLengths).toEqual(expected.cacheLengths);
    }
  });

  it('batch of one length', async () => {
    const spans = [
      [3, 8, 2, 4, 3],
      [5, 9, 6],
      [0, 6, 14],
    ];
    await check(decoder, { cuts: [cut] }, prefillAndDecode(config, spans, [0.5]));
  });

  it.runIf(config.leftPadding)('left-padded batch, two images in a row', async () => {
    const spans = [
      [2, 4, 3],
      [3, 6, 2, 5, 4],
      [1, 7, 1, 3, 2],
      [0, 6, 3],
    ];
    await check(decoder, { cuts: [cut] }, prefillAndDecode(config, spans, [0.5]));
    await check(decoder, { cuts: [cut] }, prefillAndDecode(config, spans, [0.75], 2, 40));
  });

  it('second turn with a new image', async () => {
    const first = prefillAndDecode(config, [[4, 10, 5]], [0.5], 2);
    const text = nextTurn(config, first, [[4]], [0.5], 1, 300);
    const second = nextTurn(config, text, [[3, 9, 4]], [0.75]);
    await check(decoder, { cuts: [cut] }, [...first, ...text, ...second]);
  });

  it.runIf(config.batchedTurns)('second turn of a batch', async () => {
    const spans = config.leftPadding
      ? [
          [2, 7, 3],
          [4, 10, 5],
        ]
      : [
          [4, 10, 5],
          [2, 7, 10],
        ];
    const first = prefillAndDecode(config, spans, [0.5], 1);
    const second = nextTurn(
      config,
      first,
      [
        [3, 8, 4],
        [5, 6, 4],
      ],
      [0.5],
    );
    await check(decoder, { cuts: [cut] }, [...first, ...second]);
  });

  it.runIf(isExact(config))('two stages', async () => {
    const cuts = attentionCuts(config);
    const stages = [cuts[0] ?? 1, cuts.at(-1) ?? 1];
    if (stages[0] === stages[1]) return;
    const first = prefillAndDecode(config, [[4, 15, 5]], [0.5, 0.5], 2);
    await check(decoder, { cuts: stages }, [...first, ...nextTurn(config, first, [[3, 9, 4]], [0.25, 0.5])]);
    const spans = config.leftPadding
      ? [
          [2, 7, 3],
          [4, 10, 5],
        ]
      : [
          [4, 10, 5],
          [2, 7, 10],
        ];
    await check(decoder, { cuts: stages }, prefillAndDecode(config, spans, [0.25, 0.5], 2));
  });

  it("the caller's scores at K = 0 and in the middle", async () => {
    const calls = randomScores(prefillAndDecode(config, [[4, 10, 5]], [0.5], 2));
    await check(decoder, { cuts: [0], strategy: 'external' }, calls);
    await check(decoder, { cuts: [cut], strategy: 'external' }, calls);
  });

  it.runIf(isExact(config) && !recurrent(config))('mask mode', async () => {
    const first = prefillAndDecode(config, [[4, 15, 5]], [0.5], 2);
    const second = nextTurn(config, first, [[3, 9, 4]], [0.75]);
    await check(decoder, { cuts: [cut], mode: 'mask' }, [...first, ...second]);
  });
});

describe('reference', () => {
  it('computes the same by dropping and by masking', () => {
    for (const { config } of toyFamilies.filter(
      (family) => !recurrent(family.config) && !family.config.window,
    )) {
      const decoder = toyDecoder(config);
      const [drop, mask] = [
        new ReferenceDecoder(config, decoder.weights),
        new ReferenceDecoder(config, decoder.weights),
      ];
      const first = prefillAndDecode(config, [[4, 15, 5]], [0.5], 2);
      for (const call of [...first, ...nextTurn(config, first, [[3, 9, 4]], [0.75])]) {
        const [row] = call.rows;
        if (row === undefined) continue;
        const stages = [{ layer: 2, ratio: call.ratios[0] ?? 0 }];
        const dropped = drop.call({ ...row, stages });
        const masked = mask.call({ ...row, stages, mode: 'mask' });
        expect(masked.kept).toEqual(dropped.kept);
        const kept = masked.kept.map((index) => masked.logits[index] ?? []);
        expect(maxDifference(kept, dropped.logits)).toBeLessThan(1e-9);
      }
    }
  });

  it('cuts rows to one length by keeping more', () => {
    expect(commonKeeps([10, 4], [0.5])).toEqual([[8], [2]]);
    expect(commonKeeps([10, 0], [0.5])).toEqual([[10], [0]]);
    expect(commonKeeps([16, 8], [0.5, 0.5])).toEqual([
      [12, 10],
      [4, 2],
    ]);
  });
});
