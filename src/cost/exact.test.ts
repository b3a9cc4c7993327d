import { describe, expect, it } from 'vitest';
import { decodeMacs, flops, kvCacheBytes, kvCacheLengths, macsOfLayers, prefillMacs } from './exact.js';
import { knownModel } from './models.js';
import { paperLayerCost, paperMeanLayerCost } from './paper.js';
import type { DecoderShape } from './shape.js';

const llava = knownModel('llava-1.5-7b').shape;
const tokens = { text: 36, image: 576 };
const k2r50 = [{ layer: 2, ratio: 0.5 }];
/** A decoder small enough to count by hand: q 4·6, k and v 4·2 each, o 6·4, MLP 3·4·5, head 4·7. */
const tiny: DecoderShape = {
  layers: 3,
  hidden: 4,
  heads: 3,
  kvHeads: 1,
  headDim: 2,
  mlp: 5,
  mlpMatrices: 3,
  vocab: 7,
  kvBytesPerElement: 4,
};

describe('prefillMacs', () => {
  it('counts what the paper counts, when the MLP has two matrices and heads are not grouped', () => {
    const twoMatrices = { ...llava, mlpMatrices: 2 as const };
    const options = { cut: 'boundary', lmHead: 'none', selection: false } as const;
    expect(prefillMacs(twoMatrices, tokens, [], options).total).toBe(32 * paperLayerCost(612, llava));
    expect(prefillMacs(twoMatrices, tokens, k2r50, options).total).toBe(
      32 * paperMeanLayerCost(llava, tokens, { layer: 2, ratio: 0.5 }),
    );
  });

  it('counts a tiny decoder as by hand', () => {
    // 5 tokens: projections 5·(24+16+24), attention 2·6·25, MLP 5·60, three layers; head 5·28
    expect(prefillMacs(tiny, { text: 2, image: 3 })).toEqual({
      projections: 3 * 320,
      attention: 3 * 300,
      mlp: 3 * 300,
      lmHead: 140,
      selection: 0,
      total: 960 + 900 + 900 + 140,
    });
  });

  it('cuts right after the attention of layer K−1', () => {
    // text 1, image 4, K=2, R=0.5: layers 0 and 1 enter with 5, layer 2 with 3; layer 1 leaves with 3
    const stages = [{ layer: 2, ratio: 0.5 }];
    const early = prefillMacs(tiny, { text: 1, image: 4 }, stages);
    expect(early.projections).toBe(5 * 64 + (5 * 40 + 3 * 24) + 3 * 64);
    expect(early.attention).toBe(2 * 6 * (25 + 25 + 9));
    expect(early.mlp).toBe((5 + 3 + 3) * 60);
    expect(early.lmHead).toBe(3 * 28);
    expect(early.selection).toBe(6 * 5);

    const boundary = prefillMacs(tiny, { text: 1, image: 4 }, stages, { cut: 'boundary' });
    expect(boundary.total - early.total).toBe(2 * (24 + 60));
    const queries = prefillMacs(tiny, { text: 1, image: 4 }, stages, { cut: 'queries' });
    // the last token's query is projected twice
    expect(early.total - queries.total).toBeCloseTo((2 - 1) * 24 + 2 * 6 * (25 - 15), 9);
  });

  it('runs the tail on the last token alone where asked', () => {
    const all = prefillMacs(tiny, { text: 2, image: 3 });
    const last = prefillMacs(tiny, { text: 2, image: 3 }, [], { tail: 'last' });
    expect(all.total - last.total).toBe(4 * (24 + 60 + 28));
    const head = prefillMacs(tiny, { text: 2, image: 3 }, [], { lmHead: 'last' });
    expect(all.total - head.total).toBe(4 * 28);
  });

  it('counts only the pairs that the mask allows where asked', () => {
    const n = { text: 5, image: 0 };
    expect(prefillMacs(tiny, n, [], { attention: 'causal' }).attention).toBe(3 * 12 * 15);
    const windowed = { ...tiny, slidingWindow: [2, null, 2] };
    expect(prefillMacs(windowed, n, [], { attention: 'causal' }).attention).toBe(12 * (9 + 15 + 9));
  });

  it('spends under a thousandth on ranking at the paper’s shape', () => {
    const cost = prefillMacs(llava, tokens, k2r50);
    expect(cost.selection / cost.total).toBeLessThan(1e-5);
  });

  it('costs the same at R=0, but for the ranking', () => {
    const none = prefillMacs(llava, tokens);
    const zero = prefillMacs(llava, tokens, [{ layer: 2, ratio: 0 }], { selection: false });
    expect(zero).toEqual(none);
  });

  it('takes no tokens at all', () => {
    expect(prefillMacs(tiny, { text: 0, image: 0 }).total).toBe(0);
  });
});

describe('macsOfLayers', () => {
  it('is what stages cost where they decide the tokens', () => {
    for (const cut of ['boundary', 'attention', 'queries'] as const) {
      const entering = kvCacheLengths(llava, tokens, k2r50);
      expect(macsOfLayers(llava, entering, [2], { cut })).toEqual(prefillMacs(llava, tokens, k2r50, { cut }));
    }
  });

  it('counts what a strategy that decides the number itself has kept', () => {
    const [all, some, few] = [5, 3, 1].map((n) => macsOfLayers(tiny, [5, 5, n], [2]).total);
    expect(some).toBeLessThan(all ?? 0);
    expect(few).toBeLessThan(some ?? 0);
  });
});

describe('the KV cache', () => {
  it('holds every token below K and only the kept ones from K on', () => {
    const lengths = kvCacheLengths(llava, tokens, k2r50, 10);
    expect(lengths.slice(0, 3)).toEqual([622, 622, 334]);
    expect(lengths).toHaveLength(32);
    const bytes = kvCacheBytes(llava, lengths);
    expect(bytes.layers[0]).toBe(622 * 2 * 4096 * 2);
    expect(bytes.total).toBe((2 * 622 + 30 * 334) * 2 * 4096 * 2);
  });

  it('is smaller by the number of heads a group shares', () => {
    expect(kvCacheBytes(tiny, [1, 1, 1]).total).toBe(3 * 2 * 2 * 4);
  });
});

describe('decodeMacs', () => {
  it('meets each weight once, and each layer’s own cache', () => {
    const cost = decodeMacs(tiny, [5, 5, 3]);
    expect(cost.projections).toBe(3 * 64);
    expect(cost.mlp).toBe(3 * 60);
    expect(cost.lmHead).toBe(28);
    expect(cost.attention).toBe(12 * (6 + 6 + 4));
    expect(flops(cost.total)).toBe(2 * cost.total);
  });
});
