import { describe, expect, it } from 'vitest';
import { info, modelOf, node } from '../../test/graphs.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { FastvError } from '../errors.js';
import { DataType, decodeModel, type GraphProto, type OnnxModel } from '../onnx/index.js';
import { attentionOf, recogniseDecoder } from './decoder.js';
import { rewriteDecoder } from '../rewrite/rewrite-decoder.js';

function toy(
  family = 'mha',
  change: (graph: GraphProto, model: OnnxModel) => void = () => undefined,
): OnnxModel {
  const model = decodeModel(toyDecoder(toyFamily(family).config).bytes);
  change(model.graph, model);
  return model;
}

/** A graph with these inputs, and outputs that need nothing. */
const withInputs = (...names: string[]): OnnxModel =>
  modelOf({
    inputs: names,
    outputs: ['logits'],
    nodes: [node('Identity', [names[0] ?? ''], ['logits'])],
  });

const addInput = (name: string, axes: (string | number)[]) => (graph: GraphProto) => {
  graph.input.push(info(name, DataType.FLOAT, axes));
};

/** How a model is refused. */
function refusal(model: OnnxModel): FastvError {
  try {
    recogniseDecoder(model);
  } catch (error) {
    if (error instanceof FastvError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('recogniseDecoder', () => {
  it('finds layers, states and axes', () => {
    const decoder = recogniseDecoder(toy('hybrid conv'));
    expect(decoder.opset).toBe(21);
    expect(decoder.layers.map(({ attention }) => attention?.kind.name ?? 'none')).toEqual([
      'none',
      'GroupQueryAttention',
      'none',
      'GroupQueryAttention',
      'GroupQueryAttention',
    ]);
    expect(decoder.layers[0]).toMatchObject({
      pastStates: ['past_conv.0'],
      presentStates: ['present_conv.0'],
    });
    expect(decoder.layers[1]?.presentStates).toEqual(['present.1.key', 'present.1.value']);
  });

  it.each([
    ['past_key_values.0.conv_state', 'present.0.conv_state'],
    ['past_key_values.0.recurrent_state', 'present_key_values.0.recurrent_state'],
    ['past_key_values.0.shift_state', 'present.0.shift_state'],
    ['past_conv.0', 'present_conv.0'],
    ['past_ssm2.0', 'present_ssm2.0'],
    ['past_conv_values.0.left', 'present_conv_values.0.left'],
  ])('a state is what comes in as past… and goes out as present…: %s', (past, present) => {
    const model = toy('hybrid conv', (graph) => {
      const renamed = new Map([
        ['past_conv.0', past],
        ['present_conv.0', present],
      ]);
      const rename = (name: string): string => renamed.get(name) ?? name;
      for (const value of [...graph.input, ...graph.output]) value.name = rename(value.name);
      for (const node of graph.node) {
        node.input = node.input.map(rename);
        node.output = node.output.map(rename);
      }
    });
    expect(recogniseDecoder(model).layers[0]).toMatchObject({
      attention: undefined,
      pastStates: [past],
      presentStates: [present],
    });
  });

  it.each([
    ['gqa', undefined],
    ['mha', 2],
    ['eager mrope', 3],
  ])('%s: position_ids has %s axes', (family, axes) => {
    expect(recogniseDecoder(toy(family)).positionAxes).toBe(axes);
  });

  it('takes inputs with the axes of inputs_embeds for per-token ones, and leaves scalars and lists alone', () => {
    const model = toy('mha', (graph) => {
      addInput('per_token', ['batch_size', 'sequence_length', 3])(graph);
      addInput('scalar', [])(graph);
      addInput('list', ['n'])(graph);
    });
    expect(recogniseDecoder(model).tokenInputs).toEqual(['per_token']);
  });

  it.each<[string, OnnxModel, RegExp, string, RegExp]>([
    [
      'a vision encoder',
      withInputs('pixel_values', 'image_sizes'),
      /vision encoder \(its inputs are "pixel_values", "image_sizes"\)/,
      'graph inputs',
      /decoder_model_merged/,
    ],
    [
      'a text decoder with its embedding inside',
      withInputs('input_ids', 'attention_mask'),
      /no input "inputs_embeds"/,
      'graph inputs',
      /without its embedding/,
    ],
    ['some other model', withInputs('audio'), /no input "inputs_embeds"/, 'graph inputs', /vision-language/],
    [
      'two graphs in one If',
      withInputs('inputs_embeds', 'attention_mask', 'use_cache_branch'),
      /two graphs in one If node/,
      'graph inputs',
      /one graph/,
    ],
    [
      'the decoder of an encoder-decoder',
      withInputs('inputs_embeds', 'encoder_hidden_states'),
      /encoder-decoder/,
      'graph inputs',
      /see the image as tokens/,
    ],
    [
      'a decoder without an attention mask',
      withInputs('inputs_embeds'),
      /no input "attention_mask"/,
      'graph inputs',
      /attention mask/,
    ],
    [
      'a decoder without a KV cache',
      withInputs('inputs_embeds', 'attention_mask'),
      /no KV cache/,
      'graph inputs',
      /with a KV cache/,
    ],
    [
      'a graph without logits',
      modelOf({
        inputs: ['inputs_embeds', 'attention_mask'],
        outputs: ['h'],
        nodes: [node('Neg', ['inputs_embeds'], ['h'])],
      }),
      /no output "logits"; its outputs are "h"/,
      'graph inputs',
      /decoder/,
    ],
    [
      'a decoder that is rewritten already',
      rewriteDecoder(toy(), { stages: [{ layer: 2 }] }).model,
      /already has an input "image_token_mask"/,
      'graph inputs',
      /start from the original/,
    ],
    [
      'a tensor that has a name of the contract',
      toy('mha', (graph) => {
        graph.node.push(node('Shape', ['inputs_embeds'], ['kept_indices']));
      }),
      /already has a tensor "kept_indices"/,
      'graph inputs',
      /start from the original/,
    ],
    [
      'an input that may be per token or not',
      toy('mha', addInput('gates', ['batch_size', 'gates'])),
      /how the input "gates" relates to the tokens/,
      'gates',
      /axis names of inputs_embeds/,
    ],
    [
      'an old opset',
      toy('mha', (_, model) => {
        for (const opset of model.opsetImport) opset.version = 12n;
      }),
      /opset 12; the rewrite needs 13/,
      'opset_import',
      /version converter/,
    ],
    [
      'a cache that is not carried on',
      toy('mha', (graph) => {
        graph.output = graph.output.filter(({ name }) => name !== 'present.2.key');
      }),
      /"past_key_values.2.key" comes in, but no output "present.2.key"/,
      'past_key_values.2.key',
      /output/,
    ],
    [
      'a state that grows and is no key or value cache',
      toy('mha', (graph) => {
        const length = 'past_sequence_length';
        addInput('past_compressor.1.kv', ['batch_size', length, 8])(graph);
        graph.output.push(info('present_compressor.1.kv', DataType.FLOAT, ['batch_size', 'total', 8]));
        graph.node.push(node('Identity', ['past_compressor.1.kv'], ['present_compressor.1.kv']));
      }),
      /"past_compressor.1.kv" grows by "past_sequence_length" as a key\/value cache does/,
      'layer 1',
      /states of a fixed size/,
    ],
    [
      'an absurd layer',
      toy('mha', addInput('past_key_values.999999999.key', [])),
      /no layer 999999999/,
      'past_key_values.999999999.key',
      /input/,
    ],
    [
      'position_ids of four axes',
      toy('mha', (graph) => {
        graph.input = graph.input.filter(({ name }) => name !== 'position_ids');
        graph.input.push(info('position_ids', DataType.INT64, ['a', 'b', 'c', 'd']));
      }),
      /"position_ids" has 4 axes/,
      'position_ids',
      /Export/,
    ],
  ])('refuses %s', (_, model, message, where, hint) => {
    const error = refusal(model);
    expect(error.code).toBe('unsupported-decoder');
    expect(error.message).toMatch(message);
    expect(error.where).toBe(where);
    expect(error.hint).toMatch(hint);
  });
});

describe('attentionOf', () => {
  it('names the layer that has no attention, and the K that there are', () => {
    expect(() => attentionOf(recogniseDecoder(toy('hybrid conv')), 2)).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'layer 2',
        message: expect.stringContaining('K = 3 has nothing to cut after') as string,
        hint: 'Choose K among 2, 4.',
      }),
    );
  });
});
