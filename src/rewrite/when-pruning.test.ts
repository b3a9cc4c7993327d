import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decodeModel, type GraphProto, type NodeProto } from '../onnx/index.js';
import { strategies } from '../strategies/index.js';
import { rewriteDecoder } from './rewrite-decoder.js';

/** The operators that stand in a rewritten decoder and not in the original: in every call, and where there are images. */
function added(family: string, layers: readonly number[], strategy: string) {
  const model = decodeModel(toyDecoder(toyFamily(family).config).bytes);
  const before = new Set(model.graph.node.map(({ name }) => name));
  const rewritten = rewriteDecoder(model, { stages: layers.map((layer) => ({ layer })), strategy });
  const { node } = rewritten.model.graph;
  const types = (nodes: readonly NodeProto[]): string[] => nodes.map(({ opType }) => opType);
  const body = (branch: string): GraphProto[] =>
    node.flatMap(({ attribute }) => attribute.flatMap(({ name, g }) => (name === branch && g ? [g] : [])));
  return {
    always: types(node.filter(({ name }) => !before.has(name))),
    ifImages: body('then_branch').map((graph) => types(graph.node)),
    otherwise: body('else_branch').map((graph) => types(graph.node)),
  };
}

/** What scores and sorts. */
const WORK = ['TopK', 'Softmax', 'Loop', 'ReduceMean', 'Tanh', 'ArgMax'];

describe('a rewritten decoder', () => {
  it.each(strategies.map(({ name }) => name))(
    '%s: neither scores nor sorts in calls without image tokens',
    (strategy) => {
      for (const family of ['gqa', 'eager softcap window']) {
        const { always, ifImages, otherwise } = added(family, [1, 2], strategy);
        expect(always.filter((opType) => WORK.includes(opType))).toEqual([]);
        expect(always.filter((opType) => opType === 'If')).toHaveLength(2);
        for (const types of ifImages)
          expect(types.filter((opType) => opType === 'TopK').length).toBeGreaterThan(1);
        expect(otherwise).toEqual([['SequenceConstruct'], ['SequenceConstruct']]);
      }
    },
  );
});
