import { describe, expect, it } from 'vitest';
import { rewriteToy } from '../../test/rewritten.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { toyRow } from '../../test/toy/rows.js';
import { ToySession } from '../../test/toy/run.js';
import { allNames, decodeModel, Emitter } from '../onnx/index.js';
import { recogniseDecoder } from '../decoder/decoder.js';
import { visibleTokens } from './mask.js';
import { planCuts } from './plan.js';

describe('mask', () => {
  it.each(['gqa packed', 'mha', 'attention23 bool mask'])(
    '%s: changes layers behind the cut alone',
    (family) => {
      const decoder = recogniseDecoder(decodeModel(toyDecoder(toyFamily(family).config).bytes));
      const emit = new Emitter(decoder.opset, allNames(decoder.graph.graph));
      const plan = planCuts(decoder, [2], 'masking keeps every token');
      const { replace, axisSuffix } = visibleTokens(plan, emit).keep('kept').finish();
      expect([...replace.keys()]).toEqual([
        decoder.layers[2]?.attention?.node,
        decoder.layers[3]?.attention?.node,
      ]);
      expect([0, 1, 2, 3].map(axisSuffix)).toEqual(['', '', '', '']);
    },
  );

  it.each(['gqa', 'mha', 'attention23', 'eager'])(
    '%s: loses what dropping loses, and keeps the length',
    async (family) => {
      const { config } = toyFamily(family);
      const decoder = toyDecoder(config);
      const row = toyRow(config, [3, 8, 2], { seed: 4 });
      const call = async (
        mode: 'drop' | 'mask',
      ): Promise<{ kept: number[][] | undefined; cacheLengths: number[] }> => {
        const toy = await ToySession.create(config, rewriteToy(decoder, { stages: [{ layer: 2 }], mode }));
        return toy.conversation(1).call([row], { ratios: [0.75] });
      };
      const [dropped, masked] = [await call('drop'), await call('mask')];
      expect(masked.kept).toEqual(dropped.kept);
      expect(dropped.cacheLengths).toEqual([13, 13, 7, 7]);
      expect(masked.cacheLengths).toEqual([13, 13, 13, 13]);
    },
  );
});
