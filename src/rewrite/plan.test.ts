import { describe, expect, it } from 'vitest';
import { info } from '../../test/graphs.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { DataType, decodeModel, firstInput } from '../onnx/index.js';
import { graphStrategy } from '../strategies/index.js';
import { checkCuts, planCuts, type PlannedStage } from './plan.js';

const toy = (family: string): Decoder =>
  recogniseDecoder(decodeModel(toyDecoder(toyFamily(family).config).bytes));
const queriesOf = ({ stages }: { readonly stages: readonly PlannedStage[] }): string[] =>
  stages.map(({ queries }) => (typeof queries === 'string' ? queries : 'kept'));

describe('planCuts', () => {
  it('computes fewer queries where the attention can do with them', () => {
    const decoder = toy('eager');
    const plan = planCuts(decoder, [1, 3]);
    expect(queriesOf(plan)).toEqual(['kept', 'kept']);
    expect(plan.stages.map(({ k, core }) => [k, core?.layer])).toEqual([
      [1, 0],
      [3, 2],
    ]);
    // Nothing had to change for that.
    expect(plan.decoder).toBe(decoder);
  });

  it('puts those queries behind the cut, and nothing that has to be there for all tokens', () => {
    const { stages, partition, decoder } = planCuts(toy('eager'), [2]);
    const [stage] = stages;
    if (stage === undefined || typeof stage.queries === 'string') throw new Error('no queries');
    expect(stage.queries.nodes.length).toBeGreaterThan(0);
    expect(new Set(stage.queries.nodes.map((node) => partition.stageOf(node)))).toEqual(new Set([1]));
    for (const state of decoder.layers[1]?.presentStates ?? []) expect(partition.home(state)).toBe(0);
  });

  it('takes caches out of operators where that pays, and of no others', () => {
    const decoder = toy('mha');
    const plan = planCuts(decoder, [0, 2]);
    expect(queriesOf(plan)).toEqual(['K = 0 cuts before the first layer', 'kept']);
    const inside = plan.decoder.layers.map(({ attention }) => attention?.cacheInside);
    expect(inside).toEqual([true, false, true, true]);
    expect(decoder.layers.every(({ attention }) => attention?.cacheInside)).toBe(true);
  });

  it('leaves a cache where it is if all queries are computed after all', () => {
    const { model, layers } = toy('mha');
    const attention = layers[1]?.attention?.node;
    if (attention === undefined) throw new Error('no attention');
    model.graph.output.push(info(firstInput(attention), DataType.FLOAT, ['b', 's', 'h']));
    const decoder = recogniseDecoder(model);
    const plan = planCuts(decoder, [2]);
    expect(queriesOf(plan)).toEqual([expect.stringMatching(/is needed for all tokens/)]);
    expect(plan.decoder).toBe(decoder);
  });

  it('says why an operator computes the queries of all tokens', () => {
    expect(queriesOf(planCuts(toy('gqa'), [1]))).toEqual([
      expect.stringMatching(/GroupQueryAttention .* takes as many queries as new keys/),
    ]);
    const switchedOff = planCuts(toy('mha'), [1], 'switched off');
    expect(queriesOf(switchedOff)).toEqual(['switched off']);
    expect(switchedOff.decoder.layers[0]?.attention?.cacheInside).toBe(true);
  });
});

describe('checkCuts', () => {
  const attention = graphStrategy('attention');

  it.each<[number[], RegExp]>([
    [[], /no pruning stage/],
    [[4], /K = 4 is out of range: the decoder has 4 layers/],
    [[-1], /K = -1 is out of range/],
    [[1.5], /K = 1\.5 is out of range/],
    [[2, 1], /not in ascending order/],
    [[2, 2], /not in ascending order/],
    [[0], /leaves the strategy "attention" no layer/],
  ])('refuses K = %j', (cuts, message) => {
    expect(() => {
      checkCuts(toy('gqa'), cuts, attention);
    }).toThrow(
      expect.objectContaining({
        code: 'invalid-option',
        where: '--layer',
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  it('takes K = 0 for what looks at no layer, and ascending K', () => {
    checkCuts(toy('gqa'), [0, 1, 3], graphStrategy('external'));
    checkCuts(toy('gqa'), [1, 2, 3], attention);
  });

  it('refuses a layer without attention, naming those that have one', () => {
    expect(() => {
      checkCuts(toy('hybrid conv'), [1], attention);
    }).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'layer 0',
        hint: 'Choose K among 2, 4.',
      }),
    );
  });
});
