import { describe, expect, it } from 'vitest';
import { FastvError } from '../errors.js';
import { checkCaches, type Shaped } from './cache-lengths.js';

/** A call of 4 tokens after `past`, with a cache of each length. */
function feeds(past: number, lengths: readonly (number | undefined)[]): Record<string, Shaped> {
  const caches = lengths.flatMap((length, layer) =>
    length === undefined
      ? []
      : ['key', 'value'].map((part): [string, Shaped] => [
          `past_key_values.${layer}.${part}`,
          { dims: [1, 2, length, 8] },
        ]),
  );
  return {
    // Layers come in any order.
    ...Object.fromEntries(caches.reverse()),
    inputs_embeds: { dims: [1, 4, 32] },
    attention_mask: { dims: [1, past + 4] },
    'past_key_values.1.conv_state': { dims: [1, 64, 3] },
  };
}

describe('checkCaches', () => {
  it.each<[string, number, (number | undefined)[], number[]]>([
    ['a first call', 0, [0, 0, 0, 0], [2]],
    ['a cache that this decoder gave', 30, [30, 30, 20, 20], [2]],
    ['a cache of the unpruned decoder', 30, [30, 30, 30, 30], [2]],
    ['K = 0', 30, [20, 20, 20, 20], [0]],
    ['two stages', 30, [30, 25, 25, 20], [1, 3]],
    ['a hybrid, whose layers do not all have a cache', 30, [undefined, 30, undefined, 20], [2]],
  ])('takes %s', (_, past, lengths, stages) => {
    expect(() => {
      checkCaches(feeds(past, lengths), stages);
    }).not.toThrow();
  });

  it.each<[string, number, (number | undefined)[], number[], number]>([
    ['a cache of a smaller K', 30, [30, 20, 20, 20], [2], 1],
    ['a cache of a greater K', 30, [30, 30, 30, 20], [2], 3],
    ['a cache of another conversation', 30, [12, 12, 12, 12], [2], 0],
    ['a cache of more stages', 30, [30, 25, 20, 20], [1], 2],
    ['layers that grow again', 30, [30, 20, 25, 25], [1, 2], 2],
    ['a pruned cache, by a decoder that prunes nothing', 30, [30, 30, 20, 20], [], 2],
    ['more than there was', 30, [31, 31, 20, 20], [2], 0],
    ['K = 0 with layers of two lengths', 30, [20, 20, 18, 18], [0], 2],
  ])('refuses %s, naming the layer', (_, past, lengths, stages, layer) => {
    const check = (): void => {
      checkCaches(feeds(past, lengths), stages);
    };
    expect(check).toThrow(FastvError);
    expect(check).toThrow(
      expect.objectContaining({
        code: 'invalid-input',
        where: `past_key_values.${layer}`,
        message: expect.stringContaining(`${lengths[layer] ?? ''} tokens at layer ${layer}`) as string,
      }),
    );
  });

  it('says nothing where a call has no mask to compare with', () => {
    expect(() => {
      checkCaches({ inputs_embeds: { dims: [1, 4, 32] } }, [2]);
    }).not.toThrow();
  });
});
