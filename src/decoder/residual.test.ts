import { describe, expect, it } from 'vitest';
import { probe, TOKENS } from '../../test/probe.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { maxDifference } from '../../test/toy/run.js';
import { decodeModel } from '../onnx/index.js';
import { EMBEDS } from './contract.js';
import { recogniseDecoder } from './decoder.js';
import { residualBefore } from './residual.js';

const model = (family: string): ReturnType<typeof decodeModel> =>
  decodeModel(toyDecoder(toyFamily(family).config).bytes);

describe('residualBefore', () => {
  it.each(['gqa', 'gqa gemma', 'mha', 'attention23 3d', 'eager', 'sdpa'])(
    '%s: is [batch, sequence, hidden] in every layer, the embeddings in layer 0',
    async (family) => {
      const { config } = toyFamily(family);
      const layers = recogniseDecoder(model(family)).layers.map(({ index }) => index);
      const states = await probe(config, model(family), (_, decoder) =>
        layers.map((layer) => residualBefore(decoder, layer)),
      );
      for (const { dims } of states) expect(dims).toEqual([1, TOKENS, config.hidden]);
      for (const [i, { values }] of states.entries()) {
        const others = states.slice(i + 1).map((other) => maxDifference([values], [other.values]));
        for (const difference of others) expect(difference).toBeGreaterThan(1e-3);
      }
      if (family === 'gqa') expect(residualBefore(recogniseDecoder(model(family)), 0)).toBe(EMBEDS);
    },
  );

  it('refuses a layer without one', () => {
    const decoder = recogniseDecoder(model('eager'));
    for (const node of decoder.graph.nodes) if (node.opType === 'Add') node.opType = 'Mul';
    expect(() => residualBefore(decoder, 1)).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where: 'layer 1' }),
    );
  });
});
