import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { allNames, decodeModel, Emitter } from '../onnx/index.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { Regions } from './regions.js';
import { rewriteDecoder } from './rewrite.js';

interface Cut {
  readonly decoder: Decoder;
  readonly emit: Emitter;
  readonly regions: Regions;
}

/** A toy that is cut at these K; every region is open. */
function cut(family: string, ...stages: number[]): Cut {
  const { bytes } = toyDecoder(toyFamily(family).config);
  const decoder = recogniseDecoder(decodeModel(bytes));
  const emit = new Emitter(decoder.opset, [
    ...allNames(decoder.graph.graph),
    'kept_1',
    'rows_1',
    'kept_2',
    'rows_2',
  ]);
  const regions = new Regions(decoder, emit, stages);
  stages.forEach((_, i) => {
    regions.enter({ indices: `kept_${i + 1}`, rows: `rows_${i + 1}` });
  });
  return { decoder, emit, regions };
}

const attention = '/model/layers.1/attn/GroupQueryAttention/output_0';

describe('Regions', () => {
  it('refuse a cut between a layer and one that shares its keys, naming the K that there is', () => {
    const model = decodeModel(toyDecoder(toyFamily('eager').config).bytes);
    const { graph } = model;
    // The last layer has no cache of its own.
    const own = (name: string): boolean => /^(?:past_key_values|present)\.3\./u.test(name);
    graph.input = graph.input.filter(({ name }) => !own(name));
    graph.output = graph.output.filter(({ name }) => !own(name));
    graph.node = graph.node.filter(({ output }) => !output.some(own));
    for (const node of graph.node)
      node.input = node.input.map((name) => name.replace('present.3', 'present.1'));
    expect(() => rewriteDecoder(model, { stages: [{ layer: 2 }] })).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'layer 1',
        message: expect.stringContaining('use the keys and values of layer 1') as string,
        hint: 'Choose K ≤ 1.',
      }),
    );
    expect(rewriteDecoder(model, { stages: [{ layer: 1 }] }).report.layers).toBe(3);
  });

  it('divide the layers', () => {
    const { regions } = cut('gqa', 1, 3);
    expect([0, 1, 2, 3].map((layer) => regions.regionOfLayer(layer))).toEqual([0, 1, 1, 2]);
    expect([0, 1, 2].map((region) => regions.pastKey(region))).toEqual([
      'past_key_values.0.key',
      'past_key_values.1.key',
      'past_key_values.3.key',
    ]);
  });

  it('put the attention of layer K−1 before the cut, its projection and MLP behind', () => {
    const { decoder, regions } = cut('gqa', 2);
    const region = (name: RegExp): Set<number> =>
      new Set(decoder.graph.nodes.filter((n) => name.test(n.name)).map((n) => regions.regionOf(n)));
    expect(region(/layers\.0\/mlp|layers\.1\/attn\/GroupQuery/u)).toEqual(new Set([0]));
    expect(region(/layers\.1\/mlp|layers\.2|lm_head/u)).toEqual(new Set([1]));
  });

  it('leave weights, the first region, and what is behind the cut already alone', () => {
    const { decoder, regions } = cut('gqa', 2);
    const [weight = ''] = decoder.graph.initializers.keys();
    expect(regions.resolve(weight, 1)).toBe(weight);
    expect(regions.resolve(attention, 0)).toBe(attention);
    const behind = decoder.graph.nodes.find((n) => regions.regionOf(n) === 1);
    expect(regions.resolve(behind?.output[0] ?? '', 1)).toBe(behind?.output[0]);
  });

  it('gather an activation that crosses a cut, once a cut', () => {
    const { emit, regions } = cut('gqa', 2, 3);
    const once = regions.resolve(attention, 1);
    expect(regions.resolve(attention, 1)).toBe(once);
    const twice = regions.resolve(attention, 2);
    const gathers = emit.nodes.filter((n) => n.input[1]?.startsWith('rows_') === true);
    expect(gathers.map(({ input, output }) => [input[1], output[0]])).toEqual([
      ['rows_1', once],
      ['rows_2', twice],
    ]);
  });

  it('take positions from the kept tokens for rotations, places in the kept sequence for masks', () => {
    const { emit, regions } = cut('eager', 2);
    const rotation = regions.resolve('position_ids', 1, true);
    expect(emit.nodes.find(({ output }) => output[0] === rotation)).toMatchObject({
      opType: 'Gather',
      input: [expect.anything() as unknown, 'rows_1'],
    });
    const mask = regions.resolve('position_ids', 1, false);
    expect(emit.nodes.find(({ output }) => output[0] === mask)?.opType).toBe('Expand');
  });

  it('read the length of a pruned past from the first cache behind the cut', () => {
    const { emit, regions } = cut('eager', 2);
    regions.resolve('past_key_values.0.key', 1);
    expect(regions.resolve('past_key_values.0.key', 1)).toBe('past_key_values.2.key');
    expect(regions.resolve('past_key_values.3.key', 1)).toBe('past_key_values.3.key');
    expect(emit.nodes).toEqual([]);
  });

  it('refuse a cut behind which no layer has attention', () => {
    const { decoder, emit } = cut('gqa', 1);
    const layers = decoder.layers.map((layer) =>
      layer.index < 2 ? layer : { ...layer, attention: undefined },
    );
    const regions = new Regions({ ...decoder, layers }, emit, [2]);
    expect(() => regions.pastKey(1)).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', hint: 'Choose a smaller K.' }),
    );
  });
});
