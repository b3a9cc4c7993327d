// Corners of the contract that one family of each attention operator is enough for.

import { describe, expect, it } from 'vitest';
import { checkParity, rewriteToy } from './rewritten.js';
import { compareWithReference, nextTurn, prefillAndDecode } from './toy/compare.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';
import { toyRow } from './toy/rows.js';
import { maxDifference, ToySession } from './toy/run.js';
import { widenBfloat16 } from './toy/widen.js';

const names = [
  'gqa',
  'gqa gemma',
  'gqa mrope',
  'mha bias a head',
  'attention23 3d',
  'eager opset 21',
  'sdpa',
];

describe.each(names.map(toyFamily))('$name', ({ config }) => {
  const decoder = toyDecoder(config);
  const cuts = [2];

  it('prunes nothing where image_token_mask is all false', async () => {
    const toy = await ToySession.create(config, rewriteToy(decoder, { stages: [{ layer: 2 }] }));
    const row = toyRow(config, [4, 9, 5], { seed: 1 });
    const { kept, cacheLengths } = await toy.conversation(1).call([row], { ratios: [0.9], image: false });
    expect(kept).toEqual([Array.from({ length: 18 }, (_, i) => i)]);
    expect(new Set(cacheLengths)).toEqual(new Set([18]));
    await toy.release();
  });

  it('an image after a turn of text', async () => {
    const text = prefillAndDecode(config, [[6]], [0.5], 1);
    await checkParity(decoder, { cuts }, [...text, ...nextTurn(config, text, [[2, 11, 3]], [0.5])]);
  });

  it('three turns with an image each', async () => {
    const first = prefillAndDecode(config, [[2, 8, 3]], [0.5], 1);
    const second = nextTurn(config, first, [[1, 7, 2]], [0.9], 1, 40);
    const third = nextTurn(config, second, [[3, 9, 2, 5, 1]], [0.25], 1, 60);
    await checkParity(decoder, { cuts }, [...first, ...second, ...third]);
  });

  it('a row without an image keeps the whole batch', async () => {
    await checkParity(decoder, { cuts }, prefillAndDecode(config, [[4, 8, 3], [15]], [0.5], 2));
  });

  it('an image at the beginning, in one token, at the end', async () => {
    for (const spans of [
      [0, 9, 4],
      [3, 1, 3],
      [5, 8],
    ]) {
      await checkParity(decoder, { cuts }, prefillAndDecode(config, [spans], [0.5], 2));
    }
  });

  it('a call that ends with its image, or is nothing else: the last token stays', async () => {
    for (const ratio of [0.5, 0.9, 1]) {
      await checkParity(decoder, { cuts }, prefillAndDecode(config, [[5, 8]], [ratio], 2));
      await checkParity(decoder, { cuts }, prefillAndDecode(config, [[0, 8]], [ratio], 1));
    }
    await checkParity(decoder, { cuts: [1, 2, 3] }, prefillAndDecode(config, [[0, 9]], [0.5, 0, 1], 1));
    await checkParity(decoder, { cuts, mode: 'mask' }, prefillAndDecode(config, [[3, 8]], [1], 1));
  });

  it('a prefill in chunks, the image in one of its own', async () => {
    const text = prefillAndDecode(config, [[6]], [1], 0);
    const image = nextTurn(config, text, [[0, 7]], [1], 0);
    const question = nextTurn(config, image, [[4]], [1], 1);
    await checkParity(decoder, { cuts }, [...text, ...image, ...question]);
  });

  it('a batch in which one row ends with its image', async () => {
    const spans = [
      [5, 8],
      [3, 8, 2],
    ];
    for (const ratio of [0.5, 1]) {
      await checkParity(decoder, { cuts }, prefillAndDecode(config, spans, [ratio], 1));
    }
  });

  it('quotas of a half round to even', async () => {
    for (const images of [1, 3, 5, 7, 9, 11]) {
      await checkParity(decoder, { cuts }, prefillAndDecode(config, [[3, images, 2]], [0.5], 0));
    }
    await checkParity(decoder, { cuts }, prefillAndDecode(config, [[3, 25, 2]], [0.9], 0));
    await checkParity(decoder, { cuts }, prefillAndDecode(config, [[3, 15, 2]], [0.3], 0));
  });

  it('ties go to the lower index', async () => {
    const calls = prefillAndDecode(config, [[3, 10, 4]], [0.5], 1).map((call) => ({
      ...call,
      scores: call.rows.map((row) => Float32Array.from(row.embeds, (_, i) => (i % 3 === 0 ? 1 : 0))),
    }));
    await checkParity(decoder, { cuts: [0], strategy: 'external' }, calls);
    await checkParity(decoder, { cuts, strategy: 'external' }, calls);
  });

  it("the caller's scores may be large, negative or infinite", async () => {
    const values = [-Infinity, -3e38, -1, 0, 1e-30, 5, 3e38, Infinity];
    const calls = prefillAndDecode(config, [[3, 10, 4]], [0.5], 1).map((call) => ({
      ...call,
      scores: call.rows.map((row) =>
        Float32Array.from(row.embeds, (_, i) => values[(i * 5) % values.length] ?? 0),
      ),
    }));
    await checkParity(decoder, { cuts, strategy: 'external' }, calls);
  });

  it('three stages', async () => {
    const calls = prefillAndDecode(config, [[3, 16, 4]], [0.25, 0.5, 0.5], 2);
    await checkParity(decoder, { cuts: [1, 2, 3] }, [
      ...calls,
      ...nextTurn(config, calls, [[2, 8, 2]], [0.5, 0, 0.5]),
    ]);
  });

  it.runIf(config.positions === 'input')('position_ids that begin elsewhere', async () => {
    const rows = [toyRow(config, [4, 11, 4], { seed: 3, start: 40 })];
    const prefill = [{ rows, ratios: [0.5] }];
    await checkParity(decoder, { cuts }, [...prefill, ...nextTurn(config, prefill, [[1]], [0.5], 2)]);
  });

  it.runIf(config.numLogitsToKeep)('num_logits_to_keep chooses the last tokens', async () => {
    const toy = await ToySession.create(config, rewriteToy(decoder, { stages: [{ layer: 2 }] }));
    const rows = [toyRow(config, [4, 9, 5], { seed: 1 })];
    const all = await toy.conversation(1).call(rows, { ratios: [0.5] });
    const two = await toy.conversation(1).call(rows, { ratios: [0.5], numLogitsToKeep: 2 });
    expect(maxDifference(two.logits[0] ?? [], (all.logits[0] ?? []).slice(-2))).toBeLessThan(1e-5);
    await toy.release();
  });
});

describe.each(['gqa gemma', 'mha', 'attention23 3d', 'eager opset 21', 'sdpa'].map(toyFamily))(
  'bfloat16 $name',
  ({ config: float32 }) => {
    const config = { ...float32, dtype: 'bfloat16' } as const;
    const decoder = toyDecoder(config);
    const rewritten = rewriteToy(decoder, { stages: [{ layer: 2 }] });

    it('has the right types: all that ONNX Runtime lacks is kernels', async () => {
      await expect(ToySession.create(config, rewritten)).rejects.toThrow('Could not find an implementation');
    });

    it('computes the right thing in float32', async () => {
      const wide = { ...config, dtype: 'float32' } as const;
      const toy = await ToySession.create(wide, widenBfloat16(rewritten));
      // rotary caches are rounded too, which the reference does not do
      const calls = prefillAndDecode(wide, [[4, 15, 5]], [0.5]);
      await compareWithReference({ ...decoder, config: wide }, toy, calls, { cuts: [2], tolerance: 2e-2 });
      await toy.release();
    });
  },
);
