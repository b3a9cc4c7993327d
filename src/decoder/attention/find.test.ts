import { describe, expect, it } from 'vitest';
import { intAttr, node } from '../../../test/graphs.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';
import {
  create,
  DataType,
  decodeModel,
  GraphView,
  TensorProtoSchema,
  type GraphProto,
} from '../../onnx/index.js';
import type { AttentionCore } from './core.js';
import { findAttention } from './find.js';

/** The attention of a toy's layer 1. */
function found(family: string, damage: (graph: GraphProto) => void = () => undefined): AttentionCore {
  const { graph } = decodeModel(toyDecoder(toyFamily(family).config).bytes);
  damage(graph);
  return findAttention(new GraphView(graph), {
    layer: 1,
    pastKey: 'past_key_values.1.key',
    pastValue: 'past_key_values.1.value',
    presentKey: 'present.1.key',
    presentValue: 'present.1.value',
  });
}

describe('findAttention', () => {
  it.each([
    ['gqa', 'GroupQueryAttention', 'in-op', 'BSH'],
    ['gqa rotary outside', 'GroupQueryAttention', 'outside', 'BSH'],
    ['mha', 'MultiHeadAttention', 'outside', 'BSH'],
    ['mha past outside 4d', 'MultiHeadAttention', 'outside', 'BSH'],
    ['attention23', 'Attention', 'outside', 'BNSH'],
    ['attention23 3d', 'Attention', 'outside', 'BSH'],
    ['attention23 past outside', 'Attention', 'outside', 'BNSH'],
    ['eager', 'decomposed', 'outside', 'BNSH'],
    ['eager 5d', 'decomposed', 'outside', 'BNSH'],
    ['eager sink', 'decomposed', 'outside', 'BNSH'],
    ['sdpa nan guard', 'decomposed', 'outside', 'BNSH'],
  ])('%s: %s, rotation %s', (family, kind, rotation, layout) => {
    const { config } = toyFamily(family);
    expect(found(family)).toMatchObject({
      kind: { name: kind },
      rotation,
      layout,
      layer: 1,
      heads: config.heads,
      kvHeads: config.kvHeads,
      headSize: config.headDim,
      elementType: DataType.FLOAT,
      keys: 'present.1.key',
    });
  });

  it('knows the softmax of decomposed attention, and the columns of real keys where there is a sink', () => {
    expect(found('eager').scoresUser?.opType).toBe('Softmax');
    expect(found('eager').rowSource).toContain('Softmax');
    expect(found('eager sink').scoresUser?.opType).toBe('Concat');
    expect(found('eager sink').rowSource).toContain('Slice');
  });

  it('looks behind other names of the cache', () => {
    const core = found('gqa', (graph) => {
      for (const user of graph.node) {
        user.input = user.input.map((name) => (name === 'past_key_values.1.key' ? 'other' : name));
      }
      graph.node.push(
        node('Identity', ['past_key_values.1.key'], ['one']),
        node('Concat', ['one'], ['other']),
      );
    });
    expect(core.kind.name).toBe('GroupQueryAttention');
  });

  it.each(['eager', 'mha past outside 4d', 'attention23 past outside'])(
    '%s: looks behind a cast of the cache that has another name',
    (family) => {
      const core = found(family, (graph) => {
        for (const user of graph.node) {
          user.input = user.input.map((name) => (name === 'past_key_values.1.key' ? 'other' : name));
        }
        graph.node.push(
          node('Cast', ['past_key_values.1.key'], ['half'], intAttr('to', DataType.FLOAT)),
          node('Identity', ['half'], ['one']),
          node('Concat', ['one'], ['other']),
        );
      });
      expect(core).toMatchObject({ kind: found(family).kind, keys: 'present.1.key' });
    },
  );

  it.each<[string, string, (graph: GraphProto) => void, RegExp]>([
    [
      'a cache that nothing uses',
      'gqa',
      (graph) => {
        graph.node = graph.node.filter((n) => !n.input.includes('past_key_values.1.key'));
        graph.node.push(node('Identity', ['inputs_embeds'], ['present.1.key']));
        graph.node.push(node('Identity', ['inputs_embeds'], ['present.1.value']));
        for (const user of graph.node) {
          user.input = user.input.map((name) =>
            name.includes('layers.1/attn/GroupQuery') ? 'inputs_embeds' : name,
          );
        }
      },
      /nothing attend/,
    ],
    [
      'a cache that two nodes use',
      'gqa',
      (graph) => {
        graph.node.push(node('Neg', ['past_key_values.1.key'], ['second']));
      },
      /2 nodes \(GroupQueryAttention ".*", Neg "second"\) attend/,
    ],
    [
      'an operator that is not known',
      'gqa',
      (graph) => {
        for (const n of graph.node) if (n.opType === 'GroupQueryAttention') n.opType = 'PagedAttention';
      },
      /PagedAttention ".*" is no attention operator that is known/,
    ],
    [
      'a cache of latents, of which a weight makes the keys',
      'eager',
      (graph) => {
        const [cached = ''] = graph.node.find((n) => n.input.includes('past_key_values.1.key'))?.output ?? [];
        for (const n of graph.node) n.input = n.input.map((name) => (name === cached ? 'keys' : name));
        graph.node.push(node('Transpose', ['weight'], ['transposed']));
        graph.node.push(node('MatMul', [cached, 'transposed'], ['keys']));
        graph.initializer.push(create(TensorProtoSchema, { name: 'weight', dataType: DataType.FLOAT }));
      },
      /MatMul "keys" makes keys of the cache "past_key_values.1.key" by a weight: multi-head latent attention/,
    ],
    [
      'scores without a softmax',
      'eager',
      (graph) => {
        for (const n of graph.node) if (n.opType === 'Softmax') n.opType = 'Sigmoid';
      },
      /the scores of MatMul ".*" meet no Softmax/,
    ],
    [
      'a softmax over queries',
      'eager',
      (graph) => {
        for (const n of graph.node) {
          if (n.opType === 'Softmax') for (const a of n.attribute) if (a.name === 'axis') a.i = 2n;
        }
      },
      /does not normalise over the keys/,
    ],
    [
      'a result that is not brought back to [batch, sequence, …]',
      'attention23',
      (graph) => {
        for (const n of graph.node) {
          if (n.opType !== 'Transpose') continue;
          for (const a of n.attribute) if (a.name === 'perm') a.ints = [0n, 1n, 2n, 3n];
        }
      },
      /not brought into \[batch, sequence, …\]/,
    ],
  ])('refuses %s', (_, family, damage, message) => {
    expect(() => found(family, damage)).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'layer 1',
        message: expect.stringMatching(message) as string,
        hint: expect.stringContaining('GroupQueryAttention') as string,
      }),
    );
  });
});
