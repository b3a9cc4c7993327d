import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import {
  decodeModel,
  GraphView,
  ON_PROCESSOR,
  subgraphs,
  type GraphProto,
  type NodeProto,
} from '../onnx/index.js';
import { strategies } from '../strategies/index.js';
import { processorNodes } from './processor-nodes.js';
import { rewriteDecoder } from './rewrite-decoder.js';

const decoder = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
const rewritten = (strategy: string): ReturnType<typeof decodeModel> =>
  rewriteDecoder(decoder, { stages: [{ layer: 2 }], strategy, weights: 'sizes', merge: 'mean' }).model;

/** Every node of a graph and of its bodies. */
function nodesOf({ node: nodes }: GraphProto): NodeProto[] {
  return nodes.flatMap((node) => [node, ...subgraphs(node).flatMap(nodesOf)]);
}

describe('processorNodes', () => {
  it('has none of a decoder that is not rewritten', () => {
    expect(processorNodes(decoder)).toEqual([]);
  });

  it('has the selection, and no product of activations', () => {
    const names = new Set(processorNodes(rewritten('attention')));
    const operators = nodesOf(rewritten('attention').graph).flatMap(({ name, opType }) =>
      names.has(name) ? [opType] : [],
    );
    expect(operators).toContain('TopK');
    expect(operators).not.toContain('MatMul');
  });

  it('has every node of the bodies of loops', () => {
    const all = nodesOf(rewritten('scope').graph);
    const [loop] = all.filter(({ opType }) => opType === 'Loop');
    const names = processorNodes(rewritten('scope'));
    const body = loop === undefined ? [] : subgraphs(loop).flatMap(nodesOf);
    expect(body.length).toBeGreaterThan(10);
    expect(names).toEqual(expect.arrayContaining(body.map(({ name }) => name)));
  });

  // ONNX Runtime copies what a body takes from a GPU at every turn.
  it.each(strategies.filter(({ where }) => where === 'graph').map(({ name }) => name))(
    '%s: what the bodies of loops take from outside is made on the processor',
    (name) => {
      const all = nodesOf(rewritten(name).graph);
      const makers = new Map(all.flatMap((node) => node.output.map((output) => [output, node] as const)));
      const elsewhere = all
        .filter(({ opType }) => opType === 'Loop')
        .flatMap((loop) => GraphView.captures(loop))
        .flatMap((tensor) => makers.get(tensor) ?? [])
        .filter((maker) => !maker.name.startsWith(ON_PROCESSOR));
      expect(elsewhere.map((maker) => maker.name)).toEqual([]);
    },
  );
});
