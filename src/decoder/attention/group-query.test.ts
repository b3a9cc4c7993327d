import { describe, expect, it } from 'vitest';
import { prefillAndDecode } from '../../../test/toy/compare.js';
import { maxDifference, ToySession } from '../../../test/toy/run.js';
import { probe, TOKENS } from '../../../test/probe.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';
import {
  allNames,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  concatChunks,
  create,
  decodeModel,
  editModel,
  Emitter,
  encodeModel,
  floatAttribute,
  floatTensor,
  input,
  intAttribute,
  isOperator,
  withInputs,
  withoutAttributes,
  type GraphView,
  type NodeProto,
  type OnnxModel,
  type TensorProto,
} from '../../onnx/index.js';
import { rewriteDecoder } from '../../rewrite/rewrite-decoder.js';
import { attentionOf } from '../decoder.js';
import type { AttentionCore } from './core.js';
import { groupQuery } from './group-query.js';

function rotateOutside(emit: Emitter, graph: GraphView, core: AttentionCore, positions: string): NodeProto {
  expect(core.kind).toBe(groupQuery);
  const node = core.kind.rotateOutside?.(emit, graph, core, core.node, positions);
  if (node === undefined) throw new Error('it cannot rotate outside');
  return node;
}

function inOpPositions(emit: Emitter, graph: GraphView, core: AttentionCore): string {
  return core.kind.positions?.(emit, graph, core) ?? '';
}

describe('rotateOutside', () => {
  it.each(['gqa', 'gqa packed', 'gqa interleaved', 'gqa partial rotary'])(
    '%s: computes what the operator computes',
    async (name) => {
      const { config } = toyFamily(name);
      const model = decodeModel(toyDecoder(config).bytes);
      const [inside, outside] = await probe(config, model, (emit, decoder) => {
        const core = attentionOf(decoder, 1);
        expect(core.rotation).toBe('in-op');
        const positions = inOpPositions(emit, decoder.graph, core);
        const node = rotateOutside(emit, decoder.graph, core, positions);
        expect(intAttribute(node, 'do_rotary', 0)).toBe(0);
        const copies = emit.copy(node, (tensor) => tensor);
        return [core.node.output[0] ?? '', copies.get(core.node.output[0] ?? '') ?? ''];
      });
      expect(inside?.dims).toEqual([1, TOKENS, config.heads * config.headDim]);
      expect(maxDifference([inside?.values ?? []], [outside?.values ?? []])).toBeLessThan(1e-5);
    },
  );

  it('rotates by the positions that it is given', async () => {
    const { config } = toyFamily('gqa');
    const model = decodeModel(toyDecoder(config).bytes);
    const [inside, outside] = await probe(config, model, (emit, decoder) => {
      const core = attentionOf(decoder, 0);
      const doubled = emit.op('Mul', [inOpPositions(emit, decoder.graph, core), emit.int(2)]);
      const node = rotateOutside(emit, decoder.graph, core, doubled);
      const copies = emit.copy(node, (tensor) => tensor);
      return [core.node.output[0] ?? '', copies.get(core.node.output[0] ?? '') ?? ''];
    });
    expect(maxDifference([inside?.values ?? []], [outside?.values ?? []])).toBeGreaterThan(1e-3);
  });
});

/** The norms of q and k in front of every GroupQueryAttention that has them inside: what a CPU can run. */
function normsInFront(model: OnnxModel, heads: number, kvHeads: number): OnnxModel {
  const emit = new Emitter(21, allNames(model.graph));
  const replace = new Map<NodeProto, NodeProto>();
  for (const node of model.graph.node) {
    if (!isOperator(node, 'GroupQueryAttention') || input(node, 'q_norm_weight') === '') continue;
    const norm = (x: string, weight: string, count: number): string => {
      const split = emit.reshape(x, emit.ints(0, 0, count, -1));
      const attributes = { axis: -1n, epsilon: floatAttribute(node, 'qk_norm_epsilon', 0), stash_type: 1n };
      const normed = emit.op('SimplifiedLayerNormalization', [split, weight], { attributes });
      return emit.reshape(normed, emit.ints(0, 0, -1));
    };
    replace.set(
      node,
      withInputs(withoutAttributes(node, 'qk_norm_epsilon'), {
        query: norm(input(node, 'query'), input(node, 'q_norm_weight'), heads),
        key: norm(input(node, 'key'), input(node, 'k_norm_weight'), kvHeads),
        q_norm_weight: '',
        k_norm_weight: '',
      }),
    );
  }
  return editModel(model, { replace, emit });
}

// ONNX Runtime's CPU has no kernel for the norms inside, so both are compared with the norms in front.
describe('norms of q and k inside the operator', () => {
  it.each(['gqa', 'gqa rotary outside'])('%s: rank and attend as those in front of it', async (family) => {
    const { config } = toyFamily(family);
    const model = decodeModel(toyDecoder(config).bytes);
    const weight = (name: string): TensorProto =>
      Object.assign(floatTensor(Array.from({ length: config.headDim }, (_, i) => 0.2 + ((i * 7) % 5))), {
        name,
      });
    model.graph.initializer.push(weight('q_norm'), weight('k_norm'));
    model.graph.node = model.graph.node.map((node) => {
      if (!isOperator(node, 'GroupQueryAttention')) return node;
      const inside = withInputs(node, { q_norm_weight: 'q_norm', k_norm_weight: 'k_norm' });
      const type = AttributeProto_AttributeType.FLOAT;
      inside.attribute.push(create(AttributeProtoSchema, { name: 'qk_norm_epsilon', type, f: 1e-3 }));
      return inside;
    });
    const plain = decodeModel(toyDecoder(config).bytes);
    const inFront = (of: OnnxModel): OnnxModel => normsInFront(of, config.heads, config.kvHeads);
    const calls = prefillAndDecode(config, [[4, 11, 5]], [0.5], 2);
    const answers = async (
      of: OnnxModel,
      ratios: readonly number[],
    ): Promise<{ kept: number[][]; logits: Float32Array[] }> => {
      const toy = await ToySession.create(config, concatChunks(encodeModel(of)));
      const conversation = toy.conversation(1);
      const all = [];
      for (const { rows } of calls) all.push(await conversation.call(rows, { ratios }));
      await toy.release();
      return {
        kept: all.flatMap(({ kept }) => kept ?? []),
        logits: all.flatMap(({ logits }) => logits.flat()),
      };
    };
    for (const stages of [[{ layer: 2 }], [{ layer: 1 }, { layer: 3 }]]) {
      const ratios = stages.map(() => 0.5);
      for (const mode of ['drop', 'mask'] as const) {
        const given = await answers(inFront(rewriteDecoder(model, { stages, mode }).model), ratios);
        const expected = await answers(rewriteDecoder(inFront(model), { stages, mode }).model, ratios);
        expect(given.kept).toEqual(expected.kept);
        expect(maxDifference(given.logits, expected.logits)).toBeLessThan(1e-5);
        const without = await answers(rewriteDecoder(plain, { stages, mode }).model, ratios);
        expect(maxDifference(given.logits, without.logits)).toBeGreaterThan(1e-3);
      }
    }
  });
});
