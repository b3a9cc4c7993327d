import { describe, expect, it } from 'vitest';
import { inMemory, randomDecoder, WEIGHT_TYPES } from '../../bench/decoder.js';
import { decodeModel, type OnnxModel } from '../onnx/read.js';
import { concatChunks, encodeModel } from '../onnx/write.js';
import { shapeOfDecoder } from './decoder.js';
import type { DecoderShape } from './shape.js';

const shape: DecoderShape = {
  layers: 3,
  hidden: 32,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  mlp: 48,
  mlpMatrices: 3,
  vocab: 40,
  kvBytesPerElement: 4,
};

function decoder(...args: Partial<[DecoderShape, (typeof WEIGHT_TYPES)[number]]>): OnnxModel {
  const [of = shape, weights = 'fp32'] = args;
  return decodeModel(concatChunks(encodeModel(randomDecoder(of, weights, inMemory))));
}

describe('shapeOfDecoder', () => {
  it.each(WEIGHT_TYPES)('reads the shape of a decoder with %s weights', (weights) => {
    const kvBytesPerElement = weights === 'int4-fp16' ? 2 : 4;
    expect(shapeOfDecoder(decoder(shape, weights))).toEqual({ ...shape, kvBytesPerElement });
  });

  it('tells widths apart that happen to be the same', () => {
    const square = { ...shape, hidden: 64, mlp: 64, kvHeads: 4, vocab: 64 };
    expect(shapeOfDecoder(decoder(square))).toEqual(square);
  });

  it('reads the sliding windows of GroupQueryAttention', () => {
    const model = decoder();
    const [, second] = model.graph.node.filter((node) => node.opType === 'GroupQueryAttention');
    const attribute = second?.attribute.find(({ name }) => name === 'num_heads');
    if (second === undefined || attribute === undefined) throw new Error('the generator changed');
    second.attribute.push({ ...attribute, name: 'local_window_size', i: 512n });
    expect(shapeOfDecoder(model).slidingWindow).toEqual([null, 512, null]);
  });

  it('takes the head size from the operator where the cache has no fixed one', () => {
    const model = decoder();
    for (const { name, type } of model.graph.input) {
      if (!name.endsWith('.key') || type?.value.case !== 'tensorType') continue;
      const dim = type.value.value.shape?.dim[3];
      if (dim !== undefined) dim.value = { case: 'dimParam', value: 'kv_cache_dim' };
    }
    expect(shapeOfDecoder(model)).toEqual(shape);
  });

  it('refuses what is no decoder', () => {
    const model = decoder();
    model.graph.input = model.graph.input.filter(({ name }) => !name.startsWith('past_key_values'));
    for (const node of model.graph.node) node.input = node.input.filter((name) => !name.startsWith('past_'));
    expect(() => shapeOfDecoder(model)).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        hint: expect.stringContaining('vision') as string,
      }),
    );
  });

  it('refuses mixtures of experts by their name', () => {
    const model = decoder();
    const [down] = model.graph.node.filter(({ input }) => input.includes('layers.0.down_proj.weight'));
    if (down === undefined) throw new Error('the generator changed');
    down.opType = 'QMoE';
    expect(() => shapeOfDecoder(model)).toThrow(/layer 0 is a mixture of experts, QMoE /);
  });

  it('refuses layers of different shapes, naming the first that differs', () => {
    const model = decoder();
    const weight = (name: string) => model.graph.initializer.find((tensor) => tensor.name === name);
    for (const name of ['gate_proj', 'up_proj']) {
      const tensor = weight(`layers.1.${name}.weight`);
      if (tensor !== undefined) tensor.dims = [32n, 24n];
    }
    const down = weight('layers.1.down_proj.weight');
    if (down !== undefined) down.dims = [24n, 32n];
    expect(() => shapeOfDecoder(model)).toThrow(/layer 1 has .*MLP 3×24/);
  });
});
