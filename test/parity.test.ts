// Every export family, rewritten, against the float64 reference: the same tokens kept, the same logits and the same
// cache lengths at prefill and in decoding, for single rows and batches, one stage and several, one turn and two.

import { describe, expect, it } from 'vitest';
import { checkParity, provider, rewriteToy } from './rewritten.js';
import { commonKeeps, compareWithReference, nextTurn, prefillAndDecode, type Call } from './toy/compare.js';
import type { ToyConfig } from './toy/config.js';
import { toyDecoder } from './toy/decoder.js';
import { attentionCuts, isExact, runsOn, toyFamilies, webgpuFamilies } from './toy/families.js';
import { normals, seededRandom } from './toy/random.js';
import { ReferenceDecoder } from './toy/reference.js';
import type { Spans } from './toy/rows.js';
import { maxDifference, ToySession } from './toy/run.js';

const onCpu = provider === 'cpu';
const families = toyFamilies.filter(
  ({ name, config }) => runsOn(config, provider) && (onCpu || webgpuFamilies.has(name)),
);

/** Rows of one length, or of several where the family can be padded. */
function twoRows(config: ToyConfig): Spans[] {
  return config.leftPadding
    ? [
        [2, 7, 3],
        [4, 10, 5],
      ]
    : [
        [4, 10, 5],
        [2, 7, 10],
      ];
}

function randomScores(calls: readonly Call[]): Call[] {
  const random = seededRandom(77);
  return calls.map((call) => ({
    ...call,
    scores: call.rows.map((row) => normals(random, row.embeds.length)),
  }));
}

const allAttention = (config: ToyConfig): boolean => config.layerKinds.every((kind) => kind === 'attention');

describe.each(families)('$name', ({ config }) => {
  const decoder = toyDecoder(config);
  const cuts = attentionCuts(config);
  const first = cuts[0] ?? 1;
  const middle = cuts[1] ?? first;
  const last = cuts.at(-1) ?? middle;

  it('every K and R', async () => {
    for (const k of onCpu ? cuts : [middle]) {
      const toy = await ToySession.create(config, rewriteToy(decoder, { stages: [{ layer: k }] }), provider);
      for (const ratio of onCpu ? [0.5, 0.75, 0.9, 1] : [0.5]) {
        const calls = prefillAndDecode(config, [[4, 15, 5]], [ratio]);
        await compareWithReference(decoder, toy, calls, { cuts: [k], provider });
      }
      await toy.release();
    }
  });

  it('R = 0 is the unrewritten graph', async () => {
    const original = await ToySession.create(config, decoder.bytes, provider);
    const pruned = await ToySession.create(
      config,
      rewriteToy(decoder, { stages: [{ layer: middle }] }),
      provider,
    );
    const [before, after] = [original.conversation(1), pruned.conversation(1)];
    const tolerance = config.dtype === 'float32' ? (onCpu ? 1e-5 : 1e-3) : 2e-2;
    for (const call of prefillAndDecode(config, [[4, 9, 5]], [0])) {
      const expected = await before.call(call.rows);
      const result = await after.call(call.rows, { ratios: [0] });
      expect(maxDifference(result.logits[0] ?? [], expected.logits[0] ?? [])).toBeLessThan(tolerance);
      expect(result.cacheLengths).toEqual(expected.cacheLengths);
    }
    await Promise.all([original.release(), pruned.release()]);
  });

  it.runIf(onCpu)('batch of one length', async () => {
    const spans = [
      [3, 8, 2, 4, 3],
      [5, 9, 6],
      [0, 6, 14],
    ];
    await checkParity(decoder, { cuts: [middle] }, prefillAndDecode(config, spans, [0.5]));
  });

  it.runIf(config.leftPadding)('left-padded batch, two images in a row', async () => {
    const spans = [
      [2, 4, 3],
      [3, 6, 2, 5, 4],
      [1, 7, 1, 3, 2],
      [0, 6, 3],
    ];
    await checkParity(decoder, { cuts: [middle] }, prefillAndDecode(config, spans, [0.5]));
  });

  it('second turn with a new image', async () => {
    const turn = prefillAndDecode(config, [[4, 10, 5]], [0.5], 2);
    const text = nextTurn(config, turn, [[4]], [0.5], 1, 300);
    const second = nextTurn(config, text, [[3, 9, 4]], [0.75]);
    await checkParity(decoder, { cuts: [middle] }, [...turn, ...text, ...second]);
  });

  it.runIf(onCpu && config.batchedTurns)('second turn of a batch', async () => {
    const turn = prefillAndDecode(config, twoRows(config), [0.5], 1);
    const second = nextTurn(
      config,
      turn,
      [
        [3, 8, 4],
        [5, 6, 4],
      ],
      [0.5],
    );
    await checkParity(decoder, { cuts: [middle] }, [...turn, ...second]);
  });

  it.runIf(onCpu && isExact(config) && first !== last)('two stages', async () => {
    const turn = prefillAndDecode(config, [[4, 15, 5]], [0.5, 0.5], 2);
    const second = nextTurn(config, turn, [[3, 9, 4]], [0.25, 0.5]);
    await checkParity(decoder, { cuts: [first, last] }, [...turn, ...second]);
    await checkParity(
      decoder,
      { cuts: [first, last] },
      prefillAndDecode(config, twoRows(config), [0.25, 0.5], 2),
    );
  });

  it.runIf(onCpu)("the caller's scores at K = 0 and in the middle", async () => {
    const calls = randomScores(prefillAndDecode(config, [[4, 10, 5]], [0.5], 2));
    await checkParity(decoder, { cuts: [0], strategy: 'external' }, calls);
    await checkParity(decoder, { cuts: [middle], strategy: 'external' }, calls);
  });

  describe.runIf(onCpu && isExact(config))('tokens that stand for others', () => {
    const standings = [{ weights: 'sizes' }, { weights: 'sizes', merge: 'mean' }] as const;
    it.each(standings)('%j, two images, two turns', async (standing) => {
      const turn = prefillAndDecode(config, [[3, 12, 2, 6, 4]], [0.75], 2);
      const second = nextTurn(config, turn, [[3, 9, 4]], [0.5]);
      await checkParity(decoder, { cuts: [middle], ...standing }, [...turn, ...second]);
    });

    it.runIf(first !== last)('two stages of a batch', async () => {
      const calls = prefillAndDecode(config, twoRows(config), [0.5, 0.5], 2);
      await checkParity(decoder, { cuts: [first, last], weights: 'sizes', merge: 'mean' }, calls);
    });
  });

  it.runIf(onCpu && isExact(config) && allAttention(config))('mask mode', async () => {
    const turn = prefillAndDecode(config, [[4, 15, 5]], [0.5], 2);
    const second = nextTurn(config, turn, [[3, 9, 4]], [0.75]);
    await checkParity(decoder, { cuts: [middle], mode: 'mask' }, [...turn, ...second]);
  });
});

describe('reference', () => {
  it('computes the same by dropping and by masking', () => {
    for (const { config } of toyFamilies.filter(
      (f) => allAttention(f.config) && f.config.window === undefined,
    )) {
      const { weights } = toyDecoder(config);
      const [drop, mask] = [new ReferenceDecoder(config, weights), new ReferenceDecoder(config, weights)];
      const turn = prefillAndDecode(config, [[4, 15, 5]], [0.5], 2);
      for (const call of [...turn, ...nextTurn(config, turn, [[3, 9, 4]], [0.75])]) {
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
