import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decoderWithSharedKeys } from '../../test/toy/shared-keys.js';
import { create, decodeModel, NodeProtoSchema } from '../onnx/index.js';
import { inspectDecoder, type Inspection } from './inspect.js';

const inspected = (family: string): Inspection =>
  inspectDecoder(decodeModel(toyDecoder(toyFamily(family).config).bytes));

describe('inspectDecoder', () => {
  it('describes each layer', () => {
    const { layers, opset, producer, nodes } = inspected('gqa gemma');
    expect(layers).toHaveLength(4);
    expect(layers[0]).toEqual({
      index: 0,
      attention: 'GroupQueryAttention',
      heads: 4,
      kvHeads: 2,
      headSize: 16,
      rotation: 'in-op',
      localWindow: 5,
      softcap: undefined,
    });
    expect(layers[1]?.localWindow).toBeUndefined();
    expect({ opset, producer }).toEqual({ opset: 21, producer: 'toy' });
    expect(nodes).toBeGreaterThan(50);
  });

  it.each(['gqa', 'eager', 'mha past outside'])('%s: no layer shares its keys', (family) => {
    expect(inspected(family).layers.map(({ sharedBy }) => sharedBy)).toEqual(Array(4).fill(undefined));
  });

  it('tells layers without a cache, which share the keys of another one', () => {
    const { layers, cuts } = inspectDecoder(decoderWithSharedKeys());
    expect(layers.map(({ sharedBy }) => sharedBy)).toEqual([undefined, 1, undefined]);
    expect(cuts[1]?.refused).toContain('use the keys and values of layer 1');
  });

  it('says after which tensor each K cuts, and why one cannot', () => {
    const { cuts } = inspected('hybrid conv');
    expect(cuts.map(({ layer, refused }) => [layer, refused === undefined])).toEqual([
      [1, false],
      [2, true],
      [3, false],
      [4, true],
    ]);
    expect(cuts[0]).toMatchObject({
      after: undefined,
      refused: expect.stringContaining('layer 0') as string,
    });
    expect(cuts[1]?.after).toContain('layers.1');
  });

  it('tries fewer K of a graph with very many inputs', () => {
    const model = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
    const unused = { opType: 'Max', output: ['unused'], input: Array<string>(100_000).fill('inputs_embeds') };
    model.graph.node.push(create(NodeProtoSchema, unused));
    const { cuts } = inspectDecoder(model);
    expect(cuts.map(({ after }) => after !== undefined)).toEqual([true, true, false]);
    expect(cuts[2]?.refused).toBeUndefined();
  });

  it('refuses a graph that no exporter makes', () => {
    const model = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
    for (let i = 0; i < 100_000; i++) {
      const node = { opType: 'Identity', input: ['inputs_embeds'], output: [`unused/${i}`] };
      model.graph.node.push(create(NodeProtoSchema, node));
    }
    expect(() => inspectDecoder(model)).toThrow(/the graph has 1\d{5} nodes .* at most 100000/u);
  });

  it('refuses a graph that would take very long', () => {
    const model = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
    const unused = { opType: 'Max', output: ['unused'], input: Array<string>(200_000).fill('inputs_embeds') };
    model.graph.node.push(create(NodeProtoSchema, unused));
    expect(() => inspectDecoder(model)).toThrow(/inputs; at most 50000 with 200000 are inspected/u);
  });

  it.each([
    ['mha', 'float'],
    ['gqa int4', 'int4 (MatMulNBits)'],
    ['eager qdq', 'int8'],
    ['eager dynamic int8', 'int8 (MatMulInteger)'],
  ])('%s: counts weights by how they are stored', (family, stored) => {
    // q, k, v, o, gate, up and down of four layers, and the head.
    expect(inspected(family).weights).toEqual({ [stored]: 29 });
  });
});
