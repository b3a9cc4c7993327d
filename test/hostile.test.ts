// Graphs that are built to be too much: deep, wide, bushy or quarrelsome where a decoder is plain. Each is rewritten or
// refused within seconds; none exhausts the call stack.

import { describe, expect, it } from 'vitest';
import { FastvError } from '../src/errors.js';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  create,
  decodeModel,
  encodeModel,
  GraphProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type OnnxModel,
} from '../src/onnx/index.js';
import { inspectDecoder, rewriteDecoder } from '../src/rewrite/index.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';

const DEEP = 50_000;

function toy(name: string): OnnxModel {
  return decodeModel(toyDecoder({ ...toyFamily(name).config, layers: 3 }).bytes);
}

function node(opType: string, input: string[], output: string, attribute: AttributeProto[] = []): NodeProto {
  return create(NodeProtoSchema, { opType, input, output: [output], attribute });
}

const int = (name: string, value: number): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });

/** Puts `length` nodes between a tensor and those who use it. */
function lengthen(
  graph: GraphProto,
  tensor: string,
  length: number,
  step: (x: string, y: string) => NodeProto,
): void {
  for (const user of graph.node) {
    user.input = user.input.map((name) => (name === tensor ? `chain/${length}` : name));
  }
  for (let i = 1; i <= length; i++) graph.node.push(step(i === 1 ? tensor : `chain/${i - 1}`, `chain/${i}`));
}

/** The result of the first node of an op. */
function resultOf(graph: GraphProto, opType: string): string {
  return graph.node.find((n) => n.opType === opType)?.output[0] ?? '';
}

const identity = (x: string, y: string): NodeProto => node('Identity', [x], y);

/** Rewrites; the code of the refusal, or 'rewritten'. */
function attempt(model: OnnxModel, layer = 1): string {
  try {
    encodeModel(rewriteDecoder(model, { stages: [{ layer }] }).model);
    return 'rewritten';
  } catch (error) {
    if (error instanceof FastvError) return error.code;
    throw error;
  }
}

/** Damage, the decoder it is done to, and how it must end. */
const cases: [string, string, (graph: GraphProto) => void, string][] = [
  [
    'a chain behind a cache',
    'sdpa',
    (graph) => {
      lengthen(graph, 'past_key_values.1.key', DEEP, identity);
    },
    'rewritten',
  ],
  [
    'a chain in front of an operator',
    'gqa',
    (graph) => {
      lengthen(graph, 'past_key_values.1.key', DEEP, identity);
    },
    'rewritten',
  ],
  [
    'a chain behind the positions',
    'eager',
    (graph) => {
      lengthen(graph, 'position_ids', DEEP, identity);
    },
    'rewritten',
  ],
  [
    'a chain behind the mask',
    'mha',
    (graph) => {
      lengthen(graph, 'attention_mask', DEEP, identity);
    },
    'rewritten',
  ],
  [
    'a chain behind the embeddings',
    'gqa packed',
    (graph) => {
      lengthen(graph, 'inputs_embeds', DEEP, identity);
    },
    'rewritten',
  ],
  [
    'a chain behind the attention',
    'gqa',
    (graph) => {
      lengthen(graph, resultOf(graph, 'GroupQueryAttention'), DEEP, identity);
    },
    'rewritten',
  ],
  [
    'a chain behind a shape',
    'eager 5d',
    (graph) => {
      const shape = graph.node.find(({ opType }) => opType === 'Reshape')?.input[1] ?? '';
      lengthen(graph, shape, DEEP, identity);
    },
    'rewritten',
  ],
  [
    'paths that part and meet again behind the positions',
    'gqa rotary outside, positions from the past',
    (graph) => {
      lengthen(graph, resultOf(graph, 'Range'), 200, (x, y) => node('Max', [x, x, x], y));
    },
    'rewritten',
  ],
  [
    'paths that part and meet again behind the keys',
    'sdpa',
    (graph) => {
      const keys = graph.node.find((n) => n.input[0] === 'past_key_values.0.key')?.output[0] ?? '';
      for (const user of graph.node) {
        user.input = user.input.map((name) => (name === keys ? 'diamond/200' : name));
      }
      for (let i = 1; i <= 200; i++) {
        const x = i === 1 ? keys : `diamond/${i - 1}`;
        graph.node.push(
          node('Identity', [x], `left/${i}`),
          node('Identity', [x], `right/${i}`),
          node('Mul', [`left/${i}`, `right/${i}`], `diamond/${i}`),
        );
      }
    },
    'rewritten',
  ],
  [
    'thousands of angles on thousands of casts',
    'eager',
    (graph) => {
      const cast = (to: number) => (x: string, y: string) => node('Cast', [x], y, [int('to', to)]);
      for (let i = 1; i <= 4000; i++) {
        const x = i === 1 ? 'position_ids' : `angle/${i - 1}`;
        graph.node.push(
          cast(1)(x, `float/${i}`),
          node('Cos', [`float/${i}`], `cos/${i}`),
          cast(7)(`cos/${i}`, `angle/${i}`),
        );
      }
      graph.node.push(node('Identity', ['angle/4000'], 'unused'));
    },
    'rewritten',
  ],
  [
    'a node of 300,000 inputs',
    'eager positions from the past',
    (graph) => {
      const range = resultOf(graph, 'Range');
      for (const user of graph.node) {
        user.input = user.input.map((name) => (name === range ? 'wide' : name));
      }
      graph.node.push(
        node(
          'Max',
          Array.from({ length: 300_000 }, () => range),
          'wide',
        ),
      );
    },
    'rewritten',
  ],
  [
    'a cycle of many nodes',
    'gqa',
    (graph) => {
      lengthen(graph, 'inputs_embeds', DEEP, identity);
      const first = graph.node.find(({ output }) => output[0] === 'chain/1');
      if (first !== undefined) first.input[0] = `chain/${DEEP}`;
    },
    'malformed-model',
  ],
  [
    'graphs nested deeper than the call stack',
    'mha',
    (graph) => {
      let body = create(GraphProtoSchema, { node: [identity('attention_mask', 'innermost')] });
      for (let i = 0; i < 20_000; i++) {
        const attribute = create(AttributeProtoSchema, { name: 'b', type: AttributeType.GRAPH, g: body });
        body = create(GraphProtoSchema, { node: [node('If', ['attention_mask'], `y/${i}`, [attribute])] });
      }
      graph.node.push(...body.node);
    },
    'malformed-model',
  ],
  [
    'names that the rewrite would take',
    'gqa',
    (graph) => {
      for (const op of ['Shape', 'Gather', 'Slice', 'Concat']) {
        for (let i = 0; i < 10_000; i++) {
          graph.node.push(identity('inputs_embeds', `fastv/${op}${i === 0 ? '' : `_${i}`}`));
        }
      }
    },
    'rewritten',
  ],
  [
    'a constant that promises one number and brings a megabyte',
    'gqa',
    (graph) => {
      graph.initializer.push(
        create(TensorProtoSchema, { name: 'n', dataType: 7, dims: [1n], rawData: new Uint8Array(2 ** 20) }),
      );
      lengthen(graph, 'attention_mask', 1, (x, y) => node('Unsqueeze', [x, 'n'], y));
    },
    'rewritten',
  ],
  [
    'a cache of layer 4096 and none between',
    'gqa',
    (graph) => {
      for (const part of ['key', 'value']) {
        const [past, present] = [`past_key_values.4096.${part}`, `present.4096.${part}`];
        graph.input.push(create(ValueInfoProtoSchema, { name: past }));
        graph.output.push(create(ValueInfoProtoSchema, { name: present }));
        graph.node.push(identity(past, present));
      }
    },
    'unsupported-decoder',
  ],
];

describe('a graph with', () => {
  it.each(cases)(
    '%s',
    (_, family, damage, end) => {
      const model = toy(family);
      damage(model.graph);
      expect(attempt(model)).toBe(end);
    },
    20_000,
  );

  it('a thousand layers that have no attention is inspected soon', () => {
    const model = toy('gqa');
    model.graph.input.push(create(ValueInfoProtoSchema, { name: 'past_conv.1000' }));
    model.graph.output.push(create(ValueInfoProtoSchema, { name: 'present_conv.1000' }));
    model.graph.node.push(identity('past_conv.1000', 'present_conv.1000'));
    expect(inspectDecoder(model).cuts).toHaveLength(1000);
  }, 20_000);
});
