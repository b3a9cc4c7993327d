import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { allNames, decodeModel, Emitter, topologicalOrder, type NodeProto } from '../onnx/index.js';
import { shareBudget } from './budget.js';
import { allTokens } from './drop.js';
import { planCuts } from './plan.js';
import { select } from './select.js';
import { ratioOf, stageContext } from './stage-context.js';
import { graphStrategy } from '../strategies/index.js';
import type { Finished } from './tokens.js';

interface Dropped extends Finished {
  readonly decoder: Decoder;
  readonly emit: Emitter;
  /** The graph's nodes, those behind a cut with their new inputs. */
  readonly nodes: readonly NodeProto[];
}

function dropped(family: string, cuts: number[], strategy = 'attention'): Dropped {
  const original = recogniseDecoder(decodeModel(toyDecoder(toyFamily(family).config).bytes));
  const plan = planCuts(original, cuts);
  const { decoder } = plan;
  const emit = new Emitter(decoder.opset, allNames(decoder.graph.graph));
  let tokens = allTokens(plan, emit);
  for (const stage of cuts.keys()) {
    const budget = shareBudget(emit, ratioOf(emit, stage, 'float64'), 'float64');
    const scores = graphStrategy(strategy).score(stageContext(plan, stage, tokens, emit, () => budget));
    tokens = tokens.keep(select(emit, scores, tokens.imageTokenMask, budget).indices);
  }
  const finished = tokens.finish();
  const nodes = decoder.graph.nodes.map((node) => finished.replace.get(node) ?? node);
  return { ...finished, decoder, emit, nodes };
}

describe('drop', () => {
  it('gives every node of the graph, those before the cut as they are', () => {
    const { nodes, decoder } = dropped('gqa', [2]);
    const { graph, layers } = decoder;
    const before = graph.ancestors([layers[1]?.attention?.output ?? '']);
    const after = new Set(layers.slice(2).map(({ attention }) => attention?.node));
    expect(nodes).toHaveLength(graph.nodes.length);
    for (const [i, original] of graph.nodes.entries()) {
      if (before.has(original)) expect(nodes[i], original.name).toBe(original);
      if (after.has(original)) expect(nodes[i], original.name).not.toBe(original);
      expect(nodes[i]?.output).toEqual(original.output);
    }
  });

  it('computes nothing that a strategy does not ask for', () => {
    const softmaxes = (strategy: string): number =>
      dropped('gqa', [2], strategy).emit.nodes.filter(({ opType }) => opType === 'Softmax').length;
    expect(softmaxes('attention')).toBe(1);
    expect(softmaxes('key-norm')).toBe(0);
    expect(softmaxes('external')).toBe(0);
  });

  it('gathers what stages kept: the last of them counts in places of the whole call', () => {
    const one = dropped('eager', [2]);
    expect(one.emit.nodes.find(({ output }) => output.includes(one.keptIndices))?.opType).toBe('TopK');
    const two = dropped('eager', [1, 2]);
    expect(two.emit.nodes.find(({ output }) => output.includes(two.keptIndices))?.opType).toBe('Gather');
  });

  it('names axes by the stages that are behind', () => {
    const { axisSuffix } = dropped('mha', [1, 3]);
    expect([0, 1, 2, 3].map(axisSuffix)).toEqual(['', '_kept', '_kept', '_kept_2']);
  });

  it('leaves a graph without cycles, whatever the stages', () => {
    for (const stages of [[1], [3], [1, 2, 3]]) {
      const { nodes, emit } = dropped('gqa rotary outside', stages);
      expect(() => topologicalOrder([...nodes, ...emit.nodes], ({ input }) => input)).not.toThrow();
    }
  });
});
