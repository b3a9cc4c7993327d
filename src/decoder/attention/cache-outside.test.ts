import { describe, expect, it } from 'vitest';
import { nextTurn, prefillAndDecode } from '../../../test/toy/compare.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';
import { maxDifference, ToySession } from '../../../test/toy/run.js';
import {
  allNames,
  concatChunks,
  decodeModel,
  editModel,
  Emitter,
  encodeModel,
  type NodeProto,
  type OnnxModel,
} from '../../onnx/index.js';
import { attentionOf, recogniseDecoder } from '../decoder.js';

function load(family: string): OnnxModel {
  return decodeModel(toyDecoder(toyFamily(family).config).bytes);
}

/** Takes every cache out of its operator. */
function allOutside(model: OnnxModel): OnnxModel {
  const decoder = recogniseDecoder(model);
  const emit = new Emitter(decoder.opset, allNames(model.graph));
  const replace = new Map<NodeProto, NodeProto>();
  for (const { attention: core } of decoder.layers) {
    const outside = core?.kind.cacheOutside?.(emit, decoder.graph, core);
    if (core !== undefined && outside !== undefined) replace.set(core.node, outside);
  }
  return editModel(model, { replace, emit });
}

describe('a cache outside its operator', () => {
  it.each([
    'mha',
    'mha bias a head',
    'mha unidirectional',
    'mha mask by its length',
    'attention23',
    'attention23 3d',
    'attention23 bool mask',
    'attention23 is_causal',
    'attention23 softcap',
  ])('%s: gives the same logits and the same cache', async (family) => {
    const { config } = toyFamily(family);
    const sessions = await Promise.all(
      [load(family), allOutside(load(family))].map((model) =>
        ToySession.create(config, concatChunks(encodeModel(model))),
      ),
    );
    const conversations = sessions.map((session) => session.conversation(2));
    const spans = config.leftPadding ? [[4, 6, 5], [9]] : [[4, 6, 5], [15]];
    const first = prefillAndDecode(config, spans, [], 2);
    for (const { rows } of [...first, ...nextTurn(config, first, [[3], [3]], [])]) {
      const [inside, outside] = await Promise.all(conversations.map((c) => c.call(rows)));
      expect(outside?.cacheLengths).toEqual(inside?.cacheLengths);
      for (const [row, logits] of (inside?.logits ?? []).entries()) {
        expect(maxDifference(logits, outside?.logits[row] ?? [])).toBeLessThan(1e-5);
      }
    }
    await Promise.all(sessions.map((session) => session.release()));
  });

  it('is recognised as such', () => {
    const before = attentionOf(recogniseDecoder(load('mha unidirectional')), 1);
    const after = attentionOf(recogniseDecoder(allOutside(load('mha unidirectional'))), 1);
    expect([before.cacheInside, before.causal]).toEqual([true, true]);
    expect([after.cacheInside, after.causal]).toEqual([false, false]);
    expect([after.keys, after.heads, after.kvHeads]).toEqual([before.keys, before.heads, before.kvHeads]);
  });
});

describe('a cache stays inside', () => {
  it.each<[string, string, number, RegExp]>([
    ['an operator with a bias', 'mha', 3, /has an input bias \("bias"\)$/],
    ['one with a padding mask', 'mha', 4, /has an input key_padding_mask \("bias"\)$/],
    ['one with lengths', 'attention23', 6, /has an input nonpad_kv_seqlen \("bias"\)$/],
  ])('%s', (_, family, input, reason) => {
    const core = attentionOf(recogniseDecoder(load(family)), 1);
    expect(core.kind.allQueries(core)).toBeUndefined();
    while (core.node.input.length <= input) core.node.input.push('');
    core.node.input[input] = 'bias';
    expect(core.kind.allQueries(core)).toMatch(reason);
  });

  it('GroupQueryAttention', () => {
    const core = attentionOf(recogniseDecoder(load('gqa')), 1);
    expect(core.kind.allQueries(core)).toMatch(/takes as many queries as new keys$/);
  });

  it('an operator that gives its scores as well', () => {
    const core = attentionOf(recogniseDecoder(load('attention23')), 1);
    core.node.output.push('scores');
    expect(core.kind.allQueries(core)).toMatch(/gives more than its result$/);
  });
});
