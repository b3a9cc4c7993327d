import { describe, expect, it } from 'vitest';
import { info, node } from '../../test/graphs.js';
import { checkPass } from '../../test/pass.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamilies, toyFamily } from '../../test/toy/families.js';
import {
  allNames,
  DataType,
  decodeModel,
  GraphView,
  type NodeProto,
  type OnnxModel,
  type ValueInfoProto,
} from '../onnx/index.js';
import type { RewriteOptions } from './options.js';
import { rewriteDecoder } from './rewrite-decoder.js';

const toy = (family: string): OnnxModel => decodeModel(toyDecoder(toyFamily(family).config).bytes);
const stages = (...layers: number[]): RewriteOptions['stages'] => layers.map((layer) => ({ layer }));
const named = (values: readonly ValueInfoProto[], name: string): ValueInfoProto | undefined =>
  values.find((value) => value.name === name);

/** The axes of a graph input or output. */
function axes(values: readonly ValueInfoProto[], name: string): (string | number | undefined)[] {
  const type = named(values, name)?.type?.value;
  if (type?.case !== 'tensorType') return [];
  return (type.value.shape?.dim ?? []).map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : value.value,
  );
}

describe('rewriteDecoder', () => {
  it('adds the inputs and outputs of the contract, and keeps those that there were', () => {
    const model = toy('mha');
    const { input, output } = rewriteDecoder(model, { stages: stages(2) }).model.graph;
    expect(input.map(({ name }) => name)).toEqual([
      ...model.graph.input.map(({ name }) => name),
      'image_token_mask',
      'prune_ratio',
    ]);
    expect(output.map(({ name }) => name)).toEqual([
      ...model.graph.output.map(({ name }) => name),
      'kept_indices',
    ]);
    expect(named(input, 'image_token_mask')).toEqual(
      info('image_token_mask', DataType.BOOL, ['batch_size', 'sequence_length']),
    );
    expect(named(input, 'prune_ratio')).toEqual(info('prune_ratio', DataType.FLOAT, [1]));
  });

  it('asks for scores if the strategy needs them, and for an R for each stage', () => {
    const { input } = rewriteDecoder(toy('gqa'), { stages: stages(0, 2, 3), strategy: 'external' }).model
      .graph;
    expect(axes(input, 'image_token_scores')).toEqual(['batch_size', 'sequence_length']);
    expect(axes(input, 'prune_ratio')).toEqual([3]);
  });

  it.each(['attention', 'grid', 'random', 'external'])(
    'reports the strategy that was asked for: %s',
    (strategy) => {
      const { report } = rewriteDecoder(toy('gqa'), { stages: stages(1), strategy });
      expect(report.strategy).toBe(strategy);
    },
  );

  it('names the axes of pruned caches and of logits anew', () => {
    const { graph } = rewriteDecoder(toy('gqa'), { stages: stages(1, 3) }).model;
    const lengths = [0, 1, 2, 3].map((layer) => axes(graph.input, `past_key_values.${layer}.key`)[2]);
    const past = 'past_sequence_length';
    expect(lengths).toEqual([past, `${past}_kept`, `${past}_kept`, `${past}_kept_2`]);
    expect(axes(graph.output, 'logits')[1]).toBe('sequence_length_kept_2');
    const masked = rewriteDecoder(toy('gqa'), { stages: stages(1), mode: 'mask' }).model.graph;
    expect(axes(masked.output, 'present.3.key')[2]).toBe('total_sequence_length');
  });

  it('leaves the given model as it was', () => {
    for (const mode of ['drop', 'mask'] as const) {
      const rewrite = (model: OnnxModel): ReturnType<typeof rewriteDecoder> =>
        rewriteDecoder(model, { stages: stages(1, 2), mode });
      checkPass(rewrite, toy('gqa packed'), { changed: true, again: 'refused' });
    }
  });

  it('shares weights with the given model', () => {
    const model = toy('gqa int4');
    const { initializer } = rewriteDecoder(model, { stages: stages(2) }).model.graph;
    for (const [i, tensor] of model.graph.initializer.entries()) expect(initializer[i]).toBe(tensor);
  });

  it('leaves what comes before the cut as it is', () => {
    const model = toy('eager');
    for (const earlyQueries of [true, false]) {
      const { model: result, report } = rewriteDecoder(model, { stages: stages(2), earlyQueries });
      const nodes = new Set<NodeProto>(result.graph.node);
      const after = earlyQueries ? ['present.1.key', 'present.1.value'] : [report.stages[0]?.after ?? ''];
      const before = new GraphView(model.graph).ancestors(after);
      expect(before.size).toBeGreaterThan(50);
      for (const original of before) expect(nodes, original.name).toContain(original);
    }
  });

  it.each(toyFamilies)('loses no name of the original: $name', ({ config }) => {
    const model = decodeModel(toyDecoder(config).bytes);
    const { graph } = rewriteDecoder(model, { stages: stages(2) }).model;
    const left = new Set(allNames(graph));
    const original = new GraphView(model.graph);
    // Prologue nodes that only layers behind the cut used are replaced by their copies.
    const gone = model.graph.node.filter((n) => !n.output.some((output) => left.has(output)));
    for (const lost of gone) {
      expect(left, lost.name).toContain(`fastv/${lost.output[0] ?? ''}`);
      expect(original.ancestors(lost.output)).toBeDefined();
    }
    for (const { name } of model.graph.initializer) expect(left).toContain(name);
    expect(new GraphView(graph).nodes).toEqual(graph.node);
  });

  it('keeps everything else that a model says', () => {
    const model = toy('mha');
    model.docString = 'about it';
    model.graph.docString = 'about the graph';
    const result = rewriteDecoder(model, { stages: stages(2) }).model;
    expect(result).toMatchObject({ docString: 'about it', producerName: 'toy', irVersion: model.irVersion });
    expect(result.graph.docString).toBe('about the graph');
  });

  it('adds the domain of its operators where it is missing', () => {
    const model = toy('eager');
    model.opsetImport = model.opsetImport.filter(({ domain }) => domain === '');
    const { opsetImport } = rewriteDecoder(model, { stages: stages(2) }).model;
    expect(opsetImport.map(({ domain }) => domain)).toEqual(['', 'com.microsoft']);
  });

  it('drops shapes that are true no longer', () => {
    const model = toy('mha');
    const sum = model.graph.node
      .filter(({ opType }) => opType === 'Sigmoid')
      .map(({ output }) => output[0] ?? '');
    model.graph.valueInfo = sum.map((name) =>
      info(name, DataType.FLOAT, ['batch_size', 'sequence_length', 64]),
    );
    const { valueInfo } = rewriteDecoder(model, { stages: stages(2) }).model.graph;
    expect(valueInfo.length).toBeLessThanOrEqual(sum.length);
    expect(valueInfo.map(({ name }) => name)).toContain(sum[0]);
  });

  it('reports what it did', () => {
    const model = toy('gqa');
    const { report, model: result } = rewriteDecoder(model, { stages: stages(1), strategy: 'key-norm' });
    expect(report).toEqual({
      layers: 4,
      stages: [
        {
          layer: 1,
          after: '/model/layers.0/attn/GroupQueryAttention/output_0',
          queries: 'all',
          queriesReason:
            'GroupQueryAttention "/model/layers.0/attn/GroupQueryAttention" takes as many queries as new keys',
        },
      ],
      strategy: 'key-norm',
      mode: 'drop',
      nodes: { before: model.graph.node.length, after: result.graph.node.length },
    });
    const zero = rewriteDecoder(model, { stages: stages(0), strategy: 'external' });
    expect(zero.report.stages).toMatchObject([{ layer: 0, after: 'inputs_embeds', queries: 'all' }]);
    const eager = rewriteDecoder(toy('eager'), { stages: stages(2) });
    expect(eager.report.stages).toEqual([{ layer: 2, after: expect.any(String) as string, queries: 'kept' }]);
    expect(eager.model.graph.node.flatMap(({ output }) => output)).toContain(eager.report.stages[0]?.after);
  });

  it.each<[string, RewriteOptions, RegExp, RegExp]>([
    ['no stage', { stages: [] }, /no pruning stage/, /K = 2/],
    ['K = layers', { stages: stages(4) }, /K = 4 is out of range: the decoder has 4 layers/, /from 0 to 3/],
    ['K < 0', { stages: stages(-1) }, /K = -1 is out of range/, /from 0 to 3/],
    ['a fraction', { stages: stages(1.5) }, /K = 1.5 is out of range/, /from 0 to 3/],
    ['NaN', { stages: stages(NaN) }, /K = NaN is out of range/, /from 0 to 3/],
    ['stages that descend', { stages: stages(3, 1) }, /not in ascending order/, /lowest first/],
    ['a stage twice', { stages: stages(2, 2) }, /not in ascending order/, /once/],
    ['K = 0 with attention', { stages: stages(0) }, /leaves the strategy "attention" no layer/, /"external"/],
    [
      'K = 0 with key-norm',
      { stages: stages(0), strategy: 'key-norm' },
      /leaves the strategy "key-norm" no layer/,
      /K ≥ 1/,
    ],
    ['an unknown strategy', { stages: stages(2), strategy: 'x' }, /no strategy "x"/, /attention, key-norm/],
  ])('refuses %s', (_, options, message, hint) => {
    expect(() => rewriteDecoder(toy('gqa'), options)).toThrow(
      expect.objectContaining({
        name: 'FastvError',
        code: 'invalid-option',
        where: expect.stringMatching(/^--/) as string,
        message: expect.stringMatching(message) as string,
        hint: expect.stringMatching(hint) as string,
      }),
    );
  });

  it('names the layer of a hybrid decoder that has no attention to cut after', () => {
    expect(() => rewriteDecoder(toy('hybrid conv'), { stages: stages(1) })).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where: 'layer 0' }),
    );
  });

  it('names the node behind the cut whose sequence axis is unclear', () => {
    const model = toy('eager');
    const { graph } = model;
    // What layer 0 leaves goes through an op that may mix tokens.
    const weights = new Set(graph.initializer.map(({ name }) => name));
    const sums = graph.node.filter(
      ({ name, opType, input }) =>
        name.startsWith('/model/layers.0/') && opType === 'Add' && !input.some((x) => weights.has(x)),
    );
    const old = sums.at(-1)?.output[0] ?? '';
    for (const user of graph.node) user.input = user.input.map((name) => (name === old ? 'mixed' : name));
    graph.node.push(Object.assign(node('Einsum', [old], ['mixed']), { name: 'mixer' }));
    expect(() => rewriteDecoder(model, { stages: stages(2) })).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where: 'Einsum "mixer"' }),
    );
  });

  it('in masking mode refuses a MultiHeadAttention with a bias on its keys', () => {
    const model = toy('mha');
    for (const n of model.graph.node) if (n.opType === 'MultiHeadAttention') n.input[3] = n.input[0] ?? '';
    expect(() => rewriteDecoder(model, { stages: stages(2), mode: 'mask' })).toThrow(
      expect.objectContaining({ where: 'layer 2', hint: 'Use dropping mode.' }),
    );
  });
});
