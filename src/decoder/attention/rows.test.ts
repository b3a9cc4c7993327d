// Every attention operator gives the row that the same decoder, written out, has in its softmax.
import { describe, expect, it } from 'vitest';
import { probe, TOKENS } from '../../../test/probe.js';
import { toyConfig, type ToyConfig } from '../../../test/toy/config.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';
import { allNames, decodeModel, Emitter } from '../../onnx/index.js';
import { ATTENTION_MASK } from '../contract.js';
import { attentionOf, recogniseDecoder } from '../decoder.js';
import { lastRowAttention } from './rows.js';

const LAYER = 1;

/** The last token's attention at one layer, as the rows of its kind give it. */
async function row(config: ToyConfig): Promise<{ values: number[]; dims: readonly number[] }> {
  const model = decodeModel(toyDecoder(config).bytes);
  const [result] = await probe(config, model, (emit, decoder) => {
    const core = attentionOf(decoder, LAYER);
    const positions = (): string => core.kind.positions?.(emit, graph, core) ?? '';
    const { graph } = decoder;
    return [lastRowAttention({ emit, graph, core, node: core.node, mask: ATTENTION_MASK, positions })];
  });
  return result ?? { values: [], dims: [] };
}

const written = toyFamily('eager').config;

describe('lastRowAttention', () => {
  it.each([
    'gqa',
    'gqa softcap',
    'gqa window',
    'gqa head sink',
    'gqa attention_bias',
    'gqa rotary outside',
    'mha',
    'mha bias a head',
    'attention23',
    'attention23 3d',
    'attention23 bool mask',
    'eager 5d',
    'sdpa nan guard',
  ])('%s', async (name) => {
    const { config } = toyFamily(name);
    const { attention, opset, norm, rotaryOp, positions } = written;
    const { values, dims } = await row(config);
    expect(dims).toEqual([1, TOKENS]);
    const expected = await row({ ...config, attention, opset, norm, rotaryOp, positions });
    for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected.values[i] ?? NaN, 5);
    if (config.sink === 'none') expect(values.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    expect(new Set(values.map((value) => value.toFixed(4))).size).toBeGreaterThan(TOKENS / 2);
  });

  it('leaves the part of smooth softmax to no token', async () => {
    const { attention } = toyFamily('gqa').config;
    const { values } = await row(
      toyConfig({ attention, positions: 'implicit', leftPadding: false, sink: 'smooth' }),
    );
    const sum = values.reduce((a, b) => a + b, 0);
    expect(sum).toBeGreaterThan(0.1);
    expect(sum).toBeLessThan(0.99);
  });
});

describe('a float16 decoder', () => {
  it.each(['gqa float16', 'mha float16', 'attention23 float16'])(
    '%s: queries meet keys in float32, where their products cannot overflow',
    (name) => {
      const decoder = recogniseDecoder(decodeModel(toyDecoder(toyFamily(name).config).bytes));
      const emit = new Emitter(decoder.opset, allNames(decoder.graph.graph));
      const core = attentionOf(decoder, LAYER);
      const positions = (): string => core.kind.positions?.(emit, graph, core) ?? '';
      const { graph } = decoder;
      lastRowAttention({ emit, graph, core, node: core.node, mask: ATTENTION_MASK, positions });
      const product = emit.nodes.find(({ opType }) => opType === 'MatMul');
      const cast = emit.nodes.find(({ output }) => output[0] === product?.input[0]);
      expect(cast).toMatchObject({ opType: 'Cast', input: [core.keys], attribute: [{ i: 1n }] });
    },
  );
});
