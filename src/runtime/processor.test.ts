import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { exactInt8, int8Products } from './processor.js';
import type { SessionClass, SessionSource } from './session-swap.js';

/** A session class whose products give `sum` everywhere, and how many models it was given. */
function runtime(sum: number): { Session: SessionClass; loads: () => number; released: () => number } {
  let [loads, released] = [0, 0];
  const create = () => {
    loads++;
    return Promise.resolve({
      run: () => Promise.resolve({ product: { data: new Int32Array(32).fill(sum) } }),
      release: () => {
        released++;
        return Promise.resolve();
      },
    });
  };
  return { Session: { create } as unknown as SessionClass, loads: () => loads, released: () => released };
}

/** 64 · 255 · 127, and what is left of it where two products are clamped at 16 bits. */
const [EXACT, CLAMPED] = [2_072_640, 32 * 32_767] as const;

describe('int8Products', () => {
  it('tells exact sums from clamped ones, once a class', async () => {
    for (const [sum, kind, models] of [
      [EXACT, 'exact', 2],
      [CLAMPED, 'saturating', 1],
    ] as const) {
      const { Session, loads, released } = runtime(sum);
      const found = await Promise.all([int8Products(Session), int8Products(Session)]);
      expect([...found, await int8Products(Session)]).toEqual([kind, kind, kind]);
      expect([loads(), released()]).toEqual([models, models]);
    }
  });

  it('is exact where there is no such product', async () => {
    const create = () => Promise.reject(new Error('no MatMulInteger'));
    expect(await int8Products({ create })).toBe('exact');
  });

  it('agrees with the sums of this processor', async () => {
    expect(['exact', 'saturating']).toContain(await int8Products(InferenceSession));
  });
});

describe('exactInt8', () => {
  const source: SessionSource = { model: 'model.onnx', options: {} };
  const other: SessionSource = { model: 'unsigned.onnx', options: {} };

  it('loads uint8 weights where int8 saturates, and there only', async () => {
    const seen: SessionSource[] = [];
    const unsigned = (asked: SessionSource): Promise<SessionSource> => {
      seen.push(asked);
      return Promise.resolve(other);
    };
    expect(await exactInt8(runtime(EXACT).Session, unsigned)(source)).toBe(source);
    expect(seen).toEqual([]);
    expect(await exactInt8(runtime(CLAMPED).Session, unsigned)(source)).toBe(other);
    expect(seen).toEqual([source]);
  });

  it('does so with what a swap gives', async () => {
    const rewritten: SessionSource = { model: 'rewritten.onnx', options: {} };
    const swap = exactInt8(
      runtime(CLAMPED).Session,
      (asked) => Promise.resolve({ ...asked, options: { enableMemPattern: false } }),
      () => Promise.resolve(rewritten),
    );
    expect(await swap(source)).toEqual({ ...rewritten, options: { enableMemPattern: false } });
  });
});
